"""artifact-experiment: its file system and MLflow clients hold every score, once."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.runs.trackers import ArtifactExperiment, TrackerError, replay
from artifact_fn.runs.trackers.artifact_experiment import key_of
from artifact_fn.runs.trackers.delivery import Delivery
from tests.runs.examples import done
from tests.runs.trackers.examples import STOP, begun, epoch, finished, scores_of, write


def expected(root: Path) -> dict[str, list[float]]:
    found = defaultdict(list)
    for name, _, _, value in sorted(scores_of(root), key=lambda score: score[1]):
        found[key_of(name)].append(value)
    return dict(found)


def written(home: Path) -> dict[str, list[float]]:
    found = {}
    for path in home.glob("artifact_ml/heart/*/artifacts/scores/*"):
        with path.open(newline="") as file:
            found[path.name] = [float(row["value"] or "nan") for row in csv.DictReader(file)]
    return found


@pytest.mark.filterwarnings("ignore")
def test_its_file_system_holds_every_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("artifact_experiment")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = begun(tmp_path / "run")
    tracker = ArtifactExperiment("filesystem", "heart", patience=20)
    write(root, [epoch(1), epoch(2, {"train/loss": 0.25, "rare": 7.0})])
    live = Delivery(root, tracker, keep=True)
    live.step()
    live._held.close()  # killed
    write(root, [epoch(3), epoch(4, {"train/loss": float("nan"), "rare": 8.0}), epoch(5), STOP])
    for _ in range(2):
        assert done(replay(root, tracker)) == 6
        found, wanted = written(tmp_path / "home"), expected(root)
        assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in wanted.items()}


@pytest.mark.filterwarnings("ignore")
def test_its_mlflow_holds_every_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("artifact_experiment")
    import mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    root = finished(tmp_path / "run")
    for _ in range(2):
        assert (
            done(replay(root, ArtifactExperiment("mlflow", "heart", patience=20), patience=30)) == 6
        )
        client = mlflow.MlflowClient(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("heart").experiment_id])
        found = {
            key.rsplit("/", 1)[1]: [
                point.value
                for point in sorted(
                    client.get_metric_history(run.info.run_id, key), key=lambda p: p.step
                )
            ]
            for key in run.data.metrics
        }
        assert found == expected(root)


@given(st.lists(st.text(alphabet="a-/_.x(", max_size=8), unique=True, max_size=20))
def test_names_are_injective_and_flat(names: list[str]) -> None:
    keys = [key_of(name) for name in names]
    assert len(set(keys)) == len(names)
    assert not any("/" in key for key in keys)


def test_other_clients_are_refused() -> None:
    with pytest.raises(TrackerError, match=r"cannot be read back; got client='neptune'; take"):
        ArtifactExperiment("neptune", "heart")  # type: ignore[arg-type]

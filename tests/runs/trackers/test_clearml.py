"""ClearML: the files of its offline sessions hold the scores, each once."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifact_fn.runs.trackers import ClearML, replay
from artifact_fn.runs.trackers.delivery import Delivery
from tests.runs.examples import done
from tests.runs.trackers.examples import PNG, STOP, begun, epoch, scores_of, with_artifacts, write

pytest.importorskip("clearml")

pytestmark = pytest.mark.filterwarnings("ignore")  # of clearml and what it is made of


def sessions(place: Path) -> list[Path]:
    return sorted(place.glob("offline/offline-*"), key=lambda path: path.stat().st_ctime_ns)


def events(place: Path) -> list[Any]:
    lines = [
        json.loads(line)
        for path in sessions(place)
        if (path / "metrics.jsonl").exists()
        for line in (path / "metrics.jsonl").read_text().splitlines()
    ]
    return [event for line in lines for event in line]


def parameters(place: Path, section: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sessions(place):
        told = json.loads((path / "task.json").read_text())
        found |= {k: v["value"] for k, v in told["hyperparams"].get(section, {}).items()}
    return found


def test_offline_sessions_hold_every_score_once(tmp_path: Path) -> None:
    """In two of them: the first was told a part, and its process was killed."""
    root, told = begun(tmp_path / "run", params={"model[0].f(x)": "2"}), tmp_path / "told"
    tracker = ClearML("heart", offline=told)
    nan = {"val/x": float("nan"), "loss": 0.5}
    write(root, [epoch(1, artifacts=with_artifacts(root, 1)), epoch(2, nan)])
    live = Delivery(root, tracker, keep=True)
    live.step()
    live._connection.apart.kill()  # type: ignore[union-attr]
    live._held.close()
    write(root, [epoch(3), STOP])
    for _ in range(2):
        assert done(replay(root, tracker)) == 4
    names = parameters(told, "names")
    scalars = [e for e in events(told) if e["type"] == "training_stats_scalar"]
    found = [
        (names.get(e["metric"], e["metric"]), e["variant"], e["iter"], e["value"]) for e in scalars
    ]
    steps = {("artifact_fn.step", "train", i, 10.0 * i) for i in (1, 2, 3)}
    wanted = {
        (*((name.split("/")[::-1]) if "/" in name else (name, "all")), index, value)
        for name, index, _, value in scores_of(root)
        if value == value
    }
    assert len(found) == len(set(found))
    assert set(found) == wanted | steps
    log = "".join((path / "log.jsonl").read_text() for path in sessions(told))
    assert "val/x of 2: nan" in log  # ClearML would make it a zero
    assert parameters(told, "params")["model[0].f(x)"] == "2"
    assert parameters(told, "begun")["git"] == "abc+"
    assert parameters(told, "run")["status"] == "finished: it is enough"

    (image,) = [e for e in events(told) if e["type"] == "training_debug_image"]
    assert (image["metric"], image["variant"], image["iter"]) == ("curve", "val", 1)
    assert Path(image["url"]).read_bytes() == PNG
    first = json.loads((sessions(told)[0] / "task.json").read_text())
    assert "artifact_fn.id:0123abcd" in first["tags"]
    kept = {a["key"]: Path(a["uri"]) for a in first["execution"]["artifacts"]}
    assert set(kept) == {
        "experiment.json", "val/array/000001", "val/arrays/000001", "val/curve/000001",
        "val/values/000001",
    }  # fmt: skip
    array = root / "artifacts" / "val" / "array" / "000001.npz"
    assert kept["val/array/000001"].read_bytes() == array.read_bytes()

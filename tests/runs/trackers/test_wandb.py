"""Weights & Biases: the files of its offline runs hold the scores, each once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from artifact_fn.runs.trackers import WandB, replay
from artifact_fn.runs.trackers.delivery import Delivery
from tests.runs.examples import done
from tests.runs.trackers.examples import PNG, STOP, begun, epoch, finished, scores_of, write

pytest.importorskip("wandb")

pytestmark = pytest.mark.filterwarnings("ignore")  # of wandb and what it is made of


def held(place: Path) -> tuple[list[dict[str, Any]], dict[str, Any], set[str]]:
    """Rows, configuration and file names of all offline files, as wandb's own records say."""
    from artifact_fn.runs.trackers.tellers.wandb import records, rows_of

    rows: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    names: set[str] = set()
    for path in sorted(place.glob("wandb/offline-run-*/*.wandb")):
        rows += list(rows_of(path))
        for record in records(path):
            updates = [*record.run.config.update, *record.config.update]
            config |= {
                (list(u.nested_key) or [u.key])[0]: json.loads(u.value_json) for u in updates
            }
            names |= {file.path for file in record.files.files}
    return rows, config, names


def scores(rows: list[dict[str, Any]], config: dict[str, Any]) -> list[tuple[str, int, int, float]]:
    """Every score in rows, by its original name, as often as it is there."""
    own = {"epoch", "step", "_timestamp", "_step", "_runtime", "_wandb"}
    return [
        (config["names"].get(key, key), row["epoch"], row["step"], float(value))
        for row in rows
        for key, value in row.items()
        if key not in own and not isinstance(value, dict)
    ]


def test_offline_files_hold_every_score_once(tmp_path: Path) -> None:
    params = {"model[0].f(x)": "2"}
    root = begun(tmp_path / "run", params=params)
    tracker = WandB("heart", offline=tmp_path / "told")
    write(root, [epoch(1), epoch(2, {"train/loss": 0.5, "epoch": 7.0, "_x": 8.0})])
    live = Delivery(root, tracker, keep=True)
    live.step()
    live._connection.apart.kill()  # type: ignore[union-attr]
    live._held.close()  # killed: what was acknowledged is on disk
    rows, config, _ = held(tmp_path / "told")
    assert set(scores(rows, config)) == scores_of(root)
    write(root, [epoch(3), STOP])
    for _ in range(2):
        assert done(replay(root, tracker)) == 4
        rows, config, names = held(tmp_path / "told")
        found = scores(rows, config)
        assert len(found) == len(set(found))
        assert set(found) == scores_of(root)
    assert [row["_step"] for row in rows] == [0, 1, 2]
    assert [row["_timestamp"] for row in rows] == [1772366400 + 1.5 * i for i in (1, 2, 3)]
    assert config["optimizer.lr"] == "0.1"
    assert {config["names"].get(key, key): text for key, text in config.items()}.items() > (
        params.items()
    )
    assert config["begun"]["git"] == "abc+"
    assert config["status"] == "finished: it is enough"
    assert "experiment.json" in names


def test_plots_are_images_and_arrays_are_files(tmp_path: Path) -> None:
    root = finished(tmp_path / "run", epochs=2)
    done(replay(root, WandB("heart", offline=tmp_path / "told")))
    rows, _, names = held(tmp_path / "told")
    (place,) = (tmp_path / "told").glob("wandb/offline-run-*/files")
    for row in rows:
        assert row["val/curve"]["_type"] == "image-file"
        assert (place / row["val/curve"]["path"]).read_bytes() == PNG
    for name in ("val/array/000001.npz", "val/arrays/000002.npz", "val/values/000002.json"):
        assert f"artifacts/{name}" in names
        copied = (place / "artifacts" / name).read_bytes()
        assert copied == (root / "artifacts" / name).read_bytes()


def test_a_long_run_spans_many_blocks(tmp_path: Path) -> None:
    """Of 32 KiB each, as the file is made of them; with rows that lie in two."""
    root = begun(tmp_path / "run")
    write(root, [epoch(i, {f"val/{k}": i + k / 7 for k in range(20)}) for i in range(1, 200)])
    done(replay(root, WandB("heart", offline=tmp_path / "told")))
    rows, config, _ = held(tmp_path / "told")
    (file,) = (tmp_path / "told").glob("wandb/offline-run-*/*.wandb")
    assert file.stat().st_size > 5 * 32768
    found = scores(rows, config)
    assert len(found) == len(set(found)) == 199 * 20
    assert set(found) == scores_of(root)


def test_what_is_not_finite_is_told(tmp_path: Path) -> None:
    root = begun(tmp_path / "run")
    write(root, [epoch(1, {"val/x": float("nan"), "val/y": float("-inf")}), STOP])
    done(replay(root, WandB("heart", offline=tmp_path / "told")))
    ((row,), _, _) = held(tmp_path / "told")
    assert {name: repr(float(row[name])) for name in ("val/x", "val/y")} == {
        "val/x": "nan",
        "val/y": "-inf",
    }


def test_a_service_that_is_never_there(tmp_path: Path) -> None:
    """A program of its own: it ends normally and in time, and nothing is left behind."""
    code = (
        "import sys, time; from artifact_fn.runs import run\n"
        "from artifact_fn.runs.trackers import WandB\n"
        "from tests.runs.examples import done, experiment\n"
        "done(run(experiment(), sys.argv[1], trackers=[WandB('p')], show=lambda s: s))\n"
        "print(time.time(), flush=True)\n"
    )
    environment = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40}
    found = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run"],
        capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert time.time() - float(found.stdout.split()[-1]) < 5
    assert found.stderr.count("is down, and tried again: ConnectionRefusedError") == 1
    assert found.stderr.count("replay it later") == 1
    assert "0" * 40 not in found.stderr

"""TensorBoard: event files are read back by its own reader."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact_fn.runs.trackers import TensorBoard, replay
from artifact_fn.runs.trackers.delivery import Delivery
from tests.runs.examples import done
from tests.runs.trackers.examples import STOP, begun, epoch, finished, scores_of, write

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")


def events(logs: Path) -> list[tuple[str, int, float, Any]]:
    found = []
    for path in sorted(logs.rglob("*.tfevents.*")):
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                found.append((value.tag, event.step, event.wall_time, getattr(value, kind)))
    return found


def scalars(logs: Path) -> set[tuple[str, int, float]]:
    return {(t, s, v) for t, s, _, v in events(logs) if isinstance(v, float)}


def expected(root: Path) -> set[tuple[str, int, float]]:
    return {(name, index, float(np.float32(v))) for name, index, _, v in scores_of(root)}


def test_every_score_and_plot_is_in_the_files_once(tmp_path: Path) -> None:
    root = finished(tmp_path / "run")
    for _ in range(3):
        assert done(replay(root, TensorBoard(tmp_path / "logs"))) == 6
        assert scalars(tmp_path / "logs") == expected(root)
        assert max(Counter(e[:3] for e in events(tmp_path / "logs")).values()) == 1
    found = {tag: value for tag, _, _, value in events(tmp_path / "logs")}
    assert (found["val/curve"].width, found["val/curve"].height) == (1, 1)
    assert b"| optimizer.lr | 0.1 |" in found["params"].string_val[0]
    assert found["status"].string_val[0] == b"finished: it is enough"


def test_its_own_accumulator_reads_them(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    root = finished(tmp_path / "run")
    done(replay(root, TensorBoard(tmp_path / "logs", axis="step")))
    (place,) = (tmp_path / "logs").iterdir()
    read = accumulator(str(place), size_guidance={"images": 0}).Reload()
    assert [event.step for event in read.Scalars("val/odd (mm)")] == [10, 20, 30, 40, 50]
    assert len(read.Images("val/curve")) == 5


@pytest.mark.parametrize("torn", [1, 17, 40])
def test_a_file_that_was_torn_is_made_good(tmp_path: Path, torn: int) -> None:
    """Killed in the middle of a batch that was not acknowledged."""
    root = begun(tmp_path / "run")
    write(root, [epoch(1), epoch(2)])
    tracker = TensorBoard(tmp_path / "logs")
    first = Delivery(root, tracker, keep=True)
    first.step()
    first.close()
    (path,) = (tmp_path / "logs").rglob("*.tfevents.*")
    os.truncate(path, path.stat().st_size - torn)
    (root / "trackers").rename(tmp_path / "aside")  # it had not got so far
    write(root, [epoch(3), STOP])
    second = Delivery(root, tracker, keep=True)
    while second.step():
        pass
    second.close()
    assert scalars(tmp_path / "logs") == expected(root)
    assert max(Counter(e[:3] for e in events(tmp_path / "logs")).values()) == 1

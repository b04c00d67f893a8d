"""Broken builds: each breaks one promise, and the campaign must notice."""

import os
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs import found, told
from artifact_fn.runs.directory import epoch_record
from artifact_fn.runs.position import of_value
from artifact_fn.runs.storage import checkpoint, files
from tests.faults import worker


def in_place() -> None:
    """Checkpoints are written where they belong, instead of aside."""

    def publish(aside: Path, final: Path) -> None:
        if aside.is_file():
            os.rename(aside, final)
            return
        final.mkdir()
        for file in sorted(aside.iterdir()):
            files.write(final / file.name, [file.read_bytes()])
        shutil.rmtree(aside)

    instead = types.SimpleNamespace(**{**vars(files), "publish": publish})
    checkpoint.files = instead  # type: ignore[assignment, attr-defined]


def _of_value(change: Callable[[Any], Any]) -> None:
    found.of_value = lambda value: change(of_value(value))  # type: ignore[attr-defined]


def carry_lost() -> None:
    """Folds begin anew when a run is taken up."""
    _of_value(lambda at: attrs.evolve(at, carry={}))


def metrics_lost() -> None:
    """The first half of an interrupted epoch is not in its scores."""
    _of_value(lambda at: attrs.evolve(at, place=attrs.evolve(at.place, metrics=())))


def cursor_lost() -> None:
    """An interrupted epoch begins anew, from its middle's state."""
    _of_value(lambda at: attrs.evolve(at, place=attrs.evolve(at.place, cursor=0, metrics=())))


def logged_twice() -> None:
    """An epoch that is run again is written down again."""

    def epoch(scribe: Any, known: Any, done: Any, *, changed: bool) -> None:
        scribe.epoch(epoch_record(done, {}, step=0), {})

    told.epoch = epoch


BROKEN = {
    "in place": in_place,
    "carry lost": carry_lost,
    "metrics lost": metrics_lost,
    "cursor lost": cursor_lost,
    "logged twice": logged_twice,
}

if __name__ == "__main__":
    BROKEN[sys.argv[1]]()
    worker.main()

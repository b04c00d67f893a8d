"""A small experiment, and what is left of a run, shared by the tests of runs."""

import io
import shutil
from pathlib import Path
from typing import Any

from returns.unsafe import unsafe_perform_io

from artifact_fn import tree
from artifact_fn.folds import Run, at_most, best
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.runs.storage.journal import Record, read
from artifact_fn.runs.storage.sealed import FIRST, seal
from artifact_fn.training import Experiment, eager, evaluation
from tests.training.examples import loader, parts


def experiment(**changes: Any) -> Experiment:
    """22 rows in batches of 4: 6 steps an epoch, a cut after every second one."""
    p = parts(changes.pop("optimizer", None))
    options: dict[str, Any] = {
        "model": p.model,
        "objective": p.objective,
        "optimizer": p.optimizer,
        "data": {"train": loader(22, 4), "val": loader(10, 4)},
        "until": at_most(3),
        "routines": [evaluation("val", p.objective)],
        "select": best("val/loss"),
        "wrap": eager,
        "chunk": 2,
    }
    return Experiment(**{**options, **changes})


def done(outcome: Any) -> Any:
    """What an outcome holds, which has not failed."""
    return unsafe_perform_io(outcome.unwrap())


def fault(outcome: Any) -> Any:
    """The fault of an outcome, which has failed."""
    return unsafe_perform_io(outcome.failure())


def left(run: Run[Any]) -> dict[str, Any]:
    """Everything of a run that must be the same to the bit, whatever has happened to it."""
    selected = run.answers.get("selected")
    kept = selected if isinstance(selected, tuple) else (selected,)
    text = io.StringIO()
    run.answers["history"].to_csv(text)
    return {
        "state": tree.digest(run.last.state),
        "index": run.last.index,
        "scores": {name: repr(score) for name, score in run.last.scores.items()},
        "stop": run.stop.reason,
        "history": text.getvalue(),
        "selected": [(e.index, tree.digest(e.state), repr(e.scores)) for e in kept if e],
    }


def story(root: Path) -> list[Record]:
    """What a journal tells of the run itself, not of the processes and clocks it ran on."""
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in read(root / "journal.jsonl").records
        if record["kind"] in ("epoch", "stop")
    ]


def cut_back(root: Path, to: Path, mark: Mark | None) -> None:
    """Copy a run directory as it was when a checkpoint had just been made."""
    source, copy = Directory(root), Directory(to)
    to.mkdir()
    shutil.copy(source.experiment, copy.experiment)
    check = FIRST
    with copy.journal.open("wb") as file:
        for record in read(source.journal).records:
            if record["kind"] == "epoch" and mark is not None and record["epoch"] <= mark.epoch:
                line, check = seal(record, check)
                file.write(line)
    if mark is not None:
        shutil.copytree(source.checkpoints / mark.name, copy.checkpoints / mark.name)

"""Swept: what the directory of a sweep tells of its trials. Needs no Ray."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pandas as pd
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn.folds.mode import Mode, improves
from artifact_fn.runs.directory import Directory, epochs_of
from artifact_fn.runs.faults import Fault
from artifact_fn.runs.listed import listed
from artifact_fn.runs.storage.journal import read
from artifact_fn.runs.sweeps.places import Places, read_record, told

Status = Literal["ended", "stopped", "failed", "left"]


@attrs.frozen
class Trial:
    """One point that was tried.

    Attributes:
        name: Of its directory among the trials.
        point: What the workflow was given; what JSON does not have is told by its `repr`.
        directory: Of its run, for `load_run` and the command line.
        status: `"ended"` by the experiment's own stopper; `"stopped"` early, by the scheduler;
            `"failed"`, as `reason` says; or `"left"`: the sweep has not come to its end.
        reason: Why it has ended or failed; empty where it has not.
        epochs: That are completed.
        score: The best value of the sweep's score; NaN where it never was a number.
        epoch: The epoch that has it; 0 where none has.

    Example:
        >>> trial = Trial("a", {"lr": 0.1}, Path("a"), "ended", "9 epochs are done", 9, 0.5, 7)
        >>> trial.score, trial.epoch
        (0.5, 7)
    """

    name: str
    point: Mapping[str, Any]
    directory: Path
    status: Status
    reason: str
    epochs: int
    score: float
    epoch: int


@attrs.frozen
class Swept:
    """A sweep, as its directory tells of it; it may be going on at this moment.

    Attributes:
        root: The directory.
        score: By which trials are compared.
        mode: Whether lower or higher is better.
        ended: Whether the sweep has come to its end.
        trials: In the order in which they began.

    Example:
        >>> root = Path("sweeps/rates")
        >>> trials = [
        ...     Trial(name, {"lr": lr}, root / name, "ended", "1 epoch is done", 1, score, 1)
        ...     for name, lr, score in [("a", 0.1, 0.5), ("b", 0.2, 0.25)]]
        >>> Swept(root, "val/loss", "min", ended=True, trials=tuple(trials)).best.point
        {'lr': 0.2}
    """

    root: Path
    score: str
    mode: Mode
    ended: bool
    trials: tuple[Trial, ...] = attrs.field(repr=False)

    @property
    def best(self) -> Trial | None:
        """The trial with the best score, the first of equals; None where none has a number."""
        better, found = improves(self.mode), None
        for trial in self.trials:
            if math.isnan(trial.score):
                continue
            if found is None or better(trial.score, found.score):
                found = trial
        return found

    @property
    def table(self) -> pd.DataFrame:
        """A row a trial: its point, then status, epochs, the best score and its epoch."""
        rows = [
            {
                **trial.point,
                "status": trial.status,
                "epochs": trial.epochs,
                self.score: trial.score,
                "epoch": trial.epoch,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows, index=pd.Index([t.name for t in self.trials], name="trial"))


def load_sweep(directory: str | Path) -> IOResult[Swept, Fault]:
    """Read what there is of a sweep. Changes nothing.

    Args:
        directory: Of the sweep; it may be going on.

    Returns:
        What is there; or the fault: `Missing`, `Damaged`, `Storage`.

    Example:
        table = load_sweep("sweeps/rates").map(lambda swept: swept.table)
    """
    places = Places(Path(directory).absolute())
    try:
        about = read_record(places.sweep)
        found = [_trial(places, name, about) for name in _names(places)]
    except Fault as fault:
        return IOFailure(fault)
    trials = tuple(trial for _, trial in sorted(found, key=lambda pair: pair[0]))
    return IOSuccess(Swept(places.root, about["score"], about["mode"], about["ended"], trials))


def _names(places: Places) -> list[str]:
    there = places.trials.iterdir() if places.trials.is_dir() else ()
    return sorted(path.name for path in there if told(path).exists())


def _trial(places: Places, name: str, about: Mapping[str, Any]) -> tuple[tuple[float, str], Trial]:
    """A trial, and its place among the others."""
    where = places.trial(name)
    said = read_record(told(where))
    run = Directory(where)
    epochs = list(epochs_of(read(run.journal).records)) if run.experiment.exists() else []
    better, score, epoch = improves(about["mode"]), math.nan, 0
    for one in epochs:
        value = one.scores.get(about["score"], math.nan)
        if not math.isnan(value) and (epoch == 0 or better(value, score)):
            score, epoch = value, one.index
    status, reason = _status(run, said, ended=about["ended"])
    trial = Trial(name, said["point"], where, status, reason, len(epochs), score, epoch)
    return (said["began"], name), trial


def _status(run: Directory, said: Mapping[str, Any], *, ended: bool) -> tuple[Status, str]:
    if said["fault"] is not None:
        return "failed", said["fault"]
    stands = listed(run.root) if run.experiment.exists() else None
    if stands is not None and stands.status == "ended":
        return "ended", stands.reason
    return ("stopped" if ended else "left"), ""

"""Recorded: what a run directory holds, without the experiment that made it."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn.folds.epoch import Epoch, Stop
from artifact_fn.folds.fold import run as folded
from artifact_fn.folds.history import history
from artifact_fn.runs.directory import Directory, epochs_of, read_experiment
from artifact_fn.runs.faults import Damaged, Fault
from artifact_fn.runs.position import of_value
from artifact_fn.runs.storage import artifacts, checkpoint
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.runs.storage.journal import read
from artifact_fn.training.state import TrainState


@attrs.frozen(eq=False)
class Recorded:
    """A run as its directory tells of it; it may be going on at this moment.

    Attributes:
        root: The directory.
        experiment: What was begun and on what, as text by path.
        environment: Of the process that began it.
        history: Every score of every epoch, as `folds.history` answers it.
        stop: Why it has ended; None while it has not.
        artifacts: Where each artifact is: by name, then by epoch.
        mark: Of the newest sound checkpoint; None if there is none.
        state: In that checkpoint.
        selected: What `select` answered by then: an epoch, or several, with their states.

    Example:
        >>> import tempfile
        >>> from artifact_fn.runs.run import run
        >>> from artifact_fn.testing import small_experiment
        >>> root = tempfile.mkdtemp() + "/run"
        >>> outcome = run(small_experiment(epochs=1), root)
        >>> load_run(root).map(lambda found: found.best.index)
        <IOResult: <Success: 1>>
    """

    root: Path
    experiment: Mapping[str, str] = attrs.field(repr=False)
    environment: Mapping[str, Any] = attrs.field(repr=False)
    history: pd.DataFrame = attrs.field(repr=False)
    stop: Stop | None
    artifacts: Mapping[str, Mapping[int, Mapping[str, Any]]] = attrs.field(repr=False)
    mark: Mark | None
    state: TrainState | None
    selected: Any = attrs.field(repr=False)

    @property
    def best(self) -> Epoch[TrainState] | None:
        """The selected epoch, the first of several; None where a selection is no epoch's."""
        first = self.selected[:1] if isinstance(self.selected, tuple) else [self.selected]
        return next((epoch for epoch in first if isinstance(epoch, Epoch)), None)

    def artifact(self, name: str, epoch: int) -> Any:
        """An artifact of an epoch: an array, a value, or the bytes of a PNG.

        Raises:
            KeyError: there is none.
            Damaged: its file is not what was written.
        """
        return artifacts.load(self.root, self.artifacts[name][epoch])


def load_run(directory: str | Path) -> IOResult[Recorded, Fault]:
    """Read what there is of a run. Needs no lock, changes nothing.

    Args:
        directory: Of the run; it may be going on.

    Returns:
        What is recorded; or the fault: `Missing`, `Damaged` (of `experiment.json` or the
        journal), `Storage`. Of a damaged checkpoint a warning tells, and an earlier one is read.

    Raises:
        DataError: a fold has remembered records of a class that is not imported here.

    Example:
        >>> import tempfile
        >>> from artifact_fn.runs.run import run
        >>> from artifact_fn.testing import small_experiment
        >>> root = tempfile.mkdtemp() + "/run"
        >>> outcome = run(small_experiment(), root)
        >>> load_run(root).map(lambda found: found.stop.reason)
        <IOResult: <Success: 2 epochs are done>>
    """
    try:
        return IOSuccess(read_run(directory))
    except Fault as fault:
        return IOFailure(fault)


def read_run(directory: str | Path) -> Recorded:
    """As `load_run`, for those who raise faults.

    Raises:
        Missing, Damaged, Storage, DataError: as `load_run` tells.
    """
    where = Directory(Path(directory).absolute())
    begun = read_experiment(where)
    records = read(where.journal).records
    listed: dict[str, dict[int, Mapping[str, Any]]] = {}
    stop = None
    for record in records:
        if record["kind"] == "epoch":
            stop = None
            for name, found in record["artifacts"].items():
                listed.setdefault(name, {})[record["epoch"]] = found
        elif record["kind"] == "stop":
            stop = Stop(record["reason"])
    newest, wrong = _newest(where)
    for fault in wrong:
        warnings.warn(f"{fault}", stacklevel=3)
    saved = None if newest is None else of_value(newest[1])
    return Recorded(
        root=where.root,
        experiment=begun["experiment"],
        environment=begun["environment"],
        history=folded(history(), epochs_of(records)),
        stop=stop,
        artifacts=listed,
        mark=None if newest is None else newest[0],
        state=None if saved is None else saved.place.state,
        selected=None if saved is None else saved.selected,
    )


def _newest(where: Directory) -> tuple[tuple[Mark, Any] | None, list[Damaged]]:
    """The newest sound checkpoint; looked for again if its run removes it meanwhile."""
    for _ in range(3):
        found, wrong = checkpoint.newest(where.checkpoints, device="cpu")
        wrong = [fault for fault in wrong if fault.path.parent.exists()]
        if found is not None:
            return found, wrong
    return None, wrong

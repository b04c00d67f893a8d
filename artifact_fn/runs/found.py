"""Found: where a run that was left is to be taken up."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import named
from artifact_fn.runs.compared import fold_digests
from artifact_fn.runs.directory import Directory, epochs_of
from artifact_fn.runs.position import Position, check_fits, of_value
from artifact_fn.runs.session import everything
from artifact_fn.runs.storage import checkpoint, files
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.runs.storage.journal import read
from artifact_fn.training.experiment import SELECTED, Experiment, Place, place


def found(experiment: Experiment, where: Directory) -> tuple[Position, Mark | None]:
    """The position of the newest sound checkpoint, or the beginning.

    Checkpoints that are damaged are told of by a warning, and taken out of the way with all
    later ones, so that they count for nothing when old ones are removed.

    Args:
        experiment: What is run.
        where: Its directory, whose lock this process holds.

    Raises:
        Damaged: the journal is.
        DataError: the saved state does not fit the experiment.
        Storage: the disk refuses.
    """
    fresh = experiment.state()
    epochs = list(epochs_of(read(where.journal).records))
    known = {epoch.index for epoch in epochs}
    newest, wrong = checkpoint.newest(
        where.checkpoints,
        # The journal is written first; a checkpoint ahead of it belongs to another journal.
        accept=lambda mark: known.issuperset(range(1, mark.epoch + 1)),
        device=None if experiment.device == "cpu" else experiment.device,
    )
    for fault in wrong:
        warnings.warn(f"{fault}", stacklevel=5)
    for mark in checkpoint.marks(where.checkpoints):
        if newest is None or mark > newest[0]:
            _set_aside(where.checkpoints / mark.name)
    if newest is None:
        carry = named(everything(experiment)).init()
        return Position(Place(fresh), carry, fold_digests(experiment)), None
    saved = of_value(newest[1])
    check_fits(saved.place.state, fresh)
    behind = [epoch for epoch in epochs if epoch.index <= saved.place.completed]
    there = attrs.evolve(saved.place, state=place(saved.place.state, experiment.device))
    digests = fold_digests(experiment)
    carry = _carried(experiment, saved, behind, digests)
    return Position(there, carry, digests, saved.last, saved.selected), newest[0]


def _carried(
    experiment: Experiment, saved: Position, behind: list[Epoch[Any]], digests: Mapping[str, str]
) -> dict[str, Any]:
    """The carry of every fold: as it was saved, or made anew of the journal.

    The latter where the fold is another one, and for the history, of which the journal is the record.
    """
    carry = {}
    for name, fold in everything(experiment).items():
        if name in saved.carry and saved.folds.get(name) == digests[name]:
            carry[name] = saved.carry[name]
            continue
        carry[name] = fold.init()
        # What is selected are states, and those of the past are gone.
        for epoch in behind if name != SELECTED else ():
            carry[name] = fold.step(carry[name], epoch)
    return carry


def _set_aside(path: Path) -> None:
    """Take a checkpoint that cannot be used out of the way, and leave it to be looked at."""
    aside = path.with_name(f"{path.name}.unused")
    files.discard(aside)
    files.publish(path, aside)

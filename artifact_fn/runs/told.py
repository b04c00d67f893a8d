"""Told: what a session says of its epochs and of its end, to the journal and to whoever looks on."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from artifact_fn.folds.epoch import Epoch, Run
from artifact_fn.runs.directory import epoch_record
from artifact_fn.runs.scribe import Scribe
from artifact_fn.runs.storage.journal import Journal, Record
from artifact_fn.training.state import TrainState


def epoch(
    scribe: Scribe, known: Mapping[int, Record], done: Epoch[TrainState], *, changed: bool
) -> None:
    """Have an epoch written down, unless it was before a crash, with the same scores.

    Args:
        scribe: Of the run.
        known: What the journal says of epochs that were run before, by index.
        done: The epoch.
        changed: Whether epochs may come out otherwise than the journal says.

    Raises:
        DataError, Storage: as `Scribe.epoch`.
    """
    record = epoch_record(done, {}, step=done.state.steps)
    before = known.get(done.index)
    if before is not None and before["scores"] == record["scores"]:
        return
    if before is not None and not changed:
        warnings.warn(
            f"epoch {done.index} has other scores than before the run was interrupted; "
            "something makes its bits that is neither in its state nor in its experiment",
            stacklevel=2,
        )
    scribe.epoch(record, done.artifacts)


def ended(journal: Journal, run: Run[Any]) -> None:
    """Write down that the run has ended, unless that is the last thing the journal says.

    Raises:
        Storage: the disk refuses.
    """
    record = {"kind": "stop", "epoch": run.last.index, "reason": run.stop.reason}
    last = [r for r in journal.records if r["kind"] in ("epoch", "stop")][-1:]
    if last != [record]:
        journal.append([record])


def undrawn(figures: Sequence[str]) -> None:
    """Warn of figures that could not be drawn; the first three are named."""
    if figures:
        more = f" and {len(figures) - 3} more" if len(figures) > 3 else ""
        named = "; ".join(figures[:3])
        warnings.warn(f"figures could not be drawn: {named}{more}", stacklevel=2)

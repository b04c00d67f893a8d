"""Worker: one of the processes of a run, which may be told to die or to hang.

    python -m tests.runs.distributed_worker DIRECTORY '{"epochs": 3, "die": [[1, 2, 3]]}'

`die` and `hang` are (rank, epoch, batch), one for each attempt; later ones nothing happens to.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import torch
from returns.pipeline import is_successful
from torch import Tensor

from artifact_fn.folds import at_most
from artifact_fn.optim import adamw, chain, clip_by_global_norm
from artifact_fn.runs import Saving, Show
from artifact_fn.runs.distributed import processes, together
from artifact_fn.training import Advance, Event, Experiment, Stream
from artifact_fn.training.contracts import Batch, Source
from artifact_fn.training.parallel import sharded
from tests.runs.examples import done, experiment, fault, left


@attrs.frozen(eq=False)
class Deadly:
    """A source that ends, or keeps for ever, the process that reads so far in it."""

    source: Source
    epoch: int
    batch: int
    how: str

    @property
    def steps(self) -> int | None:
        return self.source.steps

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        for at, batch in enumerate(self.source.batches(key, epoch, start), start):
            if (epoch, at) == (self.epoch, self.batch):
                if self.how == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
            yield batch


def fate(options: dict[str, Any], how: str) -> tuple[int, int, int]:
    """Rank, epoch and batch at which somebody of this attempt dies or hangs."""
    attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    fates: list[tuple[int, int, int]] = options.get(how, [])
    return fates[attempt] if attempt < len(fates) else (-1, 0, 0)


def given(options: dict[str, Any], rank: int) -> Experiment:
    whole = experiment(until=at_most(options.get("epochs", 3)), seed=options.get("seed", 0))
    for how in ("die", "hang"):
        who, *where = fate(options, how)
        if who == rank > 0:
            deadly = Deadly(whole.data["train"], where[0], where[1], how)
            return attrs.evolve(whole, data={**whole.data, "train": deadly})
    return whole


def killer(epoch: int, cursor: int) -> Show:
    """As `Deadly`, for rank 0, whose experiment is to be the same afterwards."""

    def show(stream: Stream) -> Stream:
        def events() -> Iterator[Event]:
            for event in stream.events():
                if isinstance(event, Advance) and (event.epoch, event.cursor) == (epoch, cursor):
                    os.kill(os.getpid(), signal.SIGKILL)
                yield event

        return attrs.evolve(stream, events=events)

    return show


def main(directory: str, told_options: str) -> None:
    options: dict[str, Any] = json.loads(told_options)
    torch.set_num_threads(1)
    with processes(timeout=options.get("timeout", 600.0)) as here:
        victim, *where = fate(options, "die")
        spread = chain(clip_by_global_norm(1.0), sharded(adamw(1e-2), here.mesh))
        outcome = together(
            given(options, here.mesh.rank),
            directory,
            here,
            optimizer=spread if options.get("shard") else None,
            allow={"until"},
            saving=Saving(epochs=1, steps=2),
            show=killer(*where) if victim == here.mesh.rank == 0 else lambda stream: stream,
        )
        told: dict[str, Any] = {"rank": here.mesh.rank}
        if not is_successful(outcome):
            why = fault(outcome)
            told |= {"fault": type(why).__name__, "message": str(why)}
        elif (run := done(outcome)) is not None:
            told |= left(run)
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()
    if "fault" in told and "RANK" in os.environ and "TORCHELASTIC_RUN_ID" in os.environ:
        sys.exit(1)  # torchrun begins anew what has failed


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Agreement: whether all processes have the same state, told by its digest."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import torch

from artifact_fn import tree
from artifact_fn.errors import ParallelError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.folds.epoch import Epoch
from artifact_fn.training.parallel.mesh import Mesh, gathered_part
from artifact_fn.training.parallel.sharded import Shards
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Event, Stream


def check_agreement(state: TrainState, mesh: Mesh) -> str:
    """Refuse to go on when processes have different states.

    What is in shards is each process's own, and left out. All processes of the mesh call this.

    Args:
        state: Of this process.
        mesh: Who takes part.

    Returns:
        The digest they have in common (see `tree.digest`).

    Raises:
        ParallelError: they differ; names the ranks and the first leaf. In every process.

    Example:
        >>> import artifact_fn as af
        >>> model = af.functional(lambda: torch.nn.Linear(3, 2))
        >>> state = af.TrainState.create(model, af.optim.sgd(0.1), seed=0)
        >>> check_agreement(state, Mesh(0, 1)) == tree.digest(state)
        True
    """
    common = tree.map_records(lambda _: None, state, Shards)
    own = tree.digest(common)
    digests = _everybodys([own], state, mesh)
    if all(found == [own] for found in digests):
        return own
    leaves = {path: tree.digest(leaf) for path, leaf in sorted(tree.paths(common).items())}
    each = _everybodys(list(leaves.values()), state, mesh)
    for at, path in enumerate(leaves):
        apart = [rank for rank, found in enumerate(each) if found[at] != each[0][at]]
        if apart:
            raise ParallelError(
                "all processes have the same state",
                got=f"{path} of rank {', '.join(map(str, apart))} other than that of rank 0 at "
                f"step {int(state.step)}",
                do="give all of them the same batches, versions and hardware, and look for what "
                "draws or reads the clock in one of them",
            )
    raise AssertionError("digests of a state differ, and those of its leaves do not")


def agreeing(mesh: Mesh, *, every: int | Cadence = 1) -> Callable[[Stream], Stream]:
    """A look at a stream that refuses to go on when processes have different states.

    Args:
        mesh: Who takes part.
        every: At which epochs: every so many, or any cadence.

    Returns:
        For `run(..., show=agreeing(mesh))`, or around a stream: `agreeing(mesh)(stream)`.

    Raises:
        FoldError: `every` is below 1.

    Example:
        >>> agreeing(Mesh(0, 1), every=5).__name__
        'looked_at'
    """
    due = at_every(every) if isinstance(every, int) else every

    def looked_at(stream: Stream) -> Stream:
        def events() -> Iterator[Event]:
            for event in stream.events():
                if isinstance(event, Epoch) and due(event.index):
                    check_agreement(event.state, mesh)
                yield event

        return attrs.evolve(stream, events=events)

    return looked_at


def _everybodys(digests: list[str], state: Any, mesh: Mesh) -> list[list[str]]:
    """The digests of every process, by rank."""
    raw = bytearray(bytes.fromhex("".join(digests)))
    sent = torch.frombuffer(raw, dtype=torch.uint8).to(state.step.device)
    whole = gathered_part(mesh, sent, after=sent)
    data = bytes(whole.cpu().tolist())
    size = 32 * len(digests)
    apart = [data[rank * size : (rank + 1) * size] for rank in range(mesh.size)]
    return [[part[i : i + 32].hex() for i in range(0, size, 32)] for part in apart]

"""Resume: a run taken up at any cut ends with the same bits (law 4)."""

import safetensors.torch

from artifact_fn import tree
from artifact_fn.errors import LawError
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.cuts import cuts
from artifact_fn.training.state import TrainState


def check_resume(
    step: Step[TrainState], state: TrainState, source: Source, *, epochs: int = 2, chunk: int = 1
) -> None:
    """Train for some epochs; then take the run up at every cut, from bytes.

    Args:
        step: To be checked, compiled or not.
        state: Where the run begins.
        source: Of its batches.
        epochs: How many.
        chunk: Steps between two cuts.

    Raises:
        LawError: a run taken up ends with another state; names the cut.

    Example:
        >>> import torch
        >>> from artifact_fn.data import Loader, Table
        >>> import torch.nn.functional as F
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> step = train_step(supervised(model, F.cross_entropy), optimizer)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> rows = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> check_resume(step, state, Loader(Table(rows), batch_size=2))
    """
    reached = [
        (epoch, cut.cursor, cut.state)
        for epoch, start in _epochs(step, state, source, epochs, chunk)
        for cut in cuts(step, start, source, epoch=epoch, chunk=chunk)
    ]
    end = reached[-1][2]
    for epoch, cursor, at in reached[:-1]:
        resumed = _from_bytes(at)
        start = cursor
        for index in range(epoch, epochs + 1):
            if source.steps is None or start < source.steps:
                for cut in cuts(step, resumed, source, epoch=index, start=start, chunk=chunk):
                    resumed = cut.state
            start = 0
        if not tree.identical(resumed, end):
            paths = tree.paths(end)
            where = next(
                p for p, t in tree.paths(resumed).items() if not tree.identical(t, paths[p])
            )
            raise LawError(
                "a run taken up at any cut ends with the same bits",
                got=f"another {where} when taken up in epoch {epoch} after {cursor} batches",
                do="keep all that a step remembers in its state; draw orders from (key, epoch)",
            )


def _epochs(
    step: Step[TrainState], state: TrainState, source: Source, epochs: int, chunk: int
) -> list[tuple[int, TrainState]]:
    starts = [(1, state)]
    for epoch in range(1, epochs):
        for cut in cuts(step, starts[-1][1], source, epoch=epoch, chunk=chunk):
            state = cut.state
        starts.append((epoch + 1, state))
    return starts


def _from_bytes(state: TrainState) -> TrainState:
    """A state from its bytes alone, so that nothing else can be remembered."""
    leaves, spec = tree.flatten(state)
    named = {str(i): leaf.contiguous().clone() for i, leaf in enumerate(leaves)}
    loaded = safetensors.torch.load(safetensors.torch.save(named))
    restored: TrainState = tree.unflatten([loaded[str(i)] for i in range(len(leaves))], spec)
    return restored

"""Flat: a training step over parameters stored as one vector for each dtype.

An elementwise optimizer does to a vector what it does to the tensors it was joined from, in one
kernel instead of one for each of them. The model is given its parameters as slices of the vector,
and their gradients come back joined. A large tensor stays by itself: a kernel of its own costs less
than the copy of its gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.contracts import Aux, Batch, Buffers, Params, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import TrainStep, train_step

SMALL = 10_000
"""Numbers up to which a tensor is joined with others."""


@attrs.frozen(eq=False)
class Storage:
    """How the state of a step is stored, and the step over states that are stored so.

    Attributes:
        step: Over stored states.
        state: The state it was made for, stored.
        groups: For each leaf of a stored state, the leaves of the state that are joined in it.
        shapes: Of the leaves of the state.
    """

    step: Step[Any]
    state: Any
    groups: tuple[tuple[int, ...], ...]
    shapes: tuple[tuple[int, ...], ...]

    def enter(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The leaves of a stored state from those of a state."""
        return [
            leaves[group[0]].reshape(like.shape)
            if len(group) == 1
            else torch.cat([leaves[i].reshape(-1) for i in group])
            for group, like in zip(self.groups, tree.leaves(self.state), strict=True)
        ]

    def leave(self, stored: Sequence[Tensor]) -> list[Tensor]:
        """Undoes `enter`."""
        found = {}
        for group, leaf in zip(self.groups, stored, strict=True):
            if len(group) == 1:
                found[group[0]] = leaf.reshape(self.shapes[group[0]])
                continue
            sizes = [torch.Size(self.shapes[i]).numel() for i in group]
            for i, part in zip(group, torch.split(leaf, sizes), strict=True):
                found[i] = part.reshape(self.shapes[i])
        return [found[i] for i in range(len(found))]


def storage(step: Step[Any], state: Any) -> Storage:
    """How a loop shall store the state of a step: flat, if that is the same step.

    It is for a `train_step` of all parameters with an elementwise optimizer; any other step works
    on the state as it is.

    Args:
        step: Uncompiled.
        state: Like those it will be called with.
    """
    leaves = tree.leaves(state)
    shapes = tuple(tuple(leaf.shape) for leaf in leaves)
    if (
        isinstance(step, TrainStep)
        and isinstance(state, TrainState)
        and step.optimizer.elementwise
        and step.name is None
        and step.only is None
        and len(state.params) > 1
        and all(leaf.numel() for leaf in leaves)
    ):
        # Where each element comes from is read off a state that holds the numbers of its leaves.
        numbers = iter(range(len(leaves)))
        marks = tree.map(lambda leaf: torch.full(leaf.shape, next(numbers)), state)
        join, split = joining(state.params, SMALL)
        groups = tuple(
            tuple(leaf.reshape(-1).unique_consecutive().tolist())
            for leaf in tree.leaves(_joined(marks, join))
        )
        return Storage(_over(step, split), _joined(state, join), groups, shapes)
    return Storage(step, state, tuple((i,) for i in range(len(leaves))), shapes)


def _over(step: TrainStep, split: Callable[[Params], Params]) -> Step[TrainState]:
    """The same step, whose parameters are joined."""

    def objective(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool, /
    ) -> tuple[Tensor, Aux]:
        return step.objective(split(params), buffers, batch, key, training)

    return train_step(
        objective,
        step.optimizer,
        accumulate=step.accumulate,
        clip_rows=step.clip_rows,
        across=step.across,
    ).take


def _joined(state: TrainState, join: Callable[[Params], Params]) -> TrainState:
    """Parameters joined, and so is what an optimizer keeps for each of their elements."""
    shapes = {path: leaf.shape for path, leaf in state.params.items()}

    def like_params(part: Any) -> bool:
        return (
            isinstance(part, dict)
            and part.keys() == shapes.keys()
            and all(leaf.shape == shapes[path] for path, leaf in part.items())
        )

    kept = tree.map(
        lambda part: join(part) if like_params(part) else part,
        state.opt_state,
        is_leaf=like_params,
    )
    return tree.replace(state, params=join(state.params), opt_state=kept)


def joining(
    params: Params, most: int | None = None
) -> tuple[Callable[[Params], Params], Callable[[Params], Params]]:
    """How tensors by path become one vector for each dtype, and come back in their order.

    Args:
        params: By path.
        most: Numbers up to which a tensor is joined; a larger one is a vector by itself. None for
            no limit.

    Example:
        >>> join, split = joining({"a": torch.ones(2, 1), "b": torch.zeros(1)})
        >>> join({"a": torch.ones(2, 1), "b": torch.zeros(1)})
        {'torch.float32': tensor([1., 1., 0.])}
        >>> list(split({"torch.float32": torch.arange(3.0)}))
        ['a', 'b']
    """
    kinds = list(dict.fromkeys(leaf.dtype for leaf in params.values()))
    alone = {path for path, leaf in params.items() if most is not None and leaf.numel() > most}
    groups = {
        str(kind): [
            path for path, leaf in params.items() if leaf.dtype == kind and path not in alone
        ]
        for kind in kinds
    }
    groups = {kind: group for kind, group in groups.items() if group}
    groups |= {f"{params[path].dtype} {path}": [path] for path in params if path in alone}
    shapes = {path: tuple(leaf.shape) for path, leaf in params.items()}
    sizes = {kind: [params[path].numel() for path in group] for kind, group in groups.items()}

    def join(parts: Params) -> Params:
        return {
            kind: torch.cat([parts[path].reshape(-1) for path in group])
            if len(group) > 1
            else parts[group[0]].reshape(-1)
            for kind, group in groups.items()
        }

    def split(joined: Params) -> Params:
        found: Params = {}
        for kind, group in groups.items():
            # One operation, whose gradient is one `cat`.
            for path, part in zip(group, torch.split(joined[kind], sizes[kind]), strict=True):
                found[path] = part.reshape(shapes[path])
        return {path: found[path] for path in shapes}

    return join, split

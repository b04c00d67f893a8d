"""Flat: a training step over parameters stored as one vector for each dtype.

An elementwise optimizer does to a vector what it does to the tensors it was joined from, in one
kernel instead of one for each of them. The model is given its parameters as slices of the vector,
and their gradients come back joined.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.contracts import Aux, Batch, Buffers, Params, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import TrainStep, train_step

T = TypeVar("T")


@attrs.frozen(eq=False)
class Storage:
    """A step with the state it works on.

    Attributes:
        step: Over stored states.
        enter: A state as it is stored.
        leave: Undoes `enter`.
    """

    step: Step[Any]
    enter: Callable[[Any], Any]
    leave: Callable[[Any], Any]


def _same(state: T) -> T:
    return state


def storage(step: Step[Any], state: Any) -> Storage:
    """How a loop shall store the state of a step: flat, if that is the same step.

    It is for a `train_step` of all parameters with an elementwise optimizer; any other step works
    on the state as it is.

    Args:
        step: Uncompiled.
        state: Like those it will be called with.
    """
    if (
        isinstance(step, TrainStep)
        and isinstance(state, TrainState)
        and step.optimizer.elementwise
        and step.name is None
        and step.only is None
        and len(state.params) > 1
    ):
        return _flat(step, state)
    return Storage(step, _same, _same)


def _flat(step: TrainStep, state: TrainState) -> Storage:
    join, split = _joining(state.params)
    kinds = join(state.params).keys()
    shapes = {path: leaf.shape for path, leaf in state.params.items()}

    def like_params(node: Any) -> bool:
        return (
            isinstance(node, dict)
            and node.keys() == shapes.keys()
            and all(leaf.shape == shapes[path] for path, leaf in node.items())
        )

    def objective(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool, /
    ) -> tuple[Tensor, Aux]:
        return step.objective(split(params), buffers, batch, key, training)

    def enter(state: TrainState) -> TrainState:
        def joined(node: Any) -> Any:
            return join(node) if like_params(node) else node

        return tree.replace(
            state,
            params=join(state.params),
            opt_state=tree.map(joined, state.opt_state, is_leaf=like_params),
        )

    def is_joined(node: Any) -> bool:
        return isinstance(node, dict) and node.keys() == kinds

    def leave(state: TrainState) -> TrainState:
        def parted(node: Any) -> Any:
            return split(node) if is_joined(node) else node

        return tree.replace(
            state,
            params=split(state.params),
            opt_state=tree.map(parted, state.opt_state, is_leaf=is_joined),
        )

    return Storage(
        train_step(objective, step.optimizer, accumulate=step.accumulate).take, enter, leave
    )


def _joining(
    params: Params,
) -> tuple[Callable[[Params], dict[str, Tensor]], Callable[[dict[str, Tensor]], Params]]:
    """How tensors by path become one vector for each dtype, and come back in their order."""
    kinds = list(dict.fromkeys(leaf.dtype for leaf in params.values()))
    groups = {
        str(kind): [path for path, leaf in params.items() if leaf.dtype == kind] for kind in kinds
    }
    shapes = {path: tuple(leaf.shape) for path, leaf in params.items()}
    sizes = {kind: [params[path].numel() for path in group] for kind, group in groups.items()}

    def join(parts: Params) -> dict[str, Tensor]:
        return {
            kind: torch.cat([parts[path].reshape(-1) for path in group])
            for kind, group in groups.items()
        }

    def split(joined: dict[str, Tensor]) -> Params:
        found: Params = {}
        for kind, group in groups.items():
            # One operation, whose gradient is one `cat`.
            for path, part in zip(group, torch.split(joined[kind], sizes[kind]), strict=True):
                found[path] = part.reshape(shapes[path])
        return {path: found[path] for path in shapes}

    return join, split

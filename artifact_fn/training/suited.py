"""Suited: whether a state was made for the optimizer of a step.

The numbers of an optimizer live in the state, and so may differ from those the step's was made
with; what they are numbers of may not.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.training.state import TrainState, selected_params
from artifact_fn.training.step import TrainStep

_Leaf = tuple[tuple[int, ...], str]


def check_suited(step: Any, state: Any) -> None:
    """Refuse a state whose optimizer is built otherwise than the one of a `train_step`.

    Of any other step nothing is known, and nothing is said.

    Raises:
        OptimError: they differ in a path, a shape or a dtype, or the state holds no optimizer of
            the step's name.
    """
    if not isinstance(step, TrainStep) or not isinstance(state, TrainState):
        return
    expected = _shapes(step.optimizer.init(selected_params(state.params, step.only)))
    held = state.opt_state
    if step.name is not None:
        if not isinstance(held, Mapping) or step.name not in held:
            raise OptimError(
                f"the step moves the optimizer {step.name!r}, which the state does not hold",
                got=f"optimizers {', '.join(held)}" if isinstance(held, Mapping) else "one alone",
                do=f"make the state with it, TrainState.create(model, {{{step.name!r}: optimizer}}, "
                "seed=0), or leave name out",
            )
        held = held[step.name]
    found = _shapes(held)
    if found == expected:
        return
    names = (
        [name for name in held if _shapes(held[name]) == expected]
        if isinstance(held, Mapping)
        else []
    )
    if names:
        raise OptimError(
            "the state holds several optimizers, and the step does not say which it moves",
            got=f"optimizers {', '.join(held)}",
            do=f"name it: train_step(objective, optimizer, name={names[0]!r})",
        )
    path = next(p for p in (*expected, *found) if expected.get(p) != found.get(p))
    raise OptimError(
        "the state was made for another optimizer, or for other parameters",
        got=f"{path}: {_said(found.get(path))} in the state, {_said(expected.get(path))} in the "
        "step's",
        do="make both of one optimizer, with the same `only`: TrainState.create(model, optimizer, "
        "seed=0); optim.from_torch takes over torch's",
    )


def _shapes(opt_state: Any) -> dict[str, _Leaf]:
    return {
        path: (tuple(leaf.shape), str(leaf.dtype))
        for path, leaf in tree.paths(opt_state).items()
        if isinstance(leaf, Tensor)
    }


def _said(leaf: _Leaf | None) -> str:
    return "nothing" if leaf is None else f"{leaf[1]} {list(leaf[0])}"

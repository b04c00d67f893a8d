"""Control: feedback, from the epochs that are done to the state of the next one."""

from collections.abc import Callable
from typing import Any

from artifact_fn import tree
from artifact_fn.errors import FoldError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold, named
from artifact_fn.training.state import TrainState

Control = Fold[Epoch[TrainState], Any, Callable[[TrainState], TrainState]]
"""A fold over epochs that answers what is done to the state before the next one."""

unchanged: Control = Fold(
    lambda: None, lambda carry, epoch: carry, lambda carry: lambda state: state
)
"""The control that does nothing."""


def together(*controls: Control) -> Control:
    """Several controls as one; what they do to the state is done in their order.

    Raises:
        FoldError: one of them is no fold.

    Example:
        >>> together(unchanged, unchanged).extract({"0": None, "1": None})(5)
        5
    """
    for control in controls:
        check_control(control)

    def in_turn(
        changes: dict[str, Callable[[TrainState], TrainState]],
    ) -> Callable[[TrainState], TrainState]:
        def change(state: TrainState) -> TrainState:
            for part in changes.values():
                state = part(state)
            return state

        return change

    return named({str(i): control for i, control in enumerate(controls)}).map(in_turn)


def check_control(control: Any) -> None:
    """Refuse what is no control.

    Raises:
        FoldError: it is no fold.
    """
    if not isinstance(control, Fold):
        raise FoldError(
            "a control is a fold over epochs that answers a function of the state",
            got=f"control={type(control).__name__}",
            do="pass e.g. control=optim.reduce_on_plateau('val/loss')",
        )


def steered(control: Control, carry: Any, state: TrainState) -> TrainState:
    """The state with which the next epoch begins.

    Raises:
        FoldError: the control changes the structure, shapes or dtypes of the state.
    """
    change = control.extract(carry)
    if not callable(change):
        raise FoldError(
            "a control answers a function of the state",
            got=type(change).__name__,
            do="answer `lambda state: state` where nothing shall change",
        )
    after = change(state)
    if after is not state:
        old, new = _kinds(state), _kinds(after)
        if old != new:
            path = next(iter(sorted(str(path) for path, _ in old.items() ^ new.items())))
            raise FoldError(
                "a control keeps the structure, shapes and dtypes of the state",
                got=f"a change at {path}",
                do="answer a state like the one that was given, made with tree.replace",
            )
    return after


def _kinds(state: Any) -> dict[str, Any]:
    return {path: (leaf.shape, leaf.dtype, leaf.device) for path, leaf in tree.paths(state).items()}

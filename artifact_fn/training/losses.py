"""Losses: functions of outputs and a batch to one number, and how they are made of others."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from torch import Tensor

from artifact_fn.errors import ObjectiveError
from artifact_fn.training.contracts import Batch

Loss = Callable[[Any, Batch], Tensor]
"""(outputs, batch) to a scalar loss, a mean over rows."""

L = TypeVar("L", bound=Callable[[Any, Any], Tensor])


def weighted(weight: float, loss: L) -> L:
    """A loss times a constant: of (outputs, batch) or, in a `Workflow`, of (inputs, outputs).

    Args:
        weight: A number; it is built into the step.
        loss: Answers a scalar.

    Example:
        >>> import torch
        >>> size = weighted(0.5, lambda outputs, batch: outputs.abs().mean())
        >>> size(torch.tensor([3.0, -1.0]), {})
        tensor(1.)
    """

    @wraps(loss)
    def times(first: Any, second: Any) -> Tensor:
        return weight * loss(first, second)

    return cast(L, times)


def from_output(name: str) -> Loss:
    """The loss that a model computes itself, in its outputs.

    For models that answer a mapping with their loss in it, as artifact-torch's do:
    `minimise(model, from_output("t_loss"))`.

    Args:
        name: Of the loss in the model's outputs.

    Raises:
        ObjectiveError: when it is called, the outputs hold no such name.

    Example:
        >>> import torch
        >>> from_output("t_loss")({"t_loss": torch.tensor(0.5)}, {})
        tensor(0.5000)
    """

    def loss(outputs: Any, batch: Batch) -> Tensor:
        if not isinstance(outputs, Mapping) or name not in outputs:
            found = list(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise ObjectiveError(
                f"the model answers no {name!r}", got=f"{found}", do="answer a dict that holds it"
            )
        value: Tensor = outputs[name]
        return value

    return loss


def check_scalar(loss: Any) -> None:
    """Refuse what is not one floating-point number.

    Raises:
        ObjectiveError: it is not.
    """
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.is_floating_point():
        return
    described = (
        f"a tensor of shape {list(loss.shape)} and dtype {loss.dtype}"
        if isinstance(loss, Tensor)
        else repr(loss)
    )
    raise ObjectiveError(
        "a loss is one floating-point number, a tensor of shape []",
        got=described,
        do="reduce it, for instance by its mean over the rows"
        if isinstance(loss, Tensor)
        else "answer a tensor: no item() or float(), which cut the loss off from the parameters",
    )

"""Patients: experiments with one fault each, for the doctor to name."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import tree
from artifact_fn.data import Loader, Table
from artifact_fn.folds import Fold, at_most
from artifact_fn.optim import adamw
from artifact_fn.training import Experiment, TrainState, eager, functional, supervised
from tests.training.examples import columns


class Net(nn.Module):
    """4 features to 3 classes; subclasses spoil it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.linear(x)
        return outputs


class Counting(Net):
    """Mutates a buffer in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.seen, Tensor)
        self.seen.add_(1.0)
        return super().forward(x)


class Noisy(Net):
    """Draws from the global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 * torch.rand(x.shape))


class Branching(Net):
    """Decides by a tensor's value."""

    def forward(self, x: Tensor) -> Tensor:
        outputs = super().forward(x)
        if outputs.mean() > 0:
            return 2 * outputs
        return outputs


class Idle(Net):
    """Has a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(4, 3)


def asking(outputs: Tensor, targets: Tensor) -> Tensor:
    """Asks for a number."""
    loss = F.cross_entropy(outputs, targets)
    scale = 1.0 + 0.0 * loss.detach().item()
    return loss * scale


def blind(outputs: Tensor, targets: Tensor) -> Tensor:
    """Ignores the targets."""
    return (outputs - 1.0).square().mean()


def experiment(
    build: Callable[[], nn.Module] = Net,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    *,
    data: dict[str, Tensor] | None = None,
    **changes: Any,
) -> Experiment:
    """A small one; without changes it is well."""
    model = functional(build)
    given: dict[str, Any] = {
        "model": model,
        "objective": supervised(model, loss),
        "optimizer": adamw(1e-2),
        "data": {"train": Loader(Table(data or columns(32)), 8)},
        "until": at_most(3),
        "wrap": eager,
    }
    return Experiment(**{**given, **changes})


def lowered() -> Experiment:
    """A learning rate in Python, which somebody lowers each epoch."""
    config = {"lr": 0.1}
    model = functional(Net)
    objective = supervised(model, F.cross_entropy)

    def step(state: TrainState, batch: Any) -> Any:
        def loss(params: dict[str, Tensor]) -> Any:
            return objective(params, state.buffers, batch, state.key, True)

        grads, (_, aux) = torch.func.grad_and_value(loss, has_aux=True)(state.params)
        params = {name: p - config["lr"] * grads[name] for name, p in state.params.items()}
        return tree.replace(state, step=state.step + 1, params=params), aux.metrics

    def lower(carry: int, epoch: Any) -> int:
        config["lr"] *= 0.5
        return carry + 1

    control: Any = Fold(lambda: 0, lower, lambda carry: lambda state: state)
    return experiment(step=step, control=control, objective=objective, model=model)


def doubled() -> dict[str, Tensor]:
    """Columns in float64."""
    return {name: t.double() if name == "x" else t for name, t in columns(32).items()}


well = experiment()

PATIENTS: dict[str, tuple[Callable[[], Experiment], str, str, str]] = {
    "buffer mutated in forward": (
        lambda: experiment(Counting),
        "buffer mutated",
        r"the buffer 'seen' is changed by forward in evaluation mode",
        r"under `if self.training:`",
    ),
    "torch.rand in forward": (
        lambda: experiment(Noisy),
        "global randomness",
        r"aten::rand in Noisy.forward at .*patients.py:\d+",
        r"artifact_fn.random",
    ),
    ".item() in the objective": (
        lambda: experiment(loss=asking),
        "host sync",
        r"`scale = 1.0 \+ 0.0 \* loss.detach\(\).item\(\)` at .*patients.py:\d+",
        r"keep it a tensor",
    ),
    "a branch on a tensor's value": (
        lambda: experiment(Branching),
        "branch on a tensor",
        r"`if outputs.mean\(\) > 0:` at .*patients.py:\d+",
        r"torch.where",
    ),
    "a Python-float lr changed each epoch": (
        lowered,
        "changing constant",
        r"0.1 before an epoch, 0.0\d+ after it, at step.*\[lr\]",
        r"make it a schedule, or a tensor of the state",
    ),
    "a parameter without gradient": (
        lambda: experiment(Idle),
        "unused parameter",
        r"the parameter 'spare.weight' gets no gradient",
        r"use it in forward, remove it, or freeze it",
    ),
    "a loss that ignores the targets": (
        lambda: experiment(loss=blind),
        "ignored column",
        r"the loss does not depend on the column 'y'",
        r"read it in the loss",
    ),
    "float64 data in a float32 model": (
        lambda: experiment(data=doubled()),
        "dtype",
        r"the column 'x' is float64 and the model's parameters are float32",
        r"\.to\(torch\.float32\)",
    ),
}

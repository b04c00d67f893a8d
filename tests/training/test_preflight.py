"""Preflight: a step that breaks its contract is refused, with its place, before training."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import tree
from artifact_fn.data import Table
from artifact_fn.errors import (
    ArtifactFnError,
    DataError,
    MetricError,
    ModelError,
    ObjectiveError,
    PurityError,
)
from artifact_fn.optim import sgd
from artifact_fn.training import TrainState, compiled, epochs, functional, supervised, train_step
from artifact_fn.training.guards import Watch
from artifact_fn.training.preflight import tried
from artifact_fn.training.statistics import mean
from tests.training.examples import columns, loader, parts


class InPlace(nn.Module):
    """Writes into its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        return self.linear(x.add_(1.0))


class Stray(nn.Module):
    """Draws from the global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        return F.dropout(self.linear(x), 0.5, self.training)


def step_of(build: Any, loss: Any = F.cross_entropy) -> tuple[TrainState, Any]:
    model, optimizer = functional(build), sgd(0.1)
    state = TrainState.create(model, optimizer, seed=0)
    return state, train_step(supervised(model, loss), optimizer)


def returning(make: Any) -> tuple[TrainState, Any]:
    return parts().state, make


class NumpyNoise(nn.Module):
    """Draws from numpy's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        return self.linear(x) * float(np.random.rand())


class Listing(nn.Module):
    """Remembers in a list, which stays the same object."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Any:
        self.seen.append(1)
        return self.linear(x) * len(self.seen)


class Remembering(nn.Module):
    """Counts its calls in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.count = 0

    def forward(self, x: Tensor) -> Any:
        self.count += 1
        return self.linear(x) * self.count


LOSS = {"loss": mean(torch.zeros(1))}
BROKEN: dict[str, tuple[Any, type[ArtifactFnError], str]] = {
    "writes into its batch": (
        lambda: step_of(InPlace),
        PurityError,
        r"as they are; got a write into one of them at .*test_preflight.py:\d+: .*x.add_\(1.0\).*;",
    ),
    "writes into its batch outside the gradient": (
        lambda: returning(lambda s, b: (*(b["x"].add_(0.0), s)[1:], LOSS)),
        PurityError,
        r"leaves its arguments as they are; got a step that wrote into batch/x; make a new tensor",
    ),
    "draws from the global generator": (
        lambda: step_of(Stray),
        PurityError,
        r"from its key; got aten::\w+ in Stray.forward at .*test_preflight.py:\d+; use nn",
    ),
    "writes into its batch by an activation": (
        lambda: step_of(lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))),
        PurityError,
        r"leaves its arguments as they are; got a write into one of them at .*; .* inplace=False",
    ),
    "draws from numpy's generator": (
        lambda: step_of(NumpyNoise),
        PurityError,
        r"from its key; got numpy's global generator; use nn",
    ),
    "remembers in a list": (
        lambda: step_of(Listing),
        PurityError,
        r"the same when it is asked again; got another value at 0/\S+; keep nothing between calls",
    ),
    "remembers its calls": (
        lambda: step_of(Remembering),
        PurityError,
        r"but its buffers; got Remembering.count set in a call; register it as a buffer",
    ),
    "answers no pair": (
        lambda: returning(lambda s, b: s),
        ObjectiveError,
        r"a step answers \(state, metrics\); got TrainState; return the pair",
    ),
    "changes a dtype": (
        lambda: returning(lambda s, b: (tree.replace(s, step=s.step.float()), LOSS)),
        ObjectiveError,
        r"got step: torch.int64 \[\] on cpu before, torch.float32 \[\] on cpu after; answer a",
    ),
    "loses a parameter": (
        lambda: returning(lambda s, b: (tree.replace(s, params={}), LOSS)),
        ObjectiveError,
        r"got params/0.bias: torch.float32 \[8\] on cpu before, nothing after",
    ),
    "puts a number into the state": (
        lambda: returning(lambda s, b: (tree.replace(s, step=1), LOSS)),
        ObjectiveError,
        r"got step: torch.int64 \[\] on cpu before, int 1 after",
    ),
    "metrics that are no mapping": (
        lambda: returning(lambda s, b: (s, [1.0])),
        MetricError,
        r"metrics are statistics by name; got list; return a dict",
    ),
    "a metric that is a number": (
        lambda: returning(lambda s, b: (s, {"loss": 1.0})),
        MetricError,
        r"the metric 'loss' is not a statistic of tensors; got float; answer one, such as",
    ),
    "a metric that is a bare tensor": (
        lambda: returning(lambda s, b: (s, {"loss": torch.zeros(())})),
        MetricError,
        r"the metric 'loss' is not a statistic of tensors; got Tensor",
    ),
    "a loss that is NaN": (
        lambda: step_of(lambda: nn.Linear(4, 3), lambda o, t: o.mean() * float("nan")),
        ObjectiveError,
        r"the loss of the first batch is not finite; got a loss of nan; look for NaN",
    ),
    "a loss for each row": (
        lambda: step_of(lambda: nn.Linear(4, 3), lambda o, t: o.mean(1)),
        ObjectiveError,
        r"a loss is one floating-point number",
    ),
}


@pytest.mark.parametrize("wrap", [lambda step: step, compiled], ids=["eager", "compiled"])
@pytest.mark.parametrize(("make", "error", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_refused_before_the_first_step(make: Any, error: Any, message: str, wrap: Any) -> None:
    state, step = make()
    snapshot = tree.map(torch.clone, state)
    with pytest.raises(error, match=message):
        epochs(wrap(step), state, loader(12, 4))
    assert tree.identical(state, snapshot)


@pytest.mark.parametrize("value", [3, 2.5, "text", None])
def test_a_batch_holds_tensors_only(value: Any) -> None:
    p = parts()
    with pytest.raises(
        DataError, match=r"takes tensors only, and batch/extra is not a tensor; got .*; make"
    ):
        tried(p.step, p.state, {**columns(4), "extra": value})
    with pytest.raises(DataError, match=r"batch/extra"):
        compiled(p.step)(p.state, {**columns(4), "extra": value})


def test_a_source_without_batches_is_refused() -> None:
    class Nothing:
        steps = 0

        def batches(self, key: Any, epoch: int, start: int = 0) -> Any:
            return iter(())

    p = parts()
    with pytest.raises(DataError, match=r"a loader yields batches; got none at all; give it rows"):
        epochs(p.step, p.state, Nothing())


@pytest.mark.parametrize("source", [[columns(4)], Table(columns(4)), None])
def test_what_is_no_source_is_refused(source: Any) -> None:
    p = parts()
    with pytest.raises(DataError, match=r"come from a source, .*; got a \w+; pass data.Loader"):
        epochs(p.step, p.state, source)


def test_the_state_of_another_model_is_refused() -> None:
    _, step = step_of(lambda: nn.Sequential(nn.Linear(4, 3)))
    state, _ = step_of(lambda: nn.Linear(4, 3))
    with pytest.raises(ModelError, match=r"has a '0.weight' that the state does not .*; got weig"):
        epochs(step, state, loader(12, 4))


def test_a_part_in_evaluation_mode_stays_in_it() -> None:
    def build() -> nn.Module:
        module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3), nn.BatchNorm1d(3))
        module[0].eval()
        return module

    state, step = step_of(build)
    after, _ = step(state, columns(6))
    moved = {path for path, b in after.buffers.items() if not torch.equal(b, state.buffers[path])}
    assert moved == {"2.running_mean", "2.running_var", "2.num_batches_tracked"}


@pytest.mark.parametrize(("dropout", "drawn"), [(0.0, 0), (0.5, 1)])
def test_fused_attention_draws_only_with_dropout(dropout: float, drawn: int) -> None:
    query = torch.ones(1, 2, 4, 8)
    with Watch() as watch, torch.random.fork_rng():
        torch.nn.functional.scaled_dot_product_attention(query, query, query, dropout_p=dropout)
    assert bool(watch.drawn) == bool(drawn)

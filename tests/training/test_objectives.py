"""Objectives: what is minimised, and what cannot be."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import random
from artifact_fn.errors import DataError, MetricError, ObjectiveError
from artifact_fn.training import (
    from_output,
    functional,
    metrics,
    minimise,
    objective,
    supervised,
    weighted,
)
from artifact_fn.training.statistics import Mean
from tests.training.examples import columns, parts

KEY = random.key(0)


def call(goal: Any, batch: Any) -> Any:
    model = functional(lambda: nn.Linear(4, 3))
    return goal(*model.init(0), batch, KEY, False)


def linear(loss: Any = F.cross_entropy, **options: Any) -> Any:
    return supervised(functional(lambda: nn.Linear(4, 3)), loss, **options)


def test_the_loss_is_the_plain_one_and_weighs_its_rows() -> None:
    batch = columns(6)
    params, _ = functional(lambda: nn.Linear(4, 3)).init(0)
    loss, aux = call(linear(metrics=[metrics.accuracy()]), batch)
    expected = F.cross_entropy(F.linear(batch["x"], params["weight"], params["bias"]), batch["y"])
    torch.testing.assert_close(loss, expected)
    assert list(aux.metrics) == ["loss", "accuracy"]
    assert aux.metrics["loss"].weight.item() == 6
    torch.testing.assert_close(aux.metrics["loss"].answer(), expected.double())
    assert aux.outputs.shape == (6, 3)


def test_other_columns_and_several_inputs() -> None:
    model = functional(lambda: nn.Bilinear(4, 4, 3))
    goal = supervised(model, F.cross_entropy, inputs=("a", "b"), targets="label")
    batch = columns(6)
    loss, _ = goal(
        *model.init(0), {"a": batch["x"], "b": batch["x"], "label": batch["y"]}, KEY, True
    )
    assert loss.shape == ()


class Named(nn.Module):
    """Takes its inputs by name, or a whole batch; answers a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, batch: Any = None, *, left: Any = None, right: Any = None) -> Any:
        if batch is not None:
            return {"loss": self.linear(batch["x"]).square().mean()}
        return self.linear(left + right)

    def halved(self, left: Any) -> Any:
        return self.linear(left) / 2


def test_inputs_by_name_the_whole_batch_and_another_method() -> None:
    model, batch = functional(Named), columns(6)
    start = model.init(0)
    size = {"size": lambda outputs, batch: outputs.square().mean()}
    named = minimise(model, size, inputs={"left": "x", "right": "x"})
    halved = minimise(model, size, inputs="x", method="halved")
    loss, aux = named(*start, batch, KEY, True)
    assert set(aux.metrics) == {"loss", "size"}
    whole, _ = minimise(model, from_output("loss"))(*start, batch, KEY, True)
    expected = F.linear(2 * batch["x"], start[0]["linear.weight"], start[0]["linear.bias"])
    torch.testing.assert_close(loss, expected.square().mean())
    plain = F.linear(batch["x"], start[0]["linear.weight"], start[0]["linear.bias"]).square().mean()
    torch.testing.assert_close(whole, plain)
    torch.testing.assert_close(halved(*start, batch, KEY, True)[0], plain / 4)


def test_several_losses_add_up_and_are_told_apart() -> None:
    model, batch = functional(lambda: nn.Linear(4, 4)), columns(6)
    losses: Any = {
        "error": lambda o, b: F.mse_loss(o, b["x"]),
        "size": weighted(0.5, lambda o, b: o.abs().mean()),
    }
    loss, aux = minimise(model, losses, inputs="x")(*model.init(0), batch, KEY, True)
    told = {name: statistic.answer().item() for name, statistic in aux.metrics.items()}
    assert told["loss"] == pytest.approx(told["error"] + told["size"])
    assert loss.item() == pytest.approx(told["loss"])


def test_metrics_are_outside_the_gradient() -> None:
    seen: list[bool] = []

    def watch(outputs: Tensor, batch: Any) -> Tensor:
        seen.append(outputs.requires_grad)
        return outputs[:, 0]

    goal = linear(metrics=[metrics.metric("watch", watch)])
    params, buffers = functional(lambda: nn.Linear(4, 3)).init(0)
    torch.func.grad(lambda p: goal(p, buffers, columns(6), KEY, True)[0])(params)
    assert seen == [False]


def test_a_goal_of_ones_own() -> None:
    p = parts()

    def evaluate(params: Any, buffers: Any, batch: Any, key: Any, training: bool) -> Any:
        outputs, buffers = p.model.apply(params, buffers, batch["x"], key=key, training=training)
        return outputs.square().mean(), outputs, buffers

    loss, aux = objective(evaluate)(p.state.params, p.state.buffers, columns(5), KEY, True)
    assert loss.item() == pytest.approx(aux.metrics["loss"].answer().item())


@pytest.mark.parametrize(
    ("goal", "error", "message"),
    [
        (
            lambda: linear(lambda o, t: F.cross_entropy(o, t, reduction="none")),
            ObjectiveError,
            r"a tensor of shape \[\]; got a tensor of shape \[6\] and dtype torch.float32; reduce",
        ),
        (lambda: linear(lambda o, t: 0.5), ObjectiveError, r"got 0.5; answer a tensor: no item"),
        (
            lambda: linear(lambda o, t: o.argmax()),
            ObjectiveError,
            r"got a tensor of shape \[\] and dtype torch.int64",
        ),
        (lambda: linear(inputs="z"), DataError, r"the objective reads the column 'z'.*'x', 'y'"),
        (lambda: linear(targets="t"), DataError, r"the objective reads the column 't'"),
        (
            lambda: linear(metrics=[metrics.Metric("m", lambda o, b: Mean(1.0, 2.0))]),  # type: ignore[arg-type]
            MetricError,
            r"the metric 'm' is not made of tensors; got float 1.0; answer tensors",
        ),
        (
            lambda: minimise(functional(lambda: nn.Linear(4, 3)), from_output("t"), inputs="x"),
            ObjectiveError,
            r"the model answers no 't'; got Tensor; answer a dict that holds it",
        ),
        (
            lambda: minimise(
                functional(lambda: nn.Linear(4, 3)),
                {"a": lambda o, b: o.mean(), "b": lambda o, b: o.mean(1)},
                inputs="x",
            ),
            ObjectiveError,
            r"a tensor of shape \[\]; got a tensor of shape \[6\]",
        ),
        (
            lambda: linear(metrics=[metrics.accuracy(), metrics.accuracy()]),
            MetricError,
            r"two metrics would be called 'accuracy'; got metrics accuracy, accuracy; give each",
        ),
        (
            lambda: linear(metrics=[metrics.accuracy(name="loss")]),
            MetricError,
            r"the name 'loss' is the step's own; got metrics loss; .*; call it otherwise",
        ),
    ],
)
def test_what_cannot_be_minimised_is_refused(goal: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(goal(), columns(6))

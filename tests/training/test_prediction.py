"""Prediction: outputs for rows without targets."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artifact_fn import optim, random, tree
from artifact_fn.data import Loader, Table, from_batches
from artifact_fn.errors import DataError, ObjectiveError
from artifact_fn.training import TrainState, functional, predict
from tests.training.examples import columns, parts


def test_rows_are_answered_in_their_order_in_evaluation_mode() -> None:
    p, x = parts(), columns(22)["x"]
    before = tree.digest(p.state)
    outputs = predict(p.model, p.state, Loader(Table({"x": x}), batch_size=4))
    expected, _ = p.model.apply(
        p.state.params, p.state.buffers, x, key=random.key(7), training=False
    )
    torch.testing.assert_close(outputs, expected)
    assert not outputs.requires_grad
    assert tree.digest(p.state) == before


class Coder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return {"sum": self.inner(a) + b, "first": a[:, 0]}

    def encode(self, a: Tensor, key: Tensor) -> Tensor:
        coded: Tensor = self.inner(a)
        return coded + random.normal(key, tuple(a.shape))


def test_several_inputs_a_pytree_of_outputs_and_another_method() -> None:
    model = functional(Coder)
    state = TrainState.create(model, optim.sgd(0.1), seed=0)
    rows = Loader(Table({"a": torch.ones(5, 2), "b": torch.zeros(5, 2)}), 2)
    outputs = predict(model, state, rows, inputs=("a", "b"))
    assert {name: tuple(leaf.shape) for name, leaf in outputs.items()} == {
        "sum": (5, 2),
        "first": (5,),
    }
    drawn = predict(model, state, rows, inputs="a", method="encode")
    assert torch.equal(drawn, predict(model, state, rows, inputs="a", method="encode"))
    assert len(drawn.unique(dim=0)) == 5, "each batch draws anew"


@pytest.mark.parametrize(
    ("source", "inputs", "error", "message"),
    [
        (Loader(Table({"z": torch.ones(3, 4)}), 2), "x", DataError, "reads the column 'x'"),
        (
            from_batches(lambda key, epoch: [], deterministic=True),
            "x",
            DataError,
            "got a source without batches",
        ),
        (Loader(Table({"x": torch.ones(3, 4)}), 2), 7, ObjectiveError, "got inputs=7"),
    ],
)
def test_what_cannot_be_predicted(source: Any, inputs: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        predict(parts().model, parts().state, source, inputs=inputs)

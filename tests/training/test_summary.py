"""Summary: parts of a model by path; and what notebooks show."""

import io
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from artifact_fn.errors import ModelError
from artifact_fn.folds import Epoch, Run, Stop
from artifact_fn.optim import sgd
from artifact_fn.training import TrainState, functional
from artifact_fn.training.summary import summary
from tests.training.examples import mlp, parts


def made(build: Any = mlp) -> tuple[TrainState, Any]:
    model = functional(build)
    return TrainState.create(model, sgd(0.1), seed=0), model


def test_it_agrees_with_the_module() -> None:
    state, model = made()
    told = summary(state, model, torch.zeros(5, 4))
    with torch.random.fork_rng():
        module = mlp()
    assert told.parameters == sum(p.numel() for p in module.parameters())
    assert told.buffers == sum(b.numel() for b in module.buffers())
    frame = told.frame()
    assert list(frame.index) == ["0", "1", "4"]
    assert frame.loc["0", "shapes"] == "weight [8, 4], bias [8]"
    assert frame.loc["1", "dtype"] == "float32, int64"
    assert frame.loc["0", "bytes"] == 4 * 40
    assert list(frame["flops"]) == [2 * 5 * 4 * 8, 0, 2 * 5 * 8 * 3]
    assert told.flops == frame["flops"].sum()


def test_frozen_parameters_are_not_trained() -> None:
    def build() -> nn.Module:
        module = mlp()
        module[0].requires_grad_(False)  # type: ignore[index]
        return module

    frame = summary(made(build)[0]).frame()
    assert list(frame.loc["0", ["parameters", "buffers"]]) == [0, 40]
    assert frame["flops"].isna().all()


def test_what_a_module_holds_itself() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.diag(self.by)

    state, model = made(Scale)
    told = summary(state, model, torch.ones(3, 2))
    assert told.parts[0].path == ""
    assert told.parts[0].flops == told.flops == 2 * 3 * 2 * 2
    assert str(told).splitlines()[1].startswith("(itself)")


def test_half_of_a_call_is_refused() -> None:
    state, model = made()
    with pytest.raises(
        ModelError, match=r"of a model and its inputs; got no inputs; give both, or"
    ):
        summary(state, model)
    with pytest.raises(ModelError, match=r"got no model; give both, or neither"):
        summary(state, inputs=torch.zeros(1, 4))


def shown(value: Any) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(value)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def texts(page: str) -> str:
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign, assignment]
    parser.feed(page)
    return " ".join(found)


def test_a_state_is_short() -> None:
    state = parts().state
    assert repr(state) == "TrainState(step=0, 83 parameters)"
    assert "params='83 in 6 tensors'" in shown(state)
    assert "weight [8, 4], bias [8]" in texts(state._repr_html_())


def test_a_run_is_short_and_its_names_are_text() -> None:
    name = "<script>alert(1)</script>/loss"
    run = Run(
        Epoch(3, parts().state, {name: 0.25, "val/x": 1.0}), Stop("<b>done</b>"), {"history": 1}
    )
    assert repr(run) == f"Run(3 epochs, '<b>done</b>', {name}=0.25, answers: history)"
    assert "epochs=3" in shown(run)
    page = run._repr_html_()
    assert "<script>" not in page
    assert "<b>done" not in page
    assert name in texts(page)
    assert "of 3 epochs" in texts(page)
    empty: Run[None] = Run(Epoch(1, None), Stop("x"), {})
    assert repr(empty) == "Run(1 epoch, 'x', answers: none)"

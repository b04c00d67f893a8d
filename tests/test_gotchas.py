"""Gotchas: the surprises that no other test holds, and a test named under each of them."""

import ast
import functools
import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from artifact_fn import optim, tree
from artifact_fn.training import TrainState, functional, metrics, supervised, train_step

ROOT = Path(__file__).parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PAGES = ["gotchas", "laws"]


@functools.cache
def functions_of(path: Path) -> set[str]:
    """Names of the functions of a module of tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_section_names_a_test_that_is_there(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^## ", text, flags=re.M)
    for section in sections:
        named = NAMED.findall(section)
        assert named, section.splitlines()[0]
        for path, name in named:
            assert name in functions_of(ROOT / path), f"{path}::{name}"


def state_of(build: Any, optimizer: optim.Optimizer) -> tuple[Any, TrainState]:
    model = functional(build)
    return model, TrainState.create(model, optimizer, seed=0)


def rows(count: int) -> dict[str, Tensor]:
    return {"x": torch.ones(count, 3), "y": torch.zeros(count, dtype=torch.int64)}


def test_a_state_saved_by_hand() -> None:
    _, state = state_of(lambda: nn.Linear(3, 2), optim.adam())
    whole = io.BytesIO()
    torch.save(state, whole)
    whole.seek(0)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(whole)
    file = io.BytesIO()
    torch.save(tree.paths(state), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = tree.unflatten([saved[path] for path in tree.paths(state)], tree.flatten(state)[1])
    assert tree.identical(again, state)


Named = dict[str, Tensor]


def test_an_annotation_of_an_alias_is_refused_by_dynamo() -> None:
    def step(x: Tensor) -> Tensor:
        def inner(x: Tensor) -> tuple[Named, Tensor]:
            return {"x": x}, x

        return inner(x)[1]

    with pytest.raises(Exception, match="subscript"):
        torch.compile(step, fullgraph=True, backend="eager")(torch.ones(3))


def test_activation_checkpointing_is_not_to_be_had() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Any:
            return checkpoint(self.linear, x, use_reentrant=False)

    optimizer = optim.sgd(0.1)
    model, state = state_of(Checkpointed, optimizer)
    with pytest.raises(RuntimeError, match="don't yet support saved tensor hooks"):
        train_step(supervised(model, F.cross_entropy), optimizer)(state, rows(4))


@pytest.mark.parametrize(
    ("optimizer", "name", "moves"),
    [
        (optim.sgd(0.1, weight_decay=0.0), "weight_decay", False),
        (optim.sgd(0.1, weight_decay=1e-12), "weight_decay", True),
        (optim.sgd(0.1), "lr", True),
        (optim.sgd(optim.constant(0.1)), "lr", False),
    ],
)
def test_a_hyperparameter_configured_as_zero_stays_out(
    optimizer: optim.Optimizer, name: str, moves: bool
) -> None:
    params = {"w": torch.ones(2)}
    before = optimizer.init(params)
    hyper = {**before.hyper, name: torch.tensor(0.5, dtype=torch.float64)}
    raised = tree.replace(before, hyper=hyper)
    grads = {"w": torch.ones(2)}
    one, other = (optimizer.update(grads, given, params)[0]["w"] for given in (before, raised))
    assert (not torch.equal(one, other)) == moves


def test_a_batch_of_one_row_and_batch_norm() -> None:
    optimizer = optim.sgd(0.1)
    model, state = state_of(lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)), optimizer)
    step = train_step(supervised(model, F.cross_entropy), optimizer)
    step(state, rows(2))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        step(state, rows(1))


def test_accuracy_reads_logits() -> None:
    targets = {"y": torch.tensor([0, 0, 1])}
    logits = torch.tensor([-2.0, -1.0, 3.0])
    right = metrics.accuracy()
    assert right.measure(logits, targets).answer() == 1
    assert right.measure(logits.sigmoid(), targets).answer() < 0.5

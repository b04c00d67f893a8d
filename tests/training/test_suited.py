"""Suited: a state made for another optimizer is refused before training."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from artifact_fn import optim, tree
from artifact_fn.errors import OptimError
from artifact_fn.training import TrainState, compiled, epochs, functional, supervised, train_step
from tests.training.examples import loader

MODEL = functional(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
OBJECTIVE = supervised(MODEL, F.cross_entropy)


def state(optimizer: Any, **options: Any) -> TrainState:
    return TrainState.create(MODEL, optimizer, seed=0, **options)


def stream(state: TrainState, optimizer: Any, **options: Any) -> Any:
    return epochs(train_step(OBJECTIVE, optimizer, **options), state, loader(8, 4))


SGD, ADAM = optim.sgd(0.1), optim.adam(0.1)


@pytest.mark.parametrize(
    ("made", "used"),
    [
        (SGD, ADAM),
        (ADAM, SGD),
        (SGD, optim.sgd(0.1, momentum=0.9)),
        (SGD, optim.sgd(optim.cosine(0.1, steps=9))),
        (SGD, optim.ema(SGD)),
        (optim.ema(SGD), SGD),
        (SGD, optim.chain(optim.clip_by_global_norm(1.0), SGD)),
        (optim.skip_nonfinite(SGD), SGD),
        (optim.by_path({"0/*": SGD, "*": SGD}), optim.by_path({"*": SGD})),
    ],
)
def test_a_state_of_another_optimizer_is_refused(made: Any, used: Any) -> None:
    message = r"made for another optimizer.*; got .* in the state, .* in the step's; make both of"
    with pytest.raises(OptimError, match=message):
        stream(state(made), used)
    with pytest.raises(OptimError, match=message):
        compiled(train_step(OBJECTIVE, used))(state(made), next(loader(8, 4).batches(None, 1)))
    stream(state(used), used)


def test_other_numbers_are_the_states_own() -> None:
    """By design: what a gotcha tells of."""
    unfolded = iter(stream(state(optim.adam(1e-2)), optim.adam(1.0)))
    assert next(unfolded).scores["train/lr"] == 1e-2


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (SGD, {"name": "a"}, r"moves the optimizer 'a', which .*; got one alone; make the state w"),
        ({"a": SGD}, {"name": "b"}, r"optimizer 'b', .*; got optimizers a; .* or leave name out"),
        ({"a": SGD, "b": ADAM}, {}, r"does not say which .*; got optimizers a, b; .*name='a'\)"),
    ],
)
def test_a_name_that_is_forgotten_or_wrong(made: Any, options: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        stream(state(made), SGD, **options)


def test_one_optimizer_of_some_parameters() -> None:
    begun = state(ADAM, only="0/*")
    assert list(begun.opt_state.moments["exp_avg"]) == ["0.weight", "0.bias"]
    after = next(iter(stream(begun, ADAM, only="0.*"))).state
    moved = [p for p in begun.params if not torch.equal(begun.params[p], after.params[p])]
    assert moved == ["0.weight", "0.bias"]
    assert tree.paths(after).keys() == tree.paths(begun).keys()


@pytest.mark.parametrize(
    ("made", "used"),
    [({}, {"only": "0/*"}), ({"only": "2/*"}, {"only": "0/*"}), ({"only": "0/*"}, {})],
)
def test_state_and_step_say_the_same_parameters(made: Any, used: Any) -> None:
    with pytest.raises(
        OptimError, match=r"for other parameters; got moments/exp_avg/.*same `only`"
    ):
        stream(state(ADAM, **made), ADAM, **used)
    named = {"only": {"a": made["only"]}} if made else {}
    with pytest.raises(OptimError, match=r"for other parameters; got moments/exp_avg/"):
        stream(state({"a": ADAM}, **named), ADAM, name="a", **used)


def test_only_is_a_pattern_or_patterns_by_name() -> None:
    with pytest.raises(
        OptimError, match=r"of one pattern; got only=\{'a': '0/\*'\}; give the patt"
    ):
        state(ADAM, only={"a": "0/*"})
    with pytest.raises(OptimError, match=r"pattern of its own; got only='0/\*'; say .*\{'a': '0/"):
        state({"a": ADAM}, only="0/*")
    with pytest.raises(OptimError, match=r"no parameter matches 'x/\*'"):
        state(ADAM, only="x/*")

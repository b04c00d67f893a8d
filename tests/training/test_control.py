"""Control: feedback from epochs to the state, applied before the next one."""

import itertools
from typing import Any

import attrs
import pytest
import torch

from artifact_fn import optim, tree
from artifact_fn.errors import FoldError, ScoreError
from artifact_fn.folds import Epoch, Fold, at_most
from artifact_fn.training import compiled, epochs, evaluation, fit
from artifact_fn.training.compiled import compilations
from artifact_fn.training.control import Control
from tests.training.examples import loader, parts

HALVED = optim.reduce_on_plateau("val/loss", factor=0.5, patience=0, threshold=0.9)
"""Half the rate whenever the loss is not ten times better."""


def stream(p: Any, control: Control, **options: Any) -> Any:
    routines = [evaluation("val", p.objective, loader(12, 12))]
    step = options.pop("step", p.step)
    state = options.pop("state", p.state)
    train = options.pop("train", loader(22, 4))
    return epochs(step, state, train, routines=routines, control=control, **options)


def resumed(carry: Any) -> Control:
    return attrs.evolve(HALVED, init=lambda: carry)


def rates(found: list[Epoch[Any]]) -> list[float]:
    return [epoch.scores["train/lr"] for epoch in found]


def test_a_rate_falls_when_the_score_stays() -> None:
    p = parts(optim.sgd(0.08))
    found = list(itertools.islice(stream(p, HALVED), 4))
    assert rates(found) == pytest.approx([0.08, 0.08, 0.04, 0.02])
    assert [e.state.opt_state.hyper["lr"].item() for e in found] == rates(found)
    plain = list(itertools.islice(epochs(p.step, p.state, loader(22, 4)), 2))
    assert tree.identical(found[1].state, plain[1].state), (
        "until it acts, a control changes nothing"
    )


def test_a_run_taken_up_with_the_controls_carry_goes_on_the_same() -> None:
    p = parts(optim.sgd(0.08))
    whole = list(itertools.islice(stream(p, HALVED), 5))
    for k in range(1, 5):
        carry = HALVED.init()
        for epoch in whole[:k]:
            carry = HALVED.step(carry, epoch)
        control = resumed(carry)
        rest = stream(p, control, state=whole[k - 1].state, completed=k)
        for ours, theirs in zip(itertools.islice(rest, 5 - k), whole[k:], strict=True):
            assert ours.index == theirs.index
            assert ours.scores == theirs.scores
            assert tree.identical(ours.state, theirs.state)


def test_nothing_is_compiled_anew_when_a_rate_changes() -> None:
    p = parts(optim.sgd(0.08))
    whole = loader(20, 4)  # batches of one shape, as each is a program
    unfolded = iter(stream(p, HALVED, step=compiled(p.step, chunk=1), train=whole))
    first = [next(unfolded), next(unfolded)]
    before = compilations()
    found = first + [next(unfolded) for _ in range(3)]
    assert compilations() == before
    assert rates(found) == pytest.approx([0.08, 0.08, 0.04, 0.02, 0.01])


def test_a_score_that_nobody_makes_is_refused_at_once() -> None:
    p = parts()
    with pytest.raises(
        ScoreError, match=r"nothing makes the score 'val/lloss'; .* 'val/loss' inst"
    ):
        stream(p, optim.reduce_on_plateau("val/lloss"))


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (at_most(3), r"answers a function of the state; got control=Stopper; pass e.g. control="),
        (
            Fold(lambda: 0, lambda carry, _: carry, lambda carry: carry),
            r"a control answers a function of the state; got int; answer `lambda state",
        ),
        (
            Fold(
                lambda: 0,
                lambda carry, _: carry,
                lambda _: lambda state: tree.replace(state, params={"w": torch.ones(1)}),
            ),
            r"keeps the structure, shapes and dtypes of the state; got a change at params/.*; an",
        ),
    ],
)
def test_what_is_no_control_is_refused(control: Any, message: str) -> None:
    with pytest.raises(FoldError, match=message):
        fit(stream(parts(), control), until=at_most(1))

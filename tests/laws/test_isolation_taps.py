"""Law 11 for routines that look inside the step, and what they cost when they are not due."""

from typing import Any

import attrs
import numpy as np
import pytest
import torch

from artifact_fn import optim, tree
from artifact_fn.folds import Fold, at_most, history
from artifact_fn.training import (
    Advance,
    Outcome,
    Routine,
    collected,
    compiled,
    diagnostics,
    epochs,
    evaluation,
    fit,
    metrics,
    reducers,
    taps,
    validation,
    with_plots,
)
from artifact_fn.training.compiled import compilations
from artifact_fn.training.plots import bars, confusion
from tests.training.examples import Parts, loader, parts


def largest(outcome: Outcome[Any, Any]) -> float:
    return float(outcome.outputs.max())


def every_routine(p: Parts) -> list[Routine]:
    kept = [*taps.DISTRIBUTION, reducers.norm(), reducers.largest(), reducers.sample(8)]
    size = metrics.metric("size", lambda outputs, batch: outputs.abs().sum(1))
    return [
        diagnostics(
            taps.activations(p.model, reduce=kept),
            taps.activation_gradients(p.model),
            taps.gradients(),
            every=2,
        ),
        with_plots(
            diagnostics(
                taps.gradient_norms(), taps.update_ratios(), taps.dead_units(p.model), size
            ),
            norms=bars("gradient_norm", axis="2-norm"),
        ),
        with_plots(
            evaluation("val", p.objective, loader(10, 4), taps=[taps.activations(p.model)]),
            confusion_plot=confusion(),
        ),
        validation("judged", lambda state: {"steps": float(state.step)}, every=3),
        collected(
            "all",
            p.objective,
            loader(10, 4),
            {"largest": Fold(float, lambda carry, one: max(carry, largest(one)), lambda c: c)},
        ),
    ]


def test_a_run_with_every_routine_trains_the_same_bits() -> None:
    p, train = parts(), loader(22, 4)
    bare = fit(epochs(p.step, p.state, train), until=at_most(4))
    watched = epochs(p.step, p.state, train, routines=every_routine(p))
    run = fit(watched, until=at_most(4), history=history())
    assert tree.digest(run.last.state) == tree.digest(bare.last.state)
    found = run.answers["history"]
    due = found["train/activations/0/mean"]
    assert list(due.isna()) == [True, False, True, False]
    assert list(found["judged/steps"].isna()) == [True, True, False, True]
    assert {"val/activations/0/mean", "all/largest", "train/size"} <= set(found.columns)
    assert {"train/norms", "val/confusion_plot"} <= set(run.last.artifacts)


def test_this_harness_sees_a_routine_that_changes_the_training() -> None:
    """A broken build: a rider that writes into the state it is shown, behind torch's back."""
    p, train = parts(), loader(22, 4)

    def rides(step: Any, state: Any, batch: Any) -> Any:
        def writing(state: Any, batch: Any) -> Any:
            if state.step > 1:
                for leaf in state.params.values():
                    leaf.detach().numpy()[...] += 1e-6
            return step(state, batch)

        return writing

    broken = attrs.evolve(diagnostics(taps.gradient_norms()), rides=rides)
    bare = fit(epochs(p.step, p.state, train), until=at_most(2))
    run = fit(epochs(p.step, p.state, train, routines=[broken]), until=at_most(2))
    assert tree.digest(run.last.state) != tree.digest(bare.last.state)


def test_the_state_that_a_rider_answers_is_not_used() -> None:
    p, train = parts(), loader(22, 4)

    def rides(step: Any, state: Any, batch: Any) -> Any:
        return lambda state, batch: (tree.map(torch.zeros_like, state), step(state, batch)[1])

    moving = attrs.evolve(diagnostics(taps.gradient_norms()), rides=rides)
    bare = fit(epochs(p.step, p.state, train), until=at_most(2))
    run = fit(epochs(p.step, p.state, train, routines=[moving]), until=at_most(2))
    assert tree.digest(run.last.state) == tree.digest(bare.last.state)


def test_batches_are_watched_evenly_and_wherever_an_epoch_is_taken_up() -> None:
    """22 batches of 4 rows; 5 of them are looked at, however the epoch is cut."""
    p, train = parts(), loader(88, 4)
    watched = diagnostics(taps.activations(p.model, "4", [reducers.histogram()]), steps=5)
    whole = next(iter(epochs(p.step, p.state, train, routines=[watched])))
    counts = whole.artifacts["train/activations/4/histogram"]
    assert counts.sum() == 5 * 4 * 3
    every = attrs.evolve(watched, steps=None)
    everything = next(iter(epochs(p.step, p.state, train, routines=[every])))
    assert everything.artifacts["train/activations/4/histogram"].sum() == 88 * 3
    cut = next(
        event
        for event in epochs(p.step, p.state, train, routines=[watched], chunk=3).events()
        if isinstance(event, Advance) and event.cursor == 9
    )
    assert cut.state is not None
    resumed = epochs(
        p.step,
        cut.state,
        train,
        routines=[watched],
        chunk=3,
        cursor=cut.cursor,
        metrics=cut.metrics,
    )
    again = next(iter(resumed))
    assert tree.identical(again.state, whole.state)
    assert (again.artifacts["train/activations/4/histogram"] == counts).all()


def test_compiled_no_routine_changes_a_bit_and_nothing_is_compiled_twice() -> None:
    """Chunks that end where somebody looks are the same steps: the program differs in length."""
    # Not Adam, which makes a whole step of the rounding of a gradient that should be zero: eager
    # and compiled scores are compared too.
    p, train = parts(optim.sgd(0.05)), loader(28, 4)
    routines: list[Routine] = [
        diagnostics(
            taps.activations(p.model, "4", [reducers.mean(), reducers.histogram()]),
            taps.activation_gradients(p.model, "0", [reducers.std()]),
            taps.update_ratios("4*"),
            every=2,
            steps=4,
        ),
        evaluation("val", p.objective, loader(8, 4), every=2),
        validation("judged", lambda state: {"steps": float(state.step)}, every=3),
    ]
    before = compilations()
    step = compiled(p.step, check=False)
    stream = epochs(step, p.state, train, routines=routines)
    rows, counts = [], []
    for epoch in _first(stream, 4):
        counts.append(compilations() - before)
        rows.append(epoch)
    # A chunk of 7; then one of 2, what looks, and the evaluation.
    assert counts == [1, 4, 4, 4]
    bare = _first(epochs(compiled(p.step, check=False), p.state, train), 4)
    for ours, theirs in zip(rows, bare, strict=True):
        assert tree.digest(ours.state) == tree.digest(theirs.state)
    eager = _first(epochs(p.step, p.state, train, routines=routines), 4)
    for ours, theirs in zip(rows, eager, strict=True):
        assert ours.scores.keys() == theirs.scores.keys()
        for name, value in theirs.scores.items():
            assert ours.scores[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name
        name = "train/activations/4/histogram"
        assert (name in ours.artifacts) == (ours.index % 2 == 0)
        if name in ours.artifacts:
            found, expected = ours.artifacts[name], theirs.artifacts[name]
            assert found.sum() == expected.sum() == 4 * 4 * 3
            assert np.abs(found - expected).sum() <= 4, "a number at a border rounds to either"


def _first(stream: Any, count: int) -> Any:
    for epoch in stream:
        yield epoch
        if epoch.index == count:
            return

"""Law 11 for routines that look inside the step, and what they cost when they are not due."""

from typing import Any

import attrs
import numpy as np
import pytest
import torch

from artifact_fn import optim, tree
from artifact_fn.folds import Fold, at_most, history
from artifact_fn.training import (
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
    """A broken build: a rider that also moves the parameters."""
    p, train = parts(), loader(22, 4)

    def rides(step: Any, state: Any, batch: Any) -> Any:
        def moved(state: Any, batch: Any) -> Any:
            after, told = step(state, batch)
            params = {path: leaf + 1e-6 for path, leaf in after.params.items()}
            return tree.replace(after, params=params), told

        return moved

    broken = attrs.evolve(diagnostics(taps.gradient_norms()), rides=rides)
    bare = fit(epochs(p.step, p.state, train), until=at_most(2))
    run = fit(epochs(p.step, p.state, train, routines=[broken]), until=at_most(2))
    assert tree.digest(run.last.state) != tree.digest(bare.last.state)


def test_compiled_by_chunks_two_programs_are_chosen_between() -> None:
    """Chunks with and without taps; nothing is compiled after each has been used once."""
    # Not Adam, which makes a whole step of the rounding of a gradient that should be zero.
    p, train = parts(optim.sgd(0.05)), loader(16, 4)
    watched = diagnostics(
        taps.activations(p.model, reduce=[reducers.mean(), reducers.histogram()]),
        taps.activation_gradients(p.model, reduce=[reducers.std()]),
        taps.update_ratios(),
        every=2,
    )
    before = compilations()
    counts = []
    stream = epochs(compiled(p.step), p.state, train, routines=[watched])
    rows = []
    for epoch in stream:
        counts.append(compilations() - before)
        rows.append(epoch)
        if epoch.index == 4:
            break
    assert counts == [1, 2, 2, 2]
    eager = list(_first(epochs(p.step, p.state, train, routines=[watched]), 4))
    for ours, theirs in zip(rows, eager, strict=True):
        assert ours.scores.keys() == theirs.scores.keys()
        for name, value in theirs.scores.items():
            assert ours.scores[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name
    ours, theirs = (run[1].artifacts["train/activations/4/histogram"] for run in (rows, eager))
    assert ours.sum() == theirs.sum() == 16 * 3
    assert np.abs(ours - theirs).sum() <= 4, "a number at a bin's border may round to either"
    plain = list(_first(epochs(compiled(p.step), p.state, train), 2))
    for path, leaf in tree.paths(plain[1].state).items():
        assert torch.allclose(
            leaf.double(), tree.paths(rows[1].state)[path].double(), rtol=1e-3, atol=1e-4
        ), path
    assert tree.digest(plain[0].state) == tree.digest(rows[0].state), "not due: the same program"


def _first(stream: Any, count: int) -> Any:
    for epoch in stream:
        yield epoch
        if epoch.index == count:
            return

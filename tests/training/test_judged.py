"""Judged: results are sorted by kind, computed when due, and refused when they have no name."""

from typing import Any

import numpy as np
import pytest
import torch

from artifact_fn.errors import ArtifactFnError, DataError, FoldError, ScoreError
from artifact_fn.folds import Fold, at_most
from artifact_fn.training import (
    collected,
    epochs,
    evaluation,
    fit,
    plots,
    validation,
    with_plots,
)
from artifact_fn.training.judged import Outcome, sorted_results
from tests.training.examples import loader, parts

COUNT: Fold[Any, Any, Any] = Fold(int, lambda n, one: n + len(one.inputs["y"]), lambda n: n)


def test_results_are_scores_and_artifacts() -> None:
    figure = plots.bars("a", axis="x")({"a/b": 1.0})
    scores, artifacts = sorted_results(
        {
            "float": 0.5,
            "int": 2,
            "numpy": np.float32(0.25),
            "tensor": torch.tensor(3.0),
            "array": torch.ones(2),
            "figure": figure,
            "parts": {"one": 1.0, "two": np.ones(3), "three": figure},
        }
    )
    assert scores == {"float": 0.5, "int": 2.0, "numpy": 0.25, "tensor": 3.0, "parts/one": 1.0}
    assert set(artifacts) == {"array", "figure", "parts/two", "parts/three"}
    assert isinstance(artifacts["array"], np.ndarray)


def test_a_fold_sees_every_batch_with_outputs_of_evaluation_mode() -> None:
    p = parts()

    def step(seen: tuple[Any, ...], one: Outcome[Any, Any]) -> tuple[Any, ...]:
        return (*seen, one.outputs)

    every: Fold[Any, Any, Any] = Fold(tuple, step, lambda seen: torch.cat(seen))
    routine = collected("val", p.objective, loader(10, 4), {"outputs": every, "rows": COUNT})
    scores, artifacts = routine.prepare(lambda step: step, p.state).run(p.state)
    assert scores == {"val/rows": 10.0}
    batch = next(loader(10, 10).batches(None, 1))
    outputs, _ = p.model.apply(
        p.state.params, p.state.buffers, batch["x"], key=p.state.key, training=False
    )
    assert np.allclose(artifacts["val/outputs"], outputs.numpy(), atol=1e-6)


def test_plots_are_of_the_routine_alone() -> None:
    p = parts()
    seen: list[set[str]] = []

    def plot(results: Any) -> Any:
        seen.append(set(results))
        return plots.bars("loss", axis="nats")({"loss/all": results["loss"]})

    routine = with_plots(evaluation("val", p.objective, loader(8, 4)), loss_plot=plot)
    run = fit(epochs(p.step, p.state, loader(8, 4), routines=[routine]), until=at_most(1))
    assert plots.is_figure(run.last.artifacts["val/loss_plot"])
    assert seen == [{"loss", "accuracy", "confusion"}]


def _wrong(kind: str) -> Any:
    p = parts()
    source = loader(8, 4)
    if kind == "no fold":
        return collected("val", p.objective, source, {})
    if kind == "cadence":
        return collected("val", p.objective, source, {"n": COUNT}, every=0)
    if kind == "no names":
        routine = validation("val", lambda state: 0.5)  # type: ignore[arg-type, return-value]
        return routine.prepare(lambda step: step, p.state)
    if kind == "two of one name":
        return sorted_results({"a/b": 1.0, "a": {"b": 2.0}})
    if kind == "no plot":
        return with_plots(evaluation("val", p.objective, source), plot="loss")  # type: ignore[arg-type]
    if kind == "no histogram":
        return plots.distributions("activations")({"activations/0/mean": 1.0})
    if kind == "no scores":
        return plots.bars("gradient_norm", axis="2-norm")({})
    return plots.confusion()({"loss": 1.0})


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("no fold", DataError, "collected.'val'. computes something; got no fold; pass folds"),
        ("cadence", FoldError, "a cadence counts epochs from 1; got 0"),
        ("no names", ScoreError, "validation.'val'. answers results by name; got float; answer"),
        ("two of one name", ScoreError, "two results would be called 'a/b'; .* give each"),
        ("no plot", DataError, "a plot is a function of results.*; got plot='loss'; pass"),
        ("no histogram", ScoreError, "drawn of 'activations/.../histogram', .* give the routine"),
        ("no scores", ScoreError, "drawn of 'gradient_norm/...', .*; got nothing; give"),
        ("no matrix", ScoreError, "drawn of 'confusion', .*; got loss; give"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    kind: str, error: type[ArtifactFnError], message: str
) -> None:
    with pytest.raises(error, match=message):
        _wrong(kind)

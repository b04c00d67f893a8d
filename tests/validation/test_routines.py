"""Validation routines: scores of every epoch that stop a run and choose its best epoch."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import random, tree
from artifact_fn.errors import ScoreError, ValidationError
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training import TrainState
from artifact_fn.training.contracts import Batch
from artifact_fn.validation import Plan, select
from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables

MODEL = af.functional(lambda: nn.Linear(2, 1))
OPTIMIZER = af.optim.sgd(0.5)
SPEC = binary.BinarySpec(("0", "1"), positive="1")
X = random.normal(random.key(3), (90, 2))
Y = (X[:, 0] + 0.1 * X[:, 1] > 0).to(torch.int64)
ROWS = af.Loader(af.Table({"x": X, "y": Y}), batch_size=40)
OBJECTIVE = af.supervised(
    MODEL, lambda logits, y: F.binary_cross_entropy_with_logits(logits[:, 0], y.float())
)


class Sigmoid:
    def classify(self, state: TrainState, batch: Batch, /) -> Tensor:
        logits, _ = MODEL.apply(
            state.params, state.buffers, batch["x"], key=state.key, training=False
        )
        return torch.sigmoid(logits[:, 0])


class Shifted:
    """Draws around the bias."""

    def generate(self, state: TrainState, key: Tensor, n: int, params: float, /) -> pd.DataFrame:
        drawn = random.normal(key, (n, 2)) * params + state.params["bias"]
        return pd.DataFrame({"a": drawn[:, 0].numpy(), "b": np.where(drawn[:, 1] > 0, "u", "v")})


def start(optimizer: Optimizer = OPTIMIZER) -> TrainState:
    return TrainState.create(MODEL, optimizer, seed=0)


def test_a_classifier_is_judged_every_epoch_and_drawn_when_due() -> None:
    scores = Plan(
        scores=select(binary.SCORES, "ROC_AUC", "F1"),
        score_collections=select(binary.SCORE_COLLECTIONS, "SCORE_MEANS"),
    )
    figures = Plan(
        plots=select(binary.PLOTS, "ROC_CURVE"),
        arrays=select(binary.ARRAYS, "CONFUSION_MATRIX"),
        plot_collections=select(binary.PLOT_COLLECTIONS, "CONFUSION_MATRIX_PLOTS"),
    )
    step = af.train_step(OBJECTIVE, OPTIMIZER)
    stream = af.epochs(
        step,
        start(),
        ROWS,
        routines=[
            binary.validation("val", Sigmoid(), SPEC, ROWS, scores),
            binary.validation("val", Sigmoid(), SPEC, ROWS, figures, every=2),
        ],
    )
    run = af.fit(
        stream,
        until=af.patience("val/ROC_AUC", 3, mode="max") | af.at_most(4),
        best=af.best("val/F1", mode="max"),
        history=af.history(),
    )
    history = run.answers["history"]
    assert {"val/ROC_AUC", "val/F1", "val/SCORE_MEANS/POSITIVE"} <= set(history.columns)
    assert history["val/ROC_AUC"].iloc[-1] > 0.95
    assert run.answers["best"].scores["val/F1"] == history["val/F1"].max()
    even = next(epoch for epoch in stream if epoch.index == 2)
    assert isinstance(even.artifacts["val/ROC_CURVE"], Figure)
    assert even.artifacts["val/CONFUSION_MATRIX"].sum() == len(Y)
    assert "val/CONFUSION_MATRIX_PLOTS/TRUE" in even.artifacts
    assert "val/ROC_CURVE" not in next(iter(stream)).artifacts
    rows = binary.classified(SPEC, Y, probability=Sigmoid().classify(even.state, {"x": X}).detach())
    assert even.scores["val/ROC_AUC"] == binary.SCORES["ROC_AUC"](rows)


def test_a_synthesizer_is_judged_by_the_same_draws_every_epoch() -> None:
    drawn = np.random.default_rng(0)
    real = pd.DataFrame({"a": drawn.normal(0, 1, 80), "b": drawn.choice(["u", "v"], 80)})
    spec = tables.TabularSpec.from_frame(real)
    plan = Plan(
        scores=select(tables.SCORES, "MEAN_JS_DISTANCE"),
        score_collections=select(tables.SCORE_COLLECTIONS, "JS_DISTANCE"),
        array_collections=select(tables.ARRAY_COLLECTIONS, "MEAN_JUXTAPOSITION"),
    )
    still = af.optim.sgd(0.0)
    frozen = af.train_step(OBJECTIVE, still)
    routine = tables.validation("train", Shifted(), spec, real, plan, params=1.0)
    with pytest.raises(ScoreError, match=r"nothing makes the score 'train/MEAN_JS'"):
        af.fit(
            af.epochs(frozen, start(still), ROWS, routines=[routine]),
            until=af.patience("train/MEAN_JS", 1, mode="min"),
        )
    run = af.fit(
        af.epochs(frozen, start(still), ROWS, routines=[routine]),
        until=af.patience("train/MEAN_JS_DISTANCE", 2, mode="min") | af.at_most(9),
        history=af.history(),
    )
    column = run.answers["history"]["train/MEAN_JS_DISTANCE"]
    assert len(column) == 3
    assert column.nunique() == 1
    assert run.last.scores["train/JS_DISTANCE/b"] >= 0
    assert run.last.artifacts["train/MEAN_JUXTAPOSITION/a"][0] == pytest.approx(real["a"].mean())


def test_validation_does_not_change_training() -> None:
    step = af.train_step(OBJECTIVE, OPTIMIZER)
    plan = Plan(scores=binary.SCORES)
    judged = [binary.validation("val", Sigmoid(), SPEC, ROWS, plan)]
    with_it, without = (
        af.fit(af.epochs(step, start(), ROWS, routines=routines), until=af.at_most(2)).last.state
        for routines in (judged, [])
    )
    assert tree.identical(with_it, without)


def test_an_empty_plan_and_misspelt_names_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"a plan has artifacts; got none; give some"):
        Plan()
    with pytest.raises(ValidationError, match=r"got 'ROC'; perhaps 'ROC_AUC'"):
        select(binary.SCORES, "F1", "ROC")


def test_a_bad_classifier_is_found_before_training() -> None:
    class Logits:
        def classify(self, state: TrainState, batch: Batch, /) -> Tensor:
            logits: Tensor = MODEL.apply(
                state.params, state.buffers, batch["x"] * 100, key=state.key, training=False
            )[0].squeeze()
            return logits

    routine = binary.validation("val", Logits(), SPEC, ROWS, Plan(scores=binary.SCORES))
    with pytest.raises(ValidationError, match=r"answers probabilities; got .* not logits"):
        af.epochs(af.train_step(OBJECTIVE, OPTIMIZER), start(), ROWS, routines=[routine])

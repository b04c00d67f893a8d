"""Metrics: what they answer, against scikit-learn, and law 6 for each of them."""

import itertools
from typing import Any

import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import DataError, MetricError
from artifact_fn.training import metrics
from artifact_fn.training.metrics import Metric
from artifact_fn.training.statistics import Maximum, Mean, Minimum, Sum, answers, mean, merge

METRICS: dict[str, Metric] = {
    "accuracy": metrics.accuracy(),
    "confusion": metrics.confusion(2),
    "roc_auc": metrics.roc_auc(),
    "own": metrics.metric("own", lambda outputs, batch: outputs[:, 0] - batch["y"]),
    "largest": metrics.metric("largest", lambda outputs, batch: Maximum(outputs.amax())),
    "smallest": metrics.metric("smallest", lambda outputs, batch: Minimum(outputs.amin(0))),
    "rows": metrics.metric("rows", lambda outputs, batch: Sum(torch.tensor(len(outputs)))),
}


def data(rows: int, seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    keys = random.split(random.key(seed))
    logits = random.normal(keys[0], (rows, 2)) * 2
    return logits, {"y": (logits[:, 1] + random.normal(keys[1], (rows,)) > 0).to(torch.int64)}


def told(metric: Metric, outputs: Tensor, batch: dict[str, Tensor]) -> Any:
    return metric.measure(outputs, batch).answer()


@pytest.mark.parametrize("name", METRICS)
@given(
    rows=st.integers(2, 30),
    cuts=st.lists(st.integers(1, 29), max_size=4),
    order=st.permutations(range(5)),
)
@settings(max_examples=25)
def test_folding_the_whole_is_merging_the_parts_in_any_order(
    name: str, rows: int, cuts: list[int], order: list[int]
) -> None:
    metric, (outputs, batch) = METRICS[name], data(rows)
    edges = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
    found = [{name: metric.measure(outputs[piece], {"y": batch["y"][piece]})} for piece in pieces]
    whole = told(metric, outputs, batch)
    shuffled = [found[i] for i in order if i < len(found)]
    for parts in (found, shuffled):
        torch.testing.assert_close(merge(parts)[name].answer(), whole, equal_nan=True)
    half = len(found) // 2
    if half:
        nested = merge([merge(found[:half]), merge(found[half:])])
        torch.testing.assert_close(nested[name].answer(), whole, equal_nan=True)
    before = tree.map(torch.clone, found)
    merge(found)
    assert tree.identical(found, before)


def test_a_mean_of_means_would_be_wrong_and_ours_is_not() -> None:
    long, short = mean(torch.ones(9)), mean(torch.full((1,), 11.0))
    assert merge([{"m": long}, {"m": short}])["m"].answer().item() == 2.0


def test_weighted_means() -> None:
    weighted = mean(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 1.0]))
    assert weighted.answer().item() == 7 / 4
    assert mean(torch.tensor(2.0), 5).weight.item() == 5
    assert torch.isnan(mean(torch.zeros(0)).answer())


@given(st.integers(0, 300))
@settings(max_examples=30)
def test_they_say_what_scikit_learn_says(seed: int) -> None:
    outputs, batch = data(200, seed)
    truth, guess = batch["y"].numpy(), outputs.argmax(1).numpy()
    assert told(metrics.accuracy(), outputs, batch).item() == pytest.approx(
        sklearn.metrics.accuracy_score(truth, guess)
    )
    assert told(metrics.confusion(2), outputs, batch).tolist() == (
        sklearn.metrics.confusion_matrix(truth, guess, labels=[0, 1]).tolist()
    )
    score = (outputs[:, 1] - outputs[:, 0]).numpy()
    auc = sklearn.metrics.roc_auc_score(truth, score)
    assert told(metrics.roc_auc(), outputs, batch).item() == pytest.approx(auc, abs=2e-3)


def test_auc_of_ties_and_of_one_class() -> None:
    flat = torch.zeros(6)
    assert told(metrics.roc_auc(), flat, {"y": torch.tensor([0, 1, 0, 1, 0, 1])}).item() == 0.5
    assert torch.isnan(told(metrics.roc_auc(), flat, {"y": torch.ones(6)}))


def test_binary_logits_of_any_usual_shape() -> None:
    pair, batch = data(50)
    single = pair[:, 1] - pair[:, 0]
    for metric in (metrics.accuracy(), metrics.roc_auc(), metrics.confusion(2)):
        expected = told(metric, pair, batch)
        assert torch.equal(told(metric, single, batch), expected)
        assert torch.equal(told(metric, single[:, None], batch), expected)


def test_accuracy_of_pixels() -> None:
    logits = torch.zeros(2, 3, 4, 4)
    logits[:, 1] = 1.0
    truth = torch.ones(2, 4, 4, dtype=torch.int64)
    truth[0, 0, 0] = 2
    assert told(metrics.accuracy(), logits, {"y": truth}).item() == 31 / 32


def test_answers_are_scores_or_arrays() -> None:
    outputs, batch = data(10)
    found = {name: METRICS[name].measure(outputs, batch) for name in ("accuracy", "confusion")}
    scores, arrays = answers(found)
    assert list(scores) == ["accuracy"]
    assert isinstance(scores["accuracy"], float)
    assert arrays["confusion"].shape == (2, 2)
    assert answers({}) == ({}, {})


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (
            lambda: metrics.metric("m", lambda o, b: o.mean()).measure(*data(3)),
            r"'m' does not say how many rows .* got a tensor of shape \[\]; answer one value a row",
        ),
        (
            lambda: metrics.roc_auc().measure(torch.zeros(3, 4), data(3)[1]),
            r"logits \[B, 2\], \[B, 1\] or \[B\]; got outputs of shape \[3, 4\]",
        ),
        (
            lambda: metrics.accuracy().measure(torch.zeros(3, 4, 5), data(3)[1]),
            r"got outputs \[3, 4, 5\], targets \[3\]",
        ),
        (
            lambda: metrics.confusion(3).measure(torch.zeros(3, 4), data(3)[1]),
            r"the metric 'confusion' counts 3 classes; got outputs for 4; make it confusion\(4\)",
        ),
        (
            lambda: metrics.accuracy().measure(torch.zeros(3, 2), {"y": torch.zeros(3, 2)}),
            r"got outputs \[3, 2\], targets \[3, 2\]",
        ),
        (lambda: metrics.confusion(1), r"classes to confuse are at least 2; got 1"),
        (lambda: metrics.roc_auc(bins=1), r"a histogram has at least 2 bins; got 1"),
    ],
)
def test_bad_readings_are_refused(measure: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        measure()


def test_a_column_that_is_not_there_is_named() -> None:
    message = r"the metric 'accuracy' reads the column 'label', .* got columns 'y'; say which, to the metric"
    with pytest.raises(DataError, match=message):
        metrics.accuracy(targets="label").measure(*data(3))


def test_what_is_no_class_is_not_confused() -> None:
    logits = torch.eye(3).repeat(2, 1)
    truth = torch.tensor([0, -100, 2, 3, 1, 2])
    found = metrics.confusion(3).measure(logits, {"y": truth}).answer()
    assert found.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 2]]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0, 1e4])
def test_roc_auc_tells_margins_of_any_size_apart(scale: float) -> None:
    margins = random.normal(random.key(3), (4000,)) * scale
    positive = random.bernoulli(random.key(4), 0.5, (4000,))
    margins = margins + positive * scale
    exact = sklearn.metrics.roc_auc_score(positive.numpy(), margins.numpy())
    found = metrics.roc_auc().measure(margins, {"y": positive.to(torch.int64)}).answer().item()
    assert found == pytest.approx(exact, abs=2e-3)


def test_roc_auc_of_a_margin_that_is_unknown_is_unknown() -> None:
    margins = torch.tensor([0.1, float("nan"), 2.0])
    found = metrics.roc_auc().measure(margins, {"y": torch.tensor([0, 0, 1])}).answer()
    assert found.isnan()
    sure = torch.tensor([-float("inf"), 0.0, float("inf")])
    assert metrics.roc_auc().measure(sure, {"y": torch.tensor([0, 0, 1])}).answer() == 1


def test_a_mean_that_averages_averages_fails_the_law() -> None:
    def averages(parts: list[Mean]) -> float:
        return sum(part.answer().item() for part in parts) / len(parts)

    parts = [mean(torch.ones(9)), mean(torch.full((1,), 11.0))]
    assert averages(parts) != merge([{"m": part} for part in parts])["m"].answer().item()

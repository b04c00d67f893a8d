"""What artifact-core does not have, against other implementations and by brute force."""

import tracemalloc
from itertools import combinations

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import brier_score_loss

from artifact_fn.errors import ValidationError
from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables
from artifact_fn.validation.binary_classification.calibration import calibration
from artifact_fn.validation.binary_classification.thresholds import Tuned, tuned_threshold
from artifact_fn.validation.table_comparison.downstream import train_synthetic_test_real
from tests.validation.cases import tables as table_cases
from tests.validation.test_against_artifact_core import data
from tests.validation.test_laws import LABELS, few, rows

CASES = ("mixed", "ties", "numbers", "labels", "unicode", "few rows", "equal", "unseen")


@pytest.mark.parametrize("case", CASES)
def test_kolmogorov_smirnov_is_scipys(case: str) -> None:
    pair, held = data("tables", case), table_cases()[case]
    for name, gap in tables.SCORE_COLLECTIONS["KOLMOGOROV_SMIRNOV"](pair).items():
        expected = ks_2samp(held.real[name], held.synthetic[name], method="asymp").statistic
        assert gap == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_frequencies_are_compared_as_by_hand(case: str) -> None:
    pair, held = data("tables", case), table_cases()[case]
    real, synthetic = held.real.astype(str), held.synthetic.astype(str)

    def variation(columns: list[str]) -> float:
        shares = [frame[columns].value_counts(normalize=True) for frame in (real, synthetic)]
        return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)

    for name, gap in tables.SCORE_COLLECTIONS["TOTAL_VARIATION"](pair).items():
        assert gap == pytest.approx(variation([name]), abs=1e-12)
    joint = [1 - variation([*names]) for names in combinations(held.categorical, 2)]
    expected = np.mean(joint) if joint else np.nan
    ours = tables.SCORES["CONTINGENCY_SIMILARITY"](pair)
    assert ours == pytest.approx(expected, abs=1e-12, nan_ok=True)
    gaps = (held.real[held.continuous].corr() - held.synthetic[held.continuous].corr()).abs()
    upper = gaps.to_numpy()[np.triu_indices(len(gaps), 1)]
    expected = 1 - upper.mean() / 2 if len(upper) else np.nan
    ours = tables.SCORES["CORRELATION_SIMILARITY"](pair)
    assert ours == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("case", CASES)
def test_neighbours_are_those_found_by_hand(case: str) -> None:
    pair = data("tables", case)
    span = np.ptp(pair.real.numbers, axis=0)
    span[span == 0] = 1

    def apart(a: tables.Encoded, b: tables.Encoded) -> np.ndarray:
        numbers = np.abs(a.numbers[:, None] - b.numbers[None]) / span
        labels = a.codes[:, None] != b.codes[None]
        return np.sort(np.concatenate([numbers, labels], axis=2).mean(axis=2), axis=1)

    near, own = apart(pair.synthetic, pair.real), apart(pair.real, pair.real)
    ours = tables.SCORE_COLLECTIONS["DISTANCE_TO_CLOSEST_RECORD"](pair)
    assert ours["SYNTHETIC"] == pytest.approx(np.median(near[:, 0]), abs=1e-12)
    assert ours["REAL"] == pytest.approx(np.median(own[:, 1]), abs=1e-12)
    assert ours["COPIES"] == (near[:, 0] == 0).mean()
    ratios = [a / b if b else 1.0 for a, b in near[:, :2]]
    ratio = tables.SCORES["NEAREST_NEIGHBOUR_RATIO"](pair)
    assert ratio == pytest.approx(np.median(ratios), abs=1e-12)


def test_copies_are_found() -> None:
    case = table_cases()["mixed"]
    spec = data("tables", "mixed").spec
    pair = tables.compare(spec, case.real, case.real.iloc[:20])
    assert tables.SCORE_COLLECTIONS["DISTANCE_TO_CLOSEST_RECORD"](pair)["COPIES"] == 1.0
    assert tables.SCORES["NEAREST_NEIGHBOUR_RATIO"](pair) == 0.0


def test_the_memory_of_neighbours_is_bounded() -> None:
    drawn = np.random.default_rng(0)
    frame = pd.DataFrame({"x": drawn.random(6000), "u": drawn.choice(["a", "b"], 6000)})
    pair = tables.compare(tables.TabularSpec.from_frame(frame), frame, frame)
    tracemalloc.start()
    tables.SCORES["NEAREST_NEIGHBOUR_RATIO"](pair)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All 36 million distances would be 288 MB, twice.
    assert peak < 120e6


def test_a_model_of_good_synthetic_rows_works_on_real_ones() -> None:
    drawn = np.random.default_rng(0)

    def sample(rows: int, *, related: bool) -> pd.DataFrame:
        x = drawn.normal(size=rows)
        y = 2 * x + drawn.normal(size=rows) / 10
        label = np.where(x > 0, "up", "down")
        if not related:
            y, label = drawn.permutation(y), drawn.permutation(label)
        return pd.DataFrame({"x": x, "y": y, "label": label})

    real = sample(150, related=True)
    spec = tables.TabularSpec.from_frame(real)
    good = tables.compare(spec, real, sample(150, related=True))
    bad = tables.compare(spec, real, sample(150, related=False))
    for target, chance in (("label", 0.5), ("y", 0.0)):
        one = train_synthetic_test_real(good, target=target, trees=20)
        other = train_synthetic_test_real(bad, target=target, trees=20)
        assert one["SYNTHETIC"] > 0.9
        assert one["REAL"] == other["REAL"] > 0.9
        assert other["SYNTHETIC"] < chance + 0.35
        assert one == train_synthetic_test_real(good, target=target, trees=20)
    few_rows = tables.compare(spec, real.iloc[:4], real)
    assert np.isnan(train_synthetic_test_real(few_rows, target="label", trees=2)["REAL"])
    with pytest.raises(ValidationError, match=r"from the others; got target 'z' among 'x', 'y'"):
        train_synthetic_test_real(good, target="z")


@given(labels=LABELS)
@few
def test_brier_is_scikit_learns(labels: list[tuple[bool, float]]) -> None:
    held = rows(labels)
    expected = brier_score_loss(held.true, held.probability, pos_label=True)
    assert binary.SCORES["BRIER"](held) == pytest.approx(expected, abs=1e-12)


@given(labels=LABELS, bins=st.integers(1, 12))
@few
def test_calibration_is_that_by_hand(labels: list[tuple[bool, float]], bins: int) -> None:
    held = rows(labels)
    table = calibration(held, bins=bins)
    place = np.clip(np.floor(held.probability * bins), 0, bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if not inside.any():
            assert np.isnan(table[i, :2]).all()
            continue
        said, happened = held.probability[inside].mean(), held.true[inside].mean()
        assert table[i].tolist() == pytest.approx([said, happened, inside.mean()], abs=1e-12)
        error += abs(said - happened) * inside.mean()
    if bins == 10:
        assert binary.SCORES["EXPECTED_CALIBRATION_ERROR"](held) == pytest.approx(error, abs=1e-12)


def test_bins_are_counted() -> None:
    for bins in (0, 2.5, True):
        with pytest.raises(ValidationError, match=r"grouped in bins; got .*; give at least 1"):
            calibration(data("labels", "random"), bins=bins)  # type: ignore[arg-type]


@given(labels=LABELS, metric=st.sampled_from(["F1", "ACCURACY", "BALANCED_ACCURACY", "MCC"]))
@settings(max_examples=60, deadline=None)
def test_no_threshold_is_better_than_the_tuned_one(
    labels: list[tuple[bool, float]], metric: Tuned
) -> None:
    held = rows(labels)
    tuned = tuned_threshold(held, metric=metric)

    def at(threshold: float) -> float:
        return binary.SCORES[metric](attrs.evolve(held, predicted=held.probability >= threshold))

    assert at(tuned["THRESHOLD"]) == pytest.approx(tuned["VALUE"], abs=1e-12)
    best = max(at(threshold) for threshold in held.probability)
    assert tuned["VALUE"] == pytest.approx(best, abs=1e-12)
    higher = held.probability[held.probability > tuned["THRESHOLD"]]
    assert all(at(threshold) < tuned["VALUE"] + 1e-12 for threshold in higher)

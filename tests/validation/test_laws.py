"""What holds of every artifact, whatever the rows: their order, names and codes say nothing."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables

NUMBERS = st.one_of(st.floats(-1e6, 1e6, allow_subnormal=False), st.integers(-3, 3).map(float))
CATEGORIES = st.sampled_from(["a", "b", "c"])
SPEC = tables.TabularSpec(
    (
        tables.Continuous("x"),
        tables.Categorical("u", ("a", "b", "c")),
        tables.Continuous("y"),
        tables.Categorical("v", ("a", "b")),
    )
)
ROWS = st.lists(st.tuples(NUMBERS, CATEGORIES, NUMBERS, CATEGORIES), min_size=1, max_size=30)
FRAMES = ROWS.map(lambda rows: pd.DataFrame(rows, columns=["x", "u", "y", "v"]))
BINARY = binary.BinarySpec(("no", "yes"), positive="yes")
LABELS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)), min_size=1
)
VALUES: dict[str, Any] = {
    **tables.SCORES, **tables.SCORE_COLLECTIONS, **tables.ARRAY_COLLECTIONS,
}  # fmt: skip
BINARY_VALUES: dict[str, Any] = {
    **binary.SCORES, **binary.ARRAYS, **binary.SCORE_COLLECTIONS, **binary.ARRAY_COLLECTIONS,
}  # fmt: skip
few = settings(max_examples=40, deadline=None)


def flat(result: Any) -> list[float]:
    if isinstance(result, dict):
        return [number for value in result.values() for number in flat(value)]
    return [float(number) for number in np.ravel(result)]


def same(a: Any, b: Any, *, rtol: float = 1e-9, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(flat(a), flat(b), rtol=rtol, atol=atol, equal_nan=True)


def rows(labels: list[tuple[bool, float]], order: Any = slice(None)) -> binary.Classified:
    true = np.array(["yes" if y else "no" for y, _ in labels])[order]
    return binary.classified(BINARY, true, probability=np.array([p for _, p in labels])[order])


@given(real=FRAMES, synthetic=FRAMES, seed=st.integers(0, 99))
@few
def test_the_order_of_rows_says_nothing(real: Any, synthetic: Any, seed: int) -> None:
    one = tables.compare(SPEC, real, synthetic)
    mixed = [frame.sample(frac=1.0, random_state=seed) for frame in (real, synthetic)]
    other = tables.compare(SPEC, *mixed)
    for artifact in VALUES.values():
        same(artifact(one), artifact(other), atol=1e-6)


@given(real=FRAMES, synthetic=FRAMES)
@few
def test_the_names_of_categories_say_nothing(real: Any, synthetic: Any) -> None:
    names = {"a": "ß", "b": "$b$", "c": "0"}
    renamed = tables.TabularSpec.from_json(SPEC.to_json())
    renamed = tables.TabularSpec(
        tuple(
            tables.Categorical(c.name, tuple(names[k] for k in reversed(c.categories)))
            if isinstance(c, tables.Categorical)
            else c
            for c in renamed.columns
        )
    )
    one = tables.compare(SPEC, real, synthetic)
    other = tables.compare(renamed, *(frame.replace(names) for frame in (real, synthetic)))
    for artifact in VALUES.values():
        # Cramer's V is a root: of 0 and of what rounding leaves of it, 1e-17, it is 4e-9 apart.
        same(artifact(one), artifact(other), atol=1e-6)


@given(frame=FRAMES, seed=st.integers(0, 99))
@few
def test_equal_tables_are_at_distance_0(frame: Any, seed: int) -> None:
    shuffled = frame.sample(frac=1.0, random_state=seed)
    pair = tables.compare(SPEC, frame, shuffled)
    assert set(tables.SCORE_COLLECTIONS["JS_DISTANCE"](pair).values()) == {0.0}
    assert tables.SCORES["MEAN_JS_DISTANCE"](pair) == 0.0
    assert tables.SCORES["CORRELATION_DISTANCE"](pair) == pytest.approx(0.0, abs=1e-6)
    assert tables.SCORES["CORRELATION_DISTANCE"](tables.compare(SPEC, frame, frame)) == 0.0


@given(real=FRAMES, synthetic=FRAMES)
@few
def test_distances_are_bounded_and_go_both_ways(real: Any, synthetic: Any) -> None:
    pair, back = tables.compare(SPEC, real, synthetic), tables.compare(SPEC, synthetic, real)
    for name in ("MEAN_JS_DISTANCE", "CORRELATION_DISTANCE"):
        same(tables.SCORES[name](pair), tables.SCORES[name](back))
    distances = tables.SCORE_COLLECTIONS["JS_DISTANCE"](pair)
    assert all(0.0 <= d <= np.sqrt(np.log(2)) + 1e-12 for d in distances.values())
    assert 0.0 <= tables.SCORES["CORRELATION_DISTANCE"](pair) <= 2.0


def test_the_battery_catches_an_artifact_that_reads_the_first_row() -> None:
    frame = pd.DataFrame({"x": [1.0, 2], "u": ["a", "b"], "y": [0.0, 1], "v": ["a", "a"]})
    pair, turned = (tables.compare(SPEC, frame.iloc[order], frame) for order in ([0, 1], [1, 0]))
    with pytest.raises(AssertionError):
        same(pair.real.numbers[0], turned.real.numbers[0])


@given(labels=LABELS, seed=st.integers(0, 99))
@few
def test_the_order_of_labels_says_nothing(labels: Any, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(labels))
    for artifact in BINARY_VALUES.values():
        same(artifact(rows(labels)), artifact(rows(labels, order)))


@given(labels=LABELS)
@few
def test_the_names_of_classes_say_nothing(labels: Any) -> None:
    other = binary.classified(
        binary.BinarySpec(("1", "0"), positive="1"),
        [int(y) for y, _ in labels],
        probability=[p for _, p in labels],
    )
    for artifact in BINARY_VALUES.values():
        same(artifact(rows(labels)), artifact(other))


@given(labels=LABELS)
@few
def test_scores_are_bounded(labels: Any) -> None:
    for name, score in binary.SCORES.items():
        low = -1.0 if name == "MCC" else 0.0
        value = score(rows(labels))
        assert np.isnan(value) or low - 1e-12 <= value <= 1.0 + 1e-12, name


@given(labels=LABELS)
@few
def test_the_other_class_has_the_mirrored_scores(labels: Any) -> None:
    one = rows(labels)
    other = binary.classified(
        binary.BinarySpec(("no", "yes"), positive="no"),
        ["yes" if y else "no" for y in one.true],
        predicted=["yes" if y else "no" for y in one.predicted],
        probability=1.0 - one.probability,
    )
    for name, mirrored in [
        ("ACCURACY", "ACCURACY"), ("BALANCED_ACCURACY", "BALANCED_ACCURACY"), ("MCC", "MCC"),
        ("PRECISION", "NPV"), ("RECALL", "TNR"), ("FPR", "FNR"),
    ]:  # fmt: skip
        same(binary.SCORES[name](one), binary.SCORES[mirrored](other))
    same(one.ground_truth, other.ground_truth)


def test_inputs_and_artifacts_can_be_sent_to_another_process() -> None:
    frame = pd.DataFrame({"x": [1.0, 2], "u": ["a", "b"], "y": [0.0, 1], "v": ["a", "a"]})
    pair = tables.compare(SPEC, frame, frame)
    labels = rows([(True, 0.2), (False, 0.3)])
    for toolkit, data in ((tables, pair), (binary, labels)):
        assert pickle.loads(pickle.dumps(data)).spec == data.spec
        for held in ("SCORES", "ARRAYS", "PLOTS"):
            for kind in (held, f"{held[:-1]}_COLLECTIONS"):
                for artifact in getattr(toolkit, kind).values():
                    assert callable(pickle.loads(pickle.dumps(artifact)))


@pytest.mark.parametrize("toolkit", [tables, binary], ids=lambda toolkit: toolkit.__name__[-20:])
def test_nothing_can_be_registered(toolkit: Any) -> None:
    with pytest.raises(TypeError):
        toolkit.SCORES["MINE"] = len


@pytest.mark.parametrize("toolkit", [tables, binary], ids=lambda toolkit: toolkit.__name__[-20:])
def test_every_artifact_is_in_the_docs(toolkit: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    for held in ("SCORES", "ARRAYS", "PLOTS"):
        for kind in (held, f"{held[:-1]}_COLLECTIONS"):
            for name in getattr(toolkit, kind):
                stem = name.removesuffix("_JUXTAPOSITION").removesuffix("_ALIGNMENT") + "_"
                suffix = name.removeprefix("GROUND_TRUTH_PROB")
                assert any(f"`{part}`" in text for part in (name, stem, suffix)), name

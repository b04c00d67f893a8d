"""Every artifact of both toolkits against what artifact-core answered (tests/recorded)."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from matplotlib.figure import Figure

from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables
from tests.validation import cases

RECORDED = json.loads(
    (Path(__file__).parent.parent / "recorded" / "artifact_core.json").read_text(encoding="utf-8")
)
TABLES, LABELS = cases.tables(), cases.label_sets()
EXACT = 1e-9
KINDS = ("score", "array", "plot", "score_collection", "array_collection", "plot_collection")
OURS: dict[str, dict[str, Any]] = {
    "tables": dict(
        zip(
            KINDS,
            (tables.SCORES, tables.ARRAYS, tables.PLOTS,
             tables.SCORE_COLLECTIONS, tables.ARRAY_COLLECTIONS, tables.PLOT_COLLECTIONS),
            strict=True,
        )
    ),
    "labels": dict(
        zip(
            KINDS,
            (binary.SCORES, binary.ARRAYS, binary.PLOTS,
             binary.SCORE_COLLECTIONS, binary.ARRAY_COLLECTIONS, binary.PLOT_COLLECTIONS),
            strict=True,
        )
    ),
}  # fmt: skip


@cache
def data(toolkit: str, name: str) -> Any:
    if toolkit == "tables":
        case = TABLES[name]
        spec = tables.TabularSpec.from_frame(
            case.real, continuous=case.continuous, categorical=case.categorical
        )
        return tables.compare(spec, case.real, case.synthetic)
    labels = LABELS[name]
    return binary.classified(
        binary.BinarySpec(("0", "1"), positive="1"),
        labels.true,
        predicted=labels.predicted,
        probability=labels.probability or None,
    )


def check(ours: Any, theirs: Any) -> None:
    """Equal to 1e-9, absolute and relative; None stands for NaN."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            check(ours[key], theirs[key])
        return
    if isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            check(one, other)
        return
    expected = np.array(theirs, dtype=np.float64)
    np.testing.assert_allclose(ours, expected, rtol=EXACT, atol=EXACT, equal_nan=True)


def every(*kinds: str) -> list[Any]:
    return [
        pytest.param(toolkit, case, kind, name, id=f"{kind}-{name}-{case}")
        for toolkit in ("tables", "labels")
        for case in RECORDED[toolkit]
        for kind in kinds
        for name in RECORDED[toolkit][case][kind]
        if not departs(case, name)
    ]


def departs(case: str, name: str) -> bool:
    """On purpose: see test_areas_are_of_probabilities and test_unseen_categories_count."""
    return name in ("ROC_AUC", "PR_AUC") or (case == "unseen" and "JS" in name)


def test_the_cases_are_those_that_were_recorded() -> None:
    for toolkit, held in (("tables", TABLES), ("labels", LABELS)):
        assert {name: case.digest() for name, case in held.items()} == {
            name: answers["digest"] for name, answers in RECORDED[toolkit].items()
        }


def test_a_difference_in_the_eighth_place_is_noticed() -> None:
    check({"a": 1.0, "b": float("nan")}, {"a": 1.0, "b": None})
    for wrong in ({"a": 1.0 + 3e-8}, {"a": 1.0, "b": 0.0}, {"b": 1.0}, {"a": float("nan")}):
        with pytest.raises(AssertionError):
            check(wrong, {"a": 1.0})


@pytest.mark.parametrize(("toolkit", "count"), [("tables", 29), ("labels", 48)])
def test_every_type_of_artifact_core_is_there(toolkit: str, count: int) -> None:
    answers = next(iter(RECORDED[toolkit].values()))
    assert sum(len(answers[kind]) for kind in KINDS) == count
    for kind in KINDS:
        assert set(answers[kind]) <= set(OURS[toolkit][kind]), kind


@pytest.mark.parametrize(
    ("toolkit", "case", "kind", "name"),
    every("score", "array", "score_collection", "array_collection"),
)
def test_values(toolkit: str, case: str, kind: str, name: str) -> None:
    check(OURS[toolkit][kind][name](data(toolkit, case)), RECORDED[toolkit][case][kind][name])


@pytest.mark.parametrize("case", [*TABLES, *LABELS])
def test_values_with_other_parameters(case: str) -> None:
    toolkit = "tables" if case in RECORDED["tables"] else "labels"
    variants = RECORDED[toolkit][case]["variants"]
    assert len(variants) >= 3
    for kind, name, parameters, answer in variants:
        if departs(case, name):
            continue
        check(partial(OURS[toolkit][kind][name], **parameters)(data(toolkit, case)), answer)


@pytest.mark.parametrize("case", LABELS)
def test_areas_are_of_probabilities(case: str) -> None:
    """artifact-core's two scores take the predicted classes for probabilities; its collection of the
    same areas does not."""
    areas = RECORDED["labels"][case]["score_collection"]["THRESHOLD_VARIATION_SCORES"]
    rows = data("labels", case)
    hard = attrs.evolve(rows, probability=rows.predicted.astype(np.float64))
    for name in ("ROC_AUC", "PR_AUC"):
        check(binary.SCORES[name](rows), areas[name])
        check(binary.SCORES[name](hard), RECORDED["labels"][case]["score"][name])


def test_unseen_categories_count() -> None:
    """artifact-core leaves them out of the distance, as if those rows had no region."""
    case = TABLES["unseen"]
    ours = tables.SCORE_COLLECTIONS["JS_DISTANCE"](data("tables", "unseen"))
    theirs = RECORDED["tables"]["unseen"]["score_collection"]["JS_DISTANCE"]
    spec = data("tables", "unseen").spec
    known = case.synthetic[case.synthetic["region"].isin(["north", "south"])]
    without = tables.SCORE_COLLECTIONS["JS_DISTANCE"](tables.compare(spec, case.real, known))
    check(without["region"], theirs["region"])
    assert ours["region"] > theirs["region"]
    for name in set(ours) - {"region"}:
        check(ours[name], theirs[name])


def shown(figure: Figure) -> dict[str, Any]:
    axes = figure.axes[0]
    return {
        "lines": [np.stack([np.asarray(v, float) for v in line.get_data()]) for line in axes.lines],
        "points": [np.asarray(c.get_offsets()) for c in axes.collections],
        "texts": [text.get_text() for text in axes.texts],
        "bars": [bar.get_height() for bar in axes.patches],  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize(
    "name", [n for n in tables.PLOTS if n.endswith("_ALIGNMENT") and "DESC" not in n]
)
def test_alignments_show_the_same_points(name: str) -> None:
    ours = shown(tables.PLOTS[name](data("tables", "ties")))
    theirs = RECORDED["tables"]["ties"]["plot"][name]
    check(ours["points"][0], theirs["points"][-1])


def test_cumulative_plots_show_the_same_lines() -> None:
    figures = tables.PLOT_COLLECTIONS["CDF"](data("tables", "ties"))
    for name, theirs in RECORDED["tables"]["ties"]["plot_collection"]["CDF"].items():
        check(shown(figures[name])["lines"], theirs["lines"])


def test_frequencies_are_the_same_bars() -> None:
    figures = tables.PLOT_COLLECTIONS["PDF"](data("tables", "ties"))
    theirs = RECORDED["tables"]["ties"]["plot_collection"]["PDF"]
    assert list(figures) == list(theirs)
    for name in ("flag", "kind"):  # theirs in order of appearance, ours sorted
        for half in (0, 1):
            ours = shown(figures[name])["bars"]
            size = len(ours) // 2
            check(
                sorted(ours[half * size :][:size]),
                sorted(theirs[name]["bars"][half * size :][:size]),
            )


@pytest.mark.parametrize("name", ["ROC", "PR", "DET", "RECALL_THRESHOLD"])
def test_curves_are_the_same_lines(name: str) -> None:
    ours = shown(binary.PLOTS[f"{name}_CURVE"](data("labels", "random")))
    theirs = RECORDED["labels"]["random"]["plot"][f"{name}_CURVE"]
    check(ours["lines"][0], theirs["lines"][0])
    collected = binary.PLOT_COLLECTIONS["THRESHOLD_VARIATION_CURVES"](data("labels", "random"))
    theirs = RECORDED["labels"]["random"]["plot_collection"]["THRESHOLD_VARIATION_CURVES"]
    assert collected.keys() == theirs.keys()
    check(shown(collected[name.lower()])["lines"][0], theirs[name.lower()]["lines"][0])


def test_precision_stands_at_its_own_threshold() -> None:
    """artifact-core shows each precision at the threshold before it."""
    rows = data("labels", "random")
    (at, ours), _ = shown(binary.PLOTS["PRECISION_THRESHOLD_CURVE"](rows))["lines"]
    for threshold, value in zip(at, ours, strict=True):
        said = rows.probability >= threshold
        assert value == pytest.approx(rows.true[said].mean())
    theirs = RECORDED["labels"]["random"]["plot"]["PRECISION_THRESHOLD_CURVE"]["lines"][0]
    check(at, theirs[0])
    check(ours[1:], theirs[1][:-1])


def test_confusion_plots_show_the_same_figures() -> None:
    theirs = RECORDED["labels"]["random"]["plot_collection"]["CONFUSION_MATRIX_PLOTS"]
    ours = binary.PLOT_COLLECTIONS["CONFUSION_MATRIX_PLOTS"](data("labels", "random"))
    assert ours.keys() == theirs.keys()
    for kind, figure in ours.items():
        check(
            [float(text) for text in shown(figure)["texts"]],
            [float(text) for text in theirs[kind]["texts"]],
        )

"""Plan: which artifacts are computed together."""

from collections.abc import Mapping
from typing import Any, Generic

import attrs

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Array, Artifact, D, Plot, Score

Results = tuple[dict[str, Score], dict[str, Any]]
"""Scores, and arrays and figures, by name; a member of a collection is `NAME/member`."""


@attrs.frozen(eq=False)
class Plan(Generic[D]):
    """Artifacts of each kind by name, those of a catalogue or functions of one's own.

    Attributes:
        scores: Each answers a number.
        score_collections: Each answers numbers by name.
        arrays: Each answers an array.
        array_collections: Each answers arrays by name.
        plots: Each answers a figure.
        plot_collections: Each answers figures by name.

    Raises:
        ValidationError: there is no artifact.

    Example:
        >>> plan = Plan(scores={"TOTAL": sum}, score_collections={"ENDS": lambda x: {"last": x[-1]}})
        >>> computed(plan, [1.0, 2.0])
        ({'TOTAL': 3.0, 'ENDS/last': 2.0}, {})
    """

    scores: Mapping[str, Artifact[D, Score]] = attrs.field(factory=dict)
    score_collections: Mapping[str, Artifact[D, dict[str, Score]]] = attrs.field(factory=dict)
    arrays: Mapping[str, Artifact[D, Array]] = attrs.field(factory=dict)
    array_collections: Mapping[str, Artifact[D, dict[str, Array]]] = attrs.field(factory=dict)
    plots: Mapping[str, Artifact[D, Plot]] = attrs.field(factory=dict)
    plot_collections: Mapping[str, Artifact[D, dict[str, Plot]]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if not any(attrs.astuple(self, recurse=False)):
            raise ValidationError(
                "a plan has artifacts",
                got="none",
                do="give some, e.g. scores=select(SCORES, 'ROC_AUC')",
            )


def computed(plan: Plan[D], data: D) -> Results:
    """Every artifact of a plan."""
    artifacts: dict[str, Any] = {}
    for single in (plan.arrays, plan.plots):
        artifacts |= {name: artifact(data) for name, artifact in single.items()}
    for several in (plan.array_collections, plan.plot_collections):
        for name, collection in several.items():
            artifacts |= {f"{name}/{member}": value for member, value in collection(data).items()}
    return scored(plan, data), artifacts


def scored(plan: Plan[D], data: D) -> dict[str, Score]:
    """The scores of a plan, collections included, and nothing else."""
    scores = {name: score(data) for name, score in plan.scores.items()}
    for name, collection in plan.score_collections.items():
        scores |= {f"{name}/{member}": value for member, value in collection(data).items()}
    return scores

"""Plan: which artifacts are computed together."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Generic

import attrs

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Array, Artifact, D, Plot, R, Score

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
        deferred: Whether plots are left undrawn: what stands for each is a function without arguments
            that answers it, for another process to call.

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
    deferred: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        held = attrs.asdict(self, recurse=False)
        if not any(artifacts for name, artifacts in held.items() if name != "deferred"):
            raise ValidationError(
                "a plan has artifacts",
                got="none",
                do="give some, e.g. scores=select(SCORES, 'ROC_AUC')",
            )


def computed(plan: Plan[D], data: D) -> Results:
    """Every artifact of a plan; in a deferred one, a collection of plots stands as `NAME/*`.

    Args:
        plan: What is computed.
        data: What its artifacts are functions of.

    Example:
        >>> computed(Plan(scores={"TOTAL": sum}), [1.0, 2.0])
        ({'TOTAL': 3.0}, {})
    """
    artifacts: dict[str, Any] = {name: array(data) for name, array in plan.arrays.items()}
    artifacts |= _members(plan.array_collections, data)
    if plan.deferred:
        artifacts |= {name: partial(plot, data) for name, plot in plan.plots.items()}
        artifacts |= {f"{name}/*": partial(p, data) for name, p in plan.plot_collections.items()}
    else:
        artifacts |= {name: plot(data) for name, plot in plan.plots.items()}
        artifacts |= _members(plan.plot_collections, data)
    return scored(plan, data), artifacts


def scored(plan: Plan[D], data: D) -> dict[str, Score]:
    """The scores of a plan, collections included, and nothing else."""
    scores = {name: score(data) for name, score in plan.scores.items()}
    return scores | _members(plan.score_collections, data)


def _members(collections: Mapping[str, Artifact[D, dict[str, R]]], data: D) -> dict[str, R]:
    return {
        f"{name}/{member}": value
        for name, collection in collections.items()
        for member, value in collection(data).items()
    }

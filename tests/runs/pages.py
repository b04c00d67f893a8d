"""Runs with artifacts and names of every kind, and what a browser would make of their page."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from artifact_fn.training import Experiment
from artifact_fn.training.routines import Prepared, Routine
from tests.runs.examples import experiment

HOSTILE = "<script>alert(1)</script>\"'`$x_1$&amp;{{7*7}}</style></title>"


def figure(epoch: int) -> Figure:
    """A plot that differs from epoch to epoch."""
    drawn = Figure(figsize=(4, 3))
    axes = drawn.subplots()
    axes.plot(np.linspace(0, 1, 50), np.linspace(0, 1, 50) ** epoch)
    axes.set_title(f"epoch {epoch}")
    return drawn


def observed(prefix: str = "val", every: int = 1) -> Routine:
    """Makes a score, a plot, arrays and values at each epoch."""

    def run(state: Any) -> tuple[Mapping[str, float], Mapping[str, Any]]:
        epoch = int(state.step) // 6
        return {f"{prefix}/<b>score</b>": 1.0 / epoch}, {
            f"{prefix}/PLOT": figure(epoch),
            f"{prefix}/MATRIX": np.arange(30.0).reshape(5, 6) * epoch,
            f"{prefix}/COLUMNS": {HOSTILE: np.arange(3.0), "b": np.arange(25)},
            f"{prefix}/VALUES": {"a": 0.5, HOSTILE: HOSTILE},
        }

    makes = frozenset({f"{prefix}/<b>score</b>"})
    return Routine(
        "observed", lambda epoch: epoch % every == 0, lambda wrap, state: Prepared(makes, run)
    )


def with_artifacts(prefix: str = "val", **changes: Any) -> Experiment:
    """The small experiment, observed too."""
    given = experiment(**changes)
    return experiment(**{**changes, "routines": [*given.routines, observed(prefix)]})


class Page(HTMLParser):
    """What a page holds, as a parser reads it.

    Attributes:
        tags: Each with its attributes, in order.
        texts: What is shown, in order.
        open: Tags that were opened and not closed.
    """

    VOID = frozenset({"meta", "link", "img", "input", "line", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            return
        if data.strip():
            self.texts.append(data.strip())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]

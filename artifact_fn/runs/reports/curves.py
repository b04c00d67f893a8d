"""Curves: the scores of runs, arranged as the charts of a page.

A chart holds one score of every split and every run: `train/loss` and `val/loss` are the chart
`loss`. Of an ensemble, whose scores are `val/loss[3]` by member and `val/loss` for their mean, a
curve is the mean with a band from the lowest member to the highest.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import attrs
import pandas as pd

_MEMBER = re.compile(r"^(?P<name>.+)\[\d+\]$")

MOST = 600
"""Points of a curve at most; of longer ones, the extremes of each stretch are kept."""


@attrs.frozen
class Curve:
    """One score of one split of one run.

    Attributes:
        run: Which run, by its name.
        split: Which split; empty where a score has none.
        epochs: Where it was measured, [n].
        values: As measured, [n].
        low: Of the lowest member, [n], or nothing where there are no members.
        high: Of the highest one.
    """

    run: str
    split: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def told(self) -> str:
        """The curve in words, for those who do not see it."""
        finite = [(v, e) for v, e in zip(self.values, self.epochs, strict=True) if math.isfinite(v)]
        if not finite:
            return "no finite value"
        (first, at), (last, end) = finite[0], finite[-1]
        (least, low), (most, high) = min(finite), max(finite)
        return (
            f"{first:.4g} at epoch {at}, {last:.4g} at epoch {end}, "
            f"lowest {least:.4g} at epoch {low}, highest {most:.4g} at epoch {high}"
        )


@attrs.frozen
class Chart:
    """One score, of all splits and runs.

    Attributes:
        name: Of the score, without its split.
        curves: In the order of runs, then of splits.
    """

    name: str
    curves: tuple[Curve, ...]


def charts(histories: Mapping[str, pd.DataFrame]) -> tuple[Chart, ...]:
    """What there is to draw, in the order in which scores first appear.

    Args:
        histories: Of runs, by name: as `folds.history` answers them.

    Example:
        >>> history = pd.DataFrame({"train/loss": [2.0, 1.0], "val/loss": [3.0, 2.0]}, index=[1, 2])
        >>> [(c.name, [curve.split for curve in c.curves]) for c in charts({"a": history})]
        [('loss', ['train', 'val'])]
    """
    found: dict[str, list[Curve]] = {}
    for run, history in histories.items():
        for column in _plain(history):
            split, name = _divided(column)
            curve = _curve(run, split, history, column)
            if curve.epochs:
                found.setdefault(name, []).append(curve)
    return tuple(Chart(name, tuple(curves)) for name, curves in found.items())


def thinned(values: Sequence[float], most: int = MOST) -> list[int]:
    """Which points of a curve to draw: of each stretch the lowest and the highest.

    Example:
        >>> thinned([0.0, 5.0, 1.0, 2.0, 9.0, 3.0], most=4)
        [0, 1, 3, 4, 5]
    """
    if len(values) <= most:
        return list(range(len(values)))
    width = math.ceil(2 * len(values) / most)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), width):
        stretch = range(start, min(start + width, len(values)))
        finite = [i for i in stretch if math.isfinite(values[i])]
        if finite:
            kept |= {min(finite, key=lambda i: values[i]), max(finite, key=lambda i: values[i])}
        if len(finite) < len(stretch):  # a gap stays one
            kept.add(next(i for i in stretch if not math.isfinite(values[i])))
    return sorted(kept)


def _plain(history: pd.DataFrame) -> Iterator[str]:
    """Columns that are not a member's; and the name of members' ones that have no mean."""
    seen = set(map(str, history.columns))
    for column in map(str, history.columns):
        member = _MEMBER.match(column)
        name = column if member is None else member["name"]
        if member is None or name not in seen:
            seen.add(name)
            yield name


def _divided(column: str) -> tuple[str, str]:
    split, slash, name = column.partition("/")
    return (split, name) if slash else ("", column)


def _curve(run: str, split: str, history: pd.DataFrame, column: str) -> Curve:
    own = [c for c in map(str, history.columns) if (m := _MEMBER.match(c)) and m["name"] == column]
    members = history[own]
    mean = history[column] if column in history else members.mean(axis=1)
    # Of a diverged run NaN is a measurement; before the first value it is none.
    measured = mean[mean.notna() | members.notna().any(axis=1)]
    at = measured.index
    band = own and len(own) > 1
    return Curve(
        run,
        split,
        tuple(int(epoch) for epoch in at),
        tuple(float(value) for value in measured),
        tuple(members.loc[at].min(axis=1)) if band else (),
        tuple(members.loc[at].max(axis=1)) if band else (),
    )

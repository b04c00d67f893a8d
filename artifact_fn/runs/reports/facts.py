"""Facts: what is said of a run in words and tables."""

import math
import re
from collections.abc import Mapping

import attrs
import pandas as pd

from artifact_fn.runs.listed import Listed
from artifact_fn.runs.provenance import said
from artifact_fn.runs.recorded import Recorded

Rows = tuple[tuple[str, ...], ...]

_PLAIN = re.compile(r"^(-?[\d.]+(e[+-]?\d+)?|'.*'|\".*\"|True|torch\.\w+ \[.*)$", re.DOTALL)
_SETTINGS = ("optimizer", "data", "until", "select", "control", "seed", "chunk", "device", "wrap")
_HISTORY = 200
"""Rows of a history that a page shows."""

_CHILD = re.compile(r" ?\([\w.\-]+\): ")
_MODULE = re.compile(r"(\( (?=\([\w.\-]+\): )| \)| ?\([\w.\-]+\): )")


@attrs.frozen
class Facts:
    """What a page says of one run.

    Attributes:
        name: Of the run.
        summary: Names and values.
        model: Its architecture.
        settings: What can be set, by path.
        everything: The whole description, by path.
        environment: Versions and circumstances, by name.
        header: Of `scores`.
        scores: By name: the last value, the one of the best epoch, the lowest and the highest.
        columns: Of `history`.
        history: Epochs and scores, evenly chosen where there are many.
        left_out: How many epochs of the history are not shown.
    """

    name: str
    summary: Rows
    model: str
    settings: Rows
    everything: Rows
    environment: Rows
    header: tuple[str, ...]
    scores: Rows
    columns: tuple[str, ...]
    history: Rows
    left_out: int


def facts(name: str, recorded: Recorded, listed: Listed) -> Facts:
    """What there is to say."""
    history, best = recorded.history, recorded.best
    kept = _evenly(len(history), _HISTORY)
    summary = [
        ("status", listed.status),
        ("because", listed.reason),
        ("epochs", str(listed.epochs)),
        *([] if best is None else [("best epoch", str(best.index))]),
        *([("took", duration(listed.seconds))] if math.isfinite(listed.seconds) else []),
        ("began", listed.began),
        ("directory", str(recorded.root)),
    ]
    bits, circumstances = recorded.environment["bits"], recorded.environment["facts"]
    return Facts(
        name,
        tuple(summary),
        architecture(recorded.experiment),
        settings(recorded.experiment),
        tuple((path or "it", text) for path, text in recorded.experiment.items()),
        tuple((str(key), said(value)) for key, value in {**bits, **circumstances}.items()),
        ("score", "last", *(["best epoch"] if best is not None else []), "lowest", "highest"),
        tuple(
            _score(history, str(column), None if best is None else best.index) for column in history
        ),
        ("epoch", *map(str, history.columns)),
        tuple((str(history.index[i]), *map(number, history.iloc[i])) for i in kept),
        len(history) - len(kept),
    )


def settings(description: Mapping[str, str]) -> Rows:
    """The numbers, names and data of a description, without how functions are made.

    Example:
        >>> settings({"seed": "0", "optimizer.update": "leafwise.update 8825", "chunk": "None"})
        (('seed', '0'),)
    """
    return tuple(
        (path, text)
        for path, text in description.items()
        if path.startswith(_SETTINGS) and "<default" not in path and _PLAIN.match(text)
    )


def architecture(description: Mapping[str, str]) -> str:
    """The model as its description has it; empty if it says nothing."""
    for path, text in description.items():
        if path.startswith("model") and "(" in text and text.split("(")[0].strip().isidentifier():
            inner = text.removeprefix("Call( (module): ")
            return laid_out(inner[: -2 if text.startswith("Call(") else None])
    return ""


def laid_out(module: str) -> str:
    """A module's representation on lines of its own again, of which descriptions make one.

    Example:
        >>> print(laid_out("Sequential( (0): Linear(4, 2) (1): Block( (a): ReLU() ) )"))
        Sequential(
          (0): Linear(4, 2)
          (1): Block(
            (a): ReLU()
          )
        )
    """
    lines, depth = [""], 0
    for part in _MODULE.split(module):
        if part.endswith("( ") or part == " )":
            depth += 1 if part.endswith("( ") else -1
        if part == "( ":
            lines[-1] += "("
        elif part == " )":
            lines.append("  " * depth + ")")
        elif _CHILD.match(part):
            lines.append("  " * depth + part.lstrip())
        else:
            lines[-1] += part
    return "\n".join(lines)


def differing(descriptions: Mapping[str, Mapping[str, str]]) -> Rows:
    """In what experiments differ: a path, then what each run has there.

    Example:
        >>> differing({"a": {"seed": "0", "chunk": "8"}, "b": {"seed": "1", "chunk": "8"}})
        (('seed', '0', '1'),)
    """
    paths = dict.fromkeys(path for each in descriptions.values() for path in each)
    rows = [
        (path, *(each.get(path, "—") for each in descriptions.values()))
        for path in paths
        if len({each.get(path) for each in descriptions.values()}) > 1
    ]
    told = [row for row in rows if not any(cell.startswith("as ") for cell in row[1:])]
    # A model is met in every objective and routine: the first place is enough.
    first: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in told:
        first.setdefault((row[0].split(".")[-1], *row[1:]), row)
    return tuple(first.values())


def number(value: float) -> str:
    """A score for people."""
    return "" if math.isnan(value) else f"{value:.4g}"


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(0.5), duration(75.0), duration(7500.0)
        ('0.50 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _score(history: pd.DataFrame, column: str, best: int | None) -> tuple[str, ...]:
    values = history[column].dropna()
    if values.empty:
        return (column, *([""] * (4 if best is not None else 3)))
    at_best = [number(history[column].get(best, math.nan))] if best is not None else []
    return (column, number(values.iloc[-1]), *at_best, number(values.min()), number(values.max()))


def _evenly(length: int, most: int) -> list[int]:
    if length <= most:
        return list(range(length))
    return sorted({round(i * (length - 1) / (most - 1)) for i in range(most)})

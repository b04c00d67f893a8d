"""Frames: the artifacts of runs, one picture or table for each epoch that is shown."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artifact_fn.errors import ArtifactFnError
from artifact_fn.runs.recorded import Recorded

ROWS, COLUMNS = 20, 12
"""Of a table, how much is shown."""


@attrs.frozen
class Table:
    """Cells as text.

    Attributes:
        header: Of the columns.
        rows: The first of them.
        more: What is left out, in words; empty where nothing is.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


@attrs.frozen
class Frame:
    """An artifact of one epoch.

    Attributes:
        epoch: Which.
        image: A picture as the text of a `data:` address; empty where there is none.
        table: Numbers and words.
        damage: Why it cannot be shown.
    """

    epoch: int
    image: str = attrs.field(default="", repr=False)
    table: Table | None = None
    damage: str = ""


@attrs.frozen
class Strip:
    """An artifact of one run through the epochs.

    Attributes:
        run: Which run, by its name.
        name: Of the artifact.
        frames: In the order of epochs.
        start: Which frame is shown first.
        of: How many epochs have the artifact.
    """

    run: str
    name: str
    frames: tuple[Frame, ...]
    start: int
    of: int


def strips(run: str, recorded: Recorded, room: int) -> list[Strip]:
    """Every artifact of a run, with as many epochs as there is room for.

    The best epoch and the last one are shown in any case, then others, evenly.

    Args:
        run: Its name.
        recorded: What its directory holds.
        room: Bytes for all of its artifacts, about.
    """
    best = None if recorded.best is None else recorded.best.index
    each = room // max(1, len(recorded.artifacts))
    return [_strip(run, recorded, name, best, each) for name in recorded.artifacts]


def _strip(run: str, recorded: Recorded, name: str, best: int | None, room: int) -> Strip:
    epochs = sorted(recorded.artifacts[name])
    first = best if best in epochs else epochs[-1]
    frames: dict[int, Frame] = {}
    spent = 0
    for epoch in _order(epochs, first):
        needed = {epochs[-1], first}
        size = spent // max(1, len(frames))  # of one more, if it is as large as those so far
        if epoch not in needed and spent + size > room:
            break
        frames[epoch] = _frame(recorded, name, epoch)
        spent += len(frames[epoch].image) + 12 * sum(map(len, _rows(frames[epoch])))
    shown = sorted(frames)
    return Strip(run, name, tuple(frames[e] for e in shown), shown.index(first), len(epochs))


def _order(epochs: Sequence[int], first: int) -> list[int]:
    """The epochs, the most telling ones first: best, last, first, then always the middles."""
    order = [first, epochs[-1], epochs[0]]
    step = len(epochs) // 2
    while step:
        order += epochs[step::step]
        step //= 2
    return list(dict.fromkeys(order))


def _rows(frame: Frame) -> tuple[tuple[str, ...], ...]:
    return () if frame.table is None else frame.table.rows


def _frame(recorded: Recorded, name: str, epoch: int) -> Frame:
    try:
        value = recorded.artifact(name, epoch)
        if isinstance(value, bytes):
            return Frame(epoch, image=_small(value))
        return Frame(epoch, table=_table(value))
    except (ArtifactFnError, OSError, ValueError) as cause:
        return Frame(epoch, damage=str(cause))


def _small(png: bytes) -> str:
    """A picture without loss in half of the bytes and less, for every browser of today."""
    with Image.open(io.BytesIO(png)) as image:
        image.thumbnail((1200, 1200))
        written = io.BytesIO()
        image.convert("RGB").save(written, "WEBP", lossless=True, quality=60, method=4)
    return f"data:image/webp;base64,{base64.b64encode(written.getvalue()).decode()}"


def _table(value: Any) -> Table:
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, Mapping):
        if value and all(
            isinstance(part, np.ndarray) and part.ndim == 1 for part in value.values()
        ):
            return _of_columns(value)
        rows = [(str(key), _text(part)) for key, part in value.items()]
        return Table(("", "value"), tuple(rows[:ROWS]), _more(len(rows), 1))
    return Table(("value",), ((_text(value),),))


def _of_array(array: NDArray[Any]) -> Table:
    flat = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(-1, 1)
    header = (
        ("", *map(str, range(min(flat.shape[1], COLUMNS)))) if array.ndim > 1 else ("", "value")
    )
    rows = tuple(
        (str(i), *(_text(cell) for cell in row[:COLUMNS])) for i, row in enumerate(flat[:ROWS])
    )
    shape = "" if array.ndim <= 2 else f"of shape {list(array.shape)}; "
    return Table(header, rows, shape + _more(flat.shape[0], flat.shape[1]))


def _of_columns(columns: Mapping[str, NDArray[Any]]) -> Table:
    length = max(len(column) for column in columns.values())
    shown = list(columns.items())[:COLUMNS]
    rows = tuple(
        (str(i), *(_text(column[i]) if i < len(column) else "" for _, column in shown))
        for i in range(min(length, ROWS))
    )
    return Table(("", *(str(name) for name, _ in shown)), rows, _more(length, len(columns)))


def _more(rows: int, columns: int) -> str:
    left = [
        f"{count - most:,} more {kind}"
        for count, most, kind in ((rows, ROWS, "rows"), (columns, COLUMNS, "columns"))
        if count > most
    ]
    return " and ".join(left)


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{float(value):.4g}" if math.isfinite(value) else str(float(value))
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"

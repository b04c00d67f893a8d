"""Comparison: a real and a synthetic table as arrays with the same columns and codes."""

from collections.abc import Sequence

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artifact_fn.errors import DataError, ValidationError
from artifact_fn.validation.frames import check_frame, floats, texts
from artifact_fn.validation.table_comparison.spec import TabularSpec


@attrs.frozen(eq=False)
class Encoded:
    """A table that was found to be what its specification says.

    Attributes:
        spec: Its specification.
        numbers: The continuous columns, float64 [N, C].
        codes: The categorical columns, int64 [N, K]; each numbers its `categories`.
        categories: Of each categorical column: the specified ones, then unseen ones sorted.

    Example:
        >>> frame = pd.DataFrame({"age": [30.0, 41.0], "sex": ["M", "F"]})
        >>> encoded = encode(TabularSpec.from_frame(frame), frame)
        >>> encoded.numbers.tolist(), encoded.codes.tolist()
        ([[30.0], [41.0]], [[1], [0]])
    """

    spec: TabularSpec
    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]
    categories: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.numbers)


@attrs.frozen(eq=False)
class Comparison:
    """Two tables of one specification, with the same codes for the same categories.

    Attributes:
        real: What was there.
        synthetic: What was generated; as many rows as it likes.

    Example:
        >>> frame = pd.DataFrame({"sex": ["M", "F"]})
        >>> pair = compare(TabularSpec.from_frame(frame), frame, frame)
        >>> len(pair.real), pair.categories
        (2, (('F', 'M'),))
    """

    real: Encoded
    synthetic: Encoded

    @property
    def spec(self) -> TabularSpec:
        """Of both tables."""
        return self.real.spec

    @property
    def categories(self) -> tuple[tuple[str, ...], ...]:
        """Of each categorical column: the specified ones, then those unseen by it, sorted."""
        return self.real.categories


def encode(spec: TabularSpec, frame: pd.DataFrame, *, table: str = "the table") -> Encoded:
    """A frame as arrays; the frame stays as it is, columns without a specification are ignored.

    Args:
        spec: What the frame is held against.
        frame: At least one row.
        table: What to call it in messages.

    Raises:
        DataError: a column is missing or repeated; a value is missing, infinite, beyond 2^53 or of
            another type than its column; or a category is unseen and to be refused. The message
            names column, row and value.

    Example:
        >>> frame = pd.DataFrame({"age": [30.0, 41.0], "sex": ["M", "F"]})
        >>> encoded = encode(TabularSpec.from_frame(frame), frame)
        >>> encoded.numbers.tolist(), encoded.codes.tolist(), encoded.categories
        ([[30.0], [41.0]], [[1], [0]], (('F', 'M'),))
    """
    check_frame(frame, spec.names, table)
    numbers = np.empty((len(frame), len(spec.continuous)))
    for i, name in enumerate(spec.continuous):
        numbers[:, i] = floats(frame[name], f"the continuous column {name!r} of {table}")
    codes = np.empty((len(frame), len(spec.categorical)), dtype=np.int64)
    categories: list[tuple[str, ...]] = []
    for i, (name, known) in enumerate(zip(spec.categorical, spec.categories, strict=True)):
        column = f"the categorical column {name!r} of {table}"
        own, held = texts(frame[name], column)
        seen = {held[code] for code in np.unique(own)}
        unseen = sorted(seen - set(known))
        if unseen and spec.unseen == "refuse":
            row = int(np.isin(own, [i for i, text in enumerate(held) if text in unseen]).argmax())
            raise DataError(
                f"{column} has unseen categories",
                got=f"{held[own[row]]!r} in row {row} ({len(unseen)} unseen in all)",
                do=f"map it to one of {', '.join(map(repr, known[:5]))}"
                f"{', ...' if len(known) > 5 else ''}, or specify unseen='own'",
            )
        categories.append((*known, *unseen))
        codes[:, i] = _lookup(held, categories[-1])[own]
    return Encoded(spec, numbers, codes, tuple(categories))


def compare(
    spec: TabularSpec, real: pd.DataFrame | Encoded, synthetic: pd.DataFrame | Encoded
) -> Comparison:
    """Two tables, ready for every artifact of this toolkit.

    Args:
        spec: Of both.
        real: A frame, or what `encode` answered (once is enough: it does not change by epoch).
        synthetic: Likewise.

    Raises:
        DataError: as `encode`, naming the real or the synthetic table.
        ValidationError: an encoded table is of another specification.

    Example:
        >>> frame = pd.DataFrame({"age": [30.0, 41.0], "sex": ["M", "F"]})
        >>> spec = TabularSpec.from_frame(frame)
        >>> compare(spec, frame, frame.assign(sex=["M", "X"])).categories
        (('F', 'M', 'X'),)
    """
    pair = [
        _encoded(spec, real, "the real table"),
        _encoded(spec, synthetic, "the synthetic table"),
    ]
    if pair[0].categories != pair[1].categories:
        union = [
            (*known, *sorted({*a, *b} - {*known}))
            for known, a, b in zip(
                spec.categories, pair[0].categories, pair[1].categories, strict=True
            )
        ]
        pair = [_recoded(encoded, union) for encoded in pair]
    return Comparison(*pair)


def _encoded(spec: TabularSpec, table: pd.DataFrame | Encoded, name: str) -> Encoded:
    if not isinstance(table, Encoded):
        return encode(spec, table, table=name)
    if table.spec != spec:
        raise ValidationError(
            f"{name} was encoded by the specification that it is compared under",
            got=f"columns {', '.join(map(repr, table.spec.names))}",
            do="encode it with this specification",
        )
    return table


def _recoded(encoded: Encoded, categories: Sequence[tuple[str, ...]]) -> Encoded:
    codes = np.empty_like(encoded.codes)
    for i, (old, new) in enumerate(zip(encoded.categories, categories, strict=True)):
        codes[:, i] = _lookup(old, new)[encoded.codes[:, i]]
    return attrs.evolve(encoded, codes=codes, categories=tuple(categories))


def _lookup(texts: Sequence[str], categories: Sequence[str]) -> NDArray[np.int64]:
    """Codes of texts among categories; those that are not there are never looked up."""
    place = {text: i for i, text in enumerate(categories)}
    return np.array([place.get(text, -1) for text in texts], dtype=np.int64)

"""Classified: rows with their true class, the predicted one and its probability."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artifact_fn.errors import DataError, ValidationError
from artifact_fn.validation.binary_classification.spec import BinarySpec
from artifact_fn.validation.frames import floats, texts

SLACK = 1e-6
"""How far beyond [0, 1] rounding in float32 may carry a probability."""


@runtime_checkable
class SupportsArray(Protocol):
    """What numpy can make an array of by itself."""

    def __array__(self) -> NDArray[Any]:
        """Its values."""
        ...


@attrs.frozen(eq=False)
class Classified:
    """A label set that was found to be in order, as arrays of one length.

    Attributes:
        spec: The two classes.
        true: Whether a row is positive, bool [N].
        predicted: Whether it was said to be, bool [N].
        probability: Of the positive class, float64 [N] in [0, 1].
        ids: Names of the rows, if they have any.

    Example:
        >>> spec = BinarySpec(("no", "yes"), positive="yes")
        >>> rows = Classified(spec, np.array([True]), np.array([False]), np.array([0.25]))
        >>> len(rows), rows.ground_truth
        (1, array([0.25]))
    """

    spec: BinarySpec
    true: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    probability: NDArray[np.float64]
    ids: tuple[Hashable, ...] | None = None

    def __len__(self) -> int:
        return len(self.true)

    @property
    def ground_truth(self) -> NDArray[np.float64]:
        """The probability that was given to the true class, float64 [N]."""
        return np.where(self.true, self.probability, 1.0 - self.probability)


def classified(
    spec: BinarySpec,
    true: Any,
    *,
    probability: Any = None,
    predicted: Any = None,
    threshold: float = 0.5,
    ids: Iterable[Hashable] | None = None,
) -> Classified:
    """Labels and predictions, ready for every artifact of this toolkit.

    Each of the three is a sequence, array or Series [N], in the same order of rows, or each a mapping
    from ids, in any order. Nothing that is given is changed.

    Args:
        spec: The two classes.
        true: The classes that are.
        probability: Of the positive class. Where it is left out, 1 or 0 as predicted.
        predicted: The classes that were predicted. Where they are left out, the positive one from
            the threshold on.
        threshold: In [0, 1]; used when `predicted` is left out.
        ids: Names of the rows, each used once.

    Raises:
        DataError: there are no rows, lengths or ids differ, an id occurs twice; a class is unknown,
            missing or of mixed types; a probability is missing or outside [0, 1]. The message names
            the value and its row.
        ValidationError: there is neither probability nor prediction, or the threshold is outside
            [0, 1].

    Example:
        >>> spec = BinarySpec(("no", "yes"), positive="yes")
        >>> rows = classified(spec, ["yes", "no"], probability=[0.9, 0.6])
        >>> rows.true.tolist(), rows.predicted.tolist(), rows.ground_truth.tolist()
        ([True, False], [True, True], [0.9, 0.4])
    """
    given = {"true": true, "predicted": predicted, "probability": probability}
    held = {name: values for name, values in given.items() if values is not None}
    if not held.keys() & {"predicted", "probability"}:
        raise ValidationError(
            "a classification has probabilities or predictions",
            got="neither",
            do="give probability=..., predicted=..., or both",
        )
    if not 0.0 <= threshold <= 1.0:
        raise ValidationError(
            "a threshold is a probability", got=repr(threshold), do="give one in [0, 1]"
        )
    held, names = _by_id(held) if isinstance(true, Mapping) else (held, ids)
    columns = {name: _series(name, values) for name, values in held.items()}
    _aligned(columns)
    if names is not None:
        names = tuple(names)
        _unique(names, len(columns["true"]))
    positive = _positive(spec, columns["true"], "the column of true classes")
    if "probability" in columns:
        chance = _probability(columns["probability"])
    if "predicted" in columns:
        said = _positive(spec, columns["predicted"], "the column of predicted classes")
    else:
        said = chance >= threshold
    if "probability" not in columns:
        chance = said.astype(np.float64)
    return Classified(spec, positive, said, chance, names)


def _by_id(held: dict[str, Any]) -> tuple[dict[str, Any], tuple[Hashable, ...]]:
    names = tuple(held["true"])
    for name, values in held.items():
        if not isinstance(values, Mapping):
            raise DataError(
                f"{name} is by id, as the true classes are",
                got=type(values).__name__,
                do="give each as a mapping from ids, or each as a sequence",
            )
        odd = [i for i in names if i not in values] or [i for i in values if i not in held["true"]]
        if odd:
            where = "lacks" if odd[0] not in values else "alone has"
            raise DataError(
                f"{name} has the ids of the true classes",
                got=f"{name} {where} {odd[0]!r} ({len(odd)} such ids)",
                do="give each id a class and a prediction",
            )
    return {name: [values[i] for i in names] for name, values in held.items()}, names


def _series(name: str, values: Any) -> "pd.Series[Any]":
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, Mapping):
        raise DataError(
            "the true classes are by id if anything is",
            got=f"{name} as a mapping, the true classes as a sequence",
            do="give each as a mapping from ids, or each as a sequence",
        )
    if isinstance(values, SupportsArray):  # a torch tensor, for one
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise DataError(
            f"{name} has one value a row",
            got=f"an array of shape {list(values.shape)}",
            do="give shape [N], e.g. the positive class' column",
        )
    held = values if isinstance(values, np.ndarray) else list(values)
    # Left to itself, pandas makes floats of ints beside None, and strings of a numpy array's mixture.
    series: pd.Series[Any] = pd.Series(held)
    return series


def _aligned(columns: "Mapping[str, pd.Series[Any]]") -> None:
    true = columns["true"]
    if not len(true):
        raise DataError("a classification has rows", got="0 rows", do="give at least one")
    for name, series in columns.items():
        if len(series) != len(true):
            raise DataError(
                f"{name} has a value for every row",
                got=f"{len(series)} values for {len(true)} rows",
                do="give as many as there are true classes",
            )
    named = [s.index for s in columns.values() if not isinstance(s.index, pd.RangeIndex)]
    for index in named[1:]:
        if not index.equals(named[0]):
            raise DataError(
                "Series name their rows alike",
                got="different indices",
                do="bring them into one order, e.g. b.loc[a.index], or give b.to_numpy()",
            )


def _unique(names: tuple[Hashable, ...], rows: int) -> None:
    if len(names) != rows:
        raise DataError(
            "there is an id for every row",
            got=f"{len(names)} ids for {rows} rows",
            do="give as many as there are true classes",
        )
    first: dict[Hashable, int] = {}
    for row, name in enumerate(names):
        if name in first:
            raise DataError(
                "each row has an id of its own",
                got=f"{name!r} in rows {first[name]} and {row}",
                do="drop the duplicate rows, or number the rows",
            )
        first[name] = row


def _positive(spec: BinarySpec, series: "pd.Series[Any]", what: str) -> NDArray[np.bool_]:
    codes, held = texts(series, what)
    used = np.unique(codes)
    unknown = [code for code in used if held[code] not in spec.classes]
    if unknown:
        rows = np.isin(codes, unknown)
        row = int(rows.argmax())
        raise DataError(
            f"{what} holds {' and '.join(map(repr, spec.classes))} alone",
            got=f"{held[codes[row]]!r} in row {row} ({int(rows.sum())} such rows)",
            do="correct them, or specify the classes as they are written here",
        )
    return np.array([text == spec.positive for text in held], dtype=np.bool_)[codes]


def _probability(series: "pd.Series[Any]") -> NDArray[np.float64]:
    values = floats(series, "the probability of the positive class")
    outside = (values < -SLACK) | (values > 1.0 + SLACK)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            "a probability lies in [0, 1]",
            got=f"{values[row]} in row {row} ({int(outside.sum())} such rows)",
            do="give probabilities and not logits, e.g. after a sigmoid",
        )
    return values.clip(0.0, 1.0)

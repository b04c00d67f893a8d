"""Specification: which columns of a table are continuous, and which categories the others have."""

import json
from collections.abc import Iterable
from typing import Any, Literal

import attrs
import pandas as pd

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import chosen
from artifact_fn.validation.frames import check_frame, floats, is_number, texts

Unseen = Literal["own", "refuse"]


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(texts)


def _columns(
    columns: Iterable["Continuous | Categorical"],
) -> tuple["Continuous | Categorical", ...]:
    return tuple(columns)


@attrs.frozen
class Continuous:
    """A column of numbers.

    Attributes:
        name: Of the column.

    Example:
        >>> Continuous("age").name
        'age'
    """

    name: str


@attrs.frozen
class Categorical:
    """A column of labels.

    Attributes:
        name: Of the column.
        categories: The labels as texts, in the order in which they are shown.

    Example:
        >>> Categorical("sex", ["F", "M"]).categories
        ('F', 'M')
    """

    name: str
    categories: tuple[str, ...] = attrs.field(converter=_texts)


@attrs.frozen
class TabularSpec:
    """The columns of a table, in order.

    A value: equal to another one with the same columns, hashable, the same after JSON.

    Attributes:
        columns: Continuous and categorical ones.
        unseen: What to do with a category that is not listed: `"own"` counts it as one more
            category, `"refuse"` complains.
        inferred: What `from_frame` decided, one sentence a column; not part of equality.

    Raises:
        ValidationError: there are no columns, a name or a category occurs twice or is no str, or
            `unseen` is neither.

    Example:
        >>> spec = TabularSpec((Continuous("age"), Categorical("sex", ("F", "M"))))
        >>> spec.names, spec.continuous, spec.categorical
        (('age', 'sex'), ('age',), ('sex',))
        >>> TabularSpec.from_json(spec.to_json()) == spec
        True
    """

    columns: tuple[Continuous | Categorical, ...] = attrs.field(converter=_columns)
    unseen: Unseen = "own"
    inferred: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        chosen("unseen", self.unseen, Unseen)
        if not self.columns:
            raise ValidationError("a specification has columns", got="none", do="give at least one")
        _distinct("column", self.names)
        for column in self.columns:
            if isinstance(column, Categorical):
                if not column.categories:
                    raise ValidationError(
                        f"the categorical column {column.name!r} has categories",
                        got="none",
                        do="list them, or use from_frame",
                    )
                _distinct(f"category of {column.name!r}", column.categories)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def continuous(self) -> tuple[str, ...]:
        """The continuous columns, in order."""
        return tuple(c.name for c in self.columns if isinstance(c, Continuous))

    @property
    def categorical(self) -> tuple[str, ...]:
        """The categorical columns, in order."""
        return tuple(c.name for c in self.columns if isinstance(c, Categorical))

    @property
    def categories(self) -> tuple[tuple[str, ...], ...]:
        """The categories of each categorical column, in order."""
        return tuple(c.categories for c in self.columns if isinstance(c, Categorical))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        continuous: Iterable[str] = (),
        categorical: Iterable[str] = (),
        unseen: Unseen = "own",
    ) -> "TabularSpec":
        """The specification of a frame.

        Columns that are named are what they are named to be. Of the others those of a numeric dtype
        are taken to be continuous (a flag of 0 and 1 too), booleans and all else categorical;
        `inferred` says so for each of them.

        Args:
            frame: Usually the real training table.
            continuous: Columns of numbers.
            categorical: Columns of labels.
            unseen: What later tables may hold.

        Raises:
            DataError: a column is missing, repeated or malformed.
            ValidationError: a column is named as both.

        Example:
            >>> frame = pd.DataFrame({"age": [30, 41], "smoker": [0, 1], "sex": ["F", "M"]})
            >>> spec = TabularSpec.from_frame(frame, continuous=["age"], categorical=["sex"])
            >>> spec.inferred
            ("'smoker' is continuous: int64 with 2 values; if they are labels, name it categorical",)
        """
        named = dict.fromkeys(continuous, True)
        for name in categorical:
            if name in named:
                raise ValidationError(
                    "a column is continuous or categorical",
                    got=f"{name!r} named as both",
                    do="name it once",
                )
            named[name] = False
        check_frame(frame, [*named], "the table")
        every = list(frame.columns)
        check_frame(frame, every, "the table")
        said: list[str] = []
        columns: list[Continuous | Categorical] = []
        for name in every:
            series = frame[name]
            numeric = named[name] if name in named else is_number(series)
            if name not in named:
                said.append(_inference(series, numeric))
            if numeric:
                floats(series, f"the continuous column {name!r}")
                columns.append(Continuous(name))
            else:
                _, categories = texts(series, f"the categorical column {name!r}")
                columns.append(Categorical(name, tuple(categories)))
        return cls(tuple(columns), unseen, tuple(said))

    def to_json(self) -> str:
        """The specification as JSON text."""
        held: dict[str, Any] = {"unseen": self.unseen, "columns": []}
        for column in self.columns:
            kind = "continuous" if isinstance(column, Continuous) else "categorical"
            held["columns"].append({"kind": kind, **attrs.asdict(column)})
        return json.dumps(held, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "TabularSpec":
        """The specification that `to_json` wrote.

        Raises:
            ValidationError: the text is something else.
        """
        try:
            held = json.loads(text)
            columns = [
                Continuous(c["name"])
                if c["kind"] == "continuous"
                else Categorical(c["name"], tuple(c["categories"]))
                for c in held["columns"]
            ]
            return cls(tuple(columns), held["unseen"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValidationError(
                "the text is no specification in JSON",
                got=f"{text[:60]!r} ({type(error).__name__}: {error})",
                do="give what TabularSpec.to_json() answered",
            ) from error


def _inference(series: "pd.Series[Any]", numeric: bool) -> str:
    kind = "continuous" if numeric else "categorical"
    count = series.nunique()
    said = f"{series.name!r} is {kind}: {series.dtype} with {count} values"
    return f"{said}; if they are labels, name it categorical" if numeric and count < 10 else said


def _distinct(what: str, names: tuple[Any, ...]) -> None:
    seen = set[str]()
    for name in names:
        if not isinstance(name, str):
            raise ValidationError(
                f"a {what} is a str", got=repr(name), do="rename it, e.g. to str(name)"
            )
        if name in seen:
            raise ValidationError(
                f"each {what} is named once", got=f"{name!r} more than once", do="drop one of them"
            )
        seen.add(name)

"""Specification: the two classes, and which of them is the positive one."""

import json
from collections.abc import Iterable

import attrs

from artifact_fn.errors import ValidationError


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@attrs.frozen
class BinarySpec:
    """Two classes.

    Classes are texts; labels are compared by their text, so the labels 0 and 1 (or 0.0 and 1.0)
    are of the classes "0" and "1".

    Attributes:
        classes: Two different names.
        positive: One of them.
        label: What is being told apart.

    Raises:
        ValidationError: there are not two different names, or `positive` is neither.

    Example:
        >>> spec = BinarySpec(("0", "1"), positive="1", label="arthritis")
        >>> spec.negative
        '0'
        >>> BinarySpec.from_json(spec.to_json()) == spec
        True
    """

    classes: tuple[str, ...] = attrs.field(converter=_names)
    positive: str
    label: str = "label"

    def __attrs_post_init__(self) -> None:
        if len(self.classes) != 2 or len(set(self.classes)) != 2:
            raise ValidationError(
                "a binary label has two different classes",
                got=repr(self.classes),
                do="name both, e.g. ('no', 'yes')",
            )
        for name in self.classes:
            if not isinstance(name, str):
                raise ValidationError(
                    "the name of a class is a str", got=repr(name), do=f"write {str(name)!r}"
                )
        if self.positive not in self.classes:
            raise ValidationError(
                "the positive class is one of the two",
                got=f"{self.positive!r}, not among {', '.join(map(repr, self.classes))}",
                do="name one of them",
            )

    @property
    def negative(self) -> str:
        """The other class."""
        first, second = self.classes
        return first if self.positive == second else second

    def to_json(self) -> str:
        """The specification as JSON text."""
        return json.dumps(attrs.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "BinarySpec":
        """The specification that `to_json` wrote.

        Raises:
            ValidationError: the text is something else.
        """
        try:
            held = json.loads(text)
            return cls(tuple(held["classes"]), held["positive"], held["label"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValidationError(
                "the text is no specification in JSON",
                got=f"{text[:60]!r} ({type(error).__name__}: {error})",
                do="give what BinarySpec.to_json() answered",
            ) from error

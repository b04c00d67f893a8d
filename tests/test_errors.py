"""Errors: each says what, got, do, and can be caught as one family."""

import inspect

import pytest

from artifact_fn import errors


def test_a_message_has_three_parts_that_are_kept() -> None:
    with pytest.raises(
        errors.ArtifactFnError, match=r"^rows are needed; got 0 rows; give some$"
    ) as it:
        raise errors.DataError("rows are needed", got="0 rows", do="give some")
    assert (it.value.what, it.value.got, it.value.do) == ("rows are needed", "0 rows", "give some")


def test_every_exception_class_is_of_the_family_and_documented() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert len(classes) > 5
    for cls in classes:
        assert issubclass(cls, errors.ArtifactFnError)
        assert cls.__doc__

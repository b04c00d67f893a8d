"""Cadence: when something is due."""

from typing import Any

import pytest

from artifact_fn.errors import FoldError
from artifact_fn.folds.cadence import any_of, every, first, last


def test_cadences_are_functions_of_the_index() -> None:
    due = any_of(first(), every(4), last(10))
    assert [i for i in range(1, 13) if due(i)] == [1, 4, 8, 10, 12]
    assert not any(any_of()(i) for i in range(1, 5))


@pytest.mark.parametrize("make", [every, last])
@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_cadence_counts_from_one(make: Any, n: Any) -> None:
    with pytest.raises(FoldError, match=r"a cadence counts epochs from 1; got .*; give a whole"):
        make(n)

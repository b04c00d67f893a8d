"""Streams of epochs made of numbers, for tests of folds."""

from collections.abc import Iterable

from artifact_fn.folds import Epoch


def of_scores(name: str, values: Iterable[float | None]) -> list[Epoch[None]]:
    """One epoch for each value; None leaves the score out."""
    return [
        Epoch(index, None, {} if value is None else {name: value})
        for index, value in enumerate(values, 1)
    ]

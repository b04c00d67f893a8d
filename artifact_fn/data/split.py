"""Split: what a part of the data is for, and the prefix of its scores."""

from enum import StrEnum


class Split(StrEnum):
    """The usual parts. Any other string names a part of its own.

    Example:
        >>> f"{Split.VALIDATION}/loss"
        'val/loss'
    """

    TRAIN = "train"
    VALIDATION = "val"
    TEST = "test"

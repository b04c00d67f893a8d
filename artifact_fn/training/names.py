"""Names: what artifact-torch calls the scores of a run."""

from collections.abc import Mapping

import pandas as pd

_SPLITS = {"train": "EPOCH", "val": "VAL", "validation": "VAL", "test": "TEST"}


def legacy_names(history: pd.DataFrame, splits: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A history under artifact-torch's names, for those who compare runs.

    `split/name` becomes `NAME_SUFFIX`. What is measured while training has the suffix `EPOCH`; a
    suffix that is there already is not repeated.

    Args:
        history: With columns `split/name`.
        splits: Suffixes of further splits, or other ones; a split that is in none of them is its
            own in capitals.

    Example:
        >>> scores = pd.DataFrame({"train/loss": [0.5], "val/loss": [0.25], "fold_3/f1": [1.0]})
        >>> list(legacy_names(scores).columns)
        ['LOSS_EPOCH', 'LOSS_VAL', 'F1_FOLD_3']
    """
    known = {**_SPLITS, **(splits or {})}

    def renamed(column: str) -> str:
        split, _, name = column.partition("/")
        suffix = known.get(split, split.upper())
        own = name.upper().replace("/", "_")
        return own if own.endswith(f"_{suffix}") else f"{own}_{suffix}"

    return history.rename(columns=renamed)

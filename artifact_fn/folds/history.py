"""History: one row an epoch, as a pandas DataFrame."""

from typing import Any

import pandas as pd

from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold

Row = tuple[int, tuple[tuple[str, float], ...]]
"""An epoch's index and its scores, as plain values that can be saved and compared."""


def history() -> Fold[Epoch[Any], tuple[Row, ...], pd.DataFrame]:
    """Every score of every epoch.

    Answers a DataFrame of float64 with the index `epoch`, a column a score in the order of
    their first appearance, NaN where a score was absent.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(history(), [Epoch(1, None, {"train/loss": 0.5}), Epoch(2, None, {"val/loss": 0.25})])
               train/loss  val/loss
        epoch
        1             0.5       NaN
        2             NaN      0.25
    """

    def init() -> tuple[Row, ...]:
        return ()

    def step(rows: tuple[Row, ...], epoch: Epoch[Any]) -> tuple[Row, ...]:
        return (*rows, (epoch.index, tuple(epoch.scores.items())))

    def extract(rows: tuple[Row, ...]) -> pd.DataFrame:
        names = dict.fromkeys(name for _, scores in rows for name, _ in scores)
        index = pd.Index([epoch for epoch, _ in rows], name="epoch", dtype="int64")
        records = [dict(scores) for _, scores in rows]
        columns = {name: [r.get(name, float("nan")) for r in records] for name in names}
        return pd.DataFrame(columns, index=index, dtype="float64")

    return Fold(init, step, extract)

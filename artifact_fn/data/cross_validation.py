"""Cross-validation: splits of a table, all of one size."""

from collections.abc import Sequence

import numpy as np
import torch

from artifact_fn import random, threefry, tree
from artifact_fn.data.table import Table
from artifact_fn.errors import DataError


def cross_validation(
    table: Table, splits: int, *, seed: int = 0, stratify: str | None = None
) -> Sequence[tuple[Table, Table]]:
    """Training and validation rows of each split of a k-fold cross-validation.

    All splits are of one size, so that they can be trained together: each row is validated in
    one split at most, and the rest of a division, fewer rows than splits, in none.

    Args:
        table: Its rows are copied, into each training table but one of them.
        splits: How many, at least 2.
        seed: Of the order in which rows are dealt.
        stratify: A column [N] whose values are dealt evenly, such as a class.

    Raises:
        DataError: there are fewer rows than splits or fewer than 2 splits; no such column.

    Example:
        >>> parts = cross_validation(Table({"x": torch.arange(10)}), 5)
        >>> [(len(train), len(val)) for train, val in parts][0]
        (8, 2)
        >>> sorted(row for _, val in parts for row in val["x"].tolist()) == list(range(10))
        True
    """
    if isinstance(splits, bool) or not isinstance(splits, int) or not 2 <= splits <= len(table):
        raise DataError(
            "a table is split in 2 parts at least, of 1 row at least",
            got=f"splits={splits!r} for {len(table)} rows",
            do="give e.g. 5",
        )
    order = threefry.permuted(random.key(seed), len(table)).numpy()
    if stratify is not None:
        column = table[stratify]
        if not isinstance(column, torch.Tensor) or column.ndim != 1:
            raise DataError(
                "rows are dealt evenly by a column of one value a row",
                got=f"stratify={stratify!r}",
                do="name a column [N], such as the class",
            )
        order = order[np.argsort(column.cpu().numpy()[order], kind="stable")]
    size = len(table) // splits
    found = []
    for split in range(splits):
        validated = order[split::splits][:size]
        rest = np.setdiff1d(np.arange(len(table)), validated)
        found.append(tuple(_rows(table, np.sort(rows)) for rows in (rest, validated)))
    return [(train, val) for train, val in found]


def _rows(table: Table, rows: np.ndarray) -> Table:
    index = torch.from_numpy(rows).to(table.device)
    return tree.replace(table, columns=table.rows(index))

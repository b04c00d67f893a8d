"""Memmap: batches of arrays that stay on disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn import tree
from artifact_fn.data.columns import DTYPES, by_name, no_number
from artifact_fn.data.order import Order
from artifact_fn.errors import DataError


@attrs.frozen(eq=False)
class Mapped:
    """Batches of the rows of arrays that may be larger than memory; see `from_npy`.

    Attributes:
        arrays: By name: arrays [N, ...], or dicts and tuples of them.
        rows: Which of them make which batch.

    Example:
        >>> source = Mapped({"x": np.zeros((5, 2))}, Order(5, 2))
        >>> source.steps, next(source.batches(None, epoch=1))["x"].shape
        (3, torch.Size([2, 2]))
    """

    arrays: dict[str, Any]
    rows: Order

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.rows.steps

    @property
    def resumable(self) -> bool:
        """True: an epoch is read from any batch on, without reading those before it."""
        return True

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[dict[str, Any]]:
        """The batches of an epoch from batch `start` on, on the CPU.

        Raises:
            DataError: `key` is no key, `epoch` no index, or there is no batch `start`.
        """
        rows = self.rows.batches(key, epoch, start)
        return (_gathered(self.arrays, some.numpy()) for some in rows)


def from_npy(
    files: Mapping[str, Any], batch_size: int, *, shuffle: bool = True, drop_last: bool = False
) -> Mapped:
    """A source of `.npy` files that are mapped, not read: only a batch at a time is in memory.

    Batches and their order are those of a `Loader` over a `Table` of the same arrays, bit for
    bit, except that nothing looks for NaN or infinity: that would read everything. In memory are
    the order of an epoch (8 bytes a row) and one batch.

    Args:
        files: Paths by name, or arrays (e.g. of `numpy.memmap` or `numpy.lib.format.open_memmap`),
            or dicts and tuples of them. The files are not to be changed while they are read.
        batch_size: Rows a batch, at least 1; the last one may be shorter.
        shuffle: Whether rows come in a new random order each epoch. Reading rows all over a
            file that does not fit in memory is slow on disks that turn.
        drop_last: Whether a short last batch is left out of an epoch of training; evaluation and
            prediction read all rows.

    Raises:
        DataError: a file is not there or holds no array, lengths differ, an array is neither
            numbers nor booleans, or as in `Loader`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/x.npy", np.arange(6.0).reshape(3, 2))
        ...     source = from_npy({"x": f"{folder}/x.npy"}, batch_size=2, shuffle=False)
        ...     [batch["x"].tolist() for batch in source.batches(None, epoch=1)]
        [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]
    """
    if not isinstance(files, Mapping):
        raise DataError(
            "arrays are given by name",
            got=f"a {type(files).__name__}",
            do="name them: from_npy({'x': 'x.npy', 'y': 'y.npy'}, batch_size=64)",
        )
    arrays = {name: _nested(name, part) for name, part in by_name(files).items()}
    lengths = {path: len(array) for path, array in tree.paths(arrays).items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(
            "arrays have rows, as many as each other",
            got=", ".join(f"{path!r}: {length} rows" for path, length in lengths.items()) or "none",
            do="give at least one, all of the same length",
        )
    rows = next(iter(lengths.values()))
    return Mapped(arrays, Order(rows, batch_size, shuffle=shuffle, drop_last=drop_last))


def _nested(path: str, values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _nested(f"{path}/{name}", part) for name, part in by_name(values).items()}
    if isinstance(values, tuple):
        parts = [_nested(f"{path}/{i}", part) for i, part in enumerate(values)]
        return getattr(type(values), "_make", tuple)(parts)
    return _checked(path, values if isinstance(values, np.ndarray) else _opened(path, values))


def _opened(path: str, file: Any) -> NDArray[Any]:
    if not isinstance(file, str | Path):
        raise DataError(
            f"the column {path!r} is neither a file nor an array",
            got=f"a {type(file).__name__}",
            do="give the path of a .npy file, or a numpy array",
        )
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(
            f"the column {path!r} cannot be mapped",
            got=f"{str(file)!r}: {cause}",
            do="write it with numpy.save(path, array), of numbers or booleans",
        ) from cause
    if not isinstance(found, np.ndarray):
        found.close()
        raise DataError(
            f"the column {path!r} cannot be mapped",
            got=f"{str(file)!r}, an archive of arrays",
            do="save each array by itself, with numpy.save",
        )
    return found


def _checked(path: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 0:
        raise DataError(f"the column {path!r} has no rows", got="a single number", do="give rows")
    if array.dtype.kind not in DTYPES:
        raise no_number(path, array.dtype, array.flat[0] if array.size else None)
    if array.dtype == np.uint64:
        raise DataError(
            f"the column {path!r} may have integers beyond int64",
            got="dtype uint64",
            do="save it as int64",
        )
    return array.view(np.ndarray)  # a plain one: numpy.memmap costs more at every access


def _gathered(arrays: dict[str, Any], rows: NDArray[np.int64]) -> dict[str, Any]:
    # In the order of the file, so that the disk is read forwards and no page twice; the
    # assignment puts the rows where they belong and casts them.
    places = np.argsort(rows)
    forwards = rows[places]

    def some(array: NDArray[Any]) -> Tensor:
        batch = np.empty((len(rows), *array.shape[1:]), dtype=DTYPES[array.dtype.kind])
        with np.errstate(over="ignore"):  # as in a table
            batch[places] = array[forwards]
        return torch.from_numpy(batch)

    gathered: dict[str, Any] = tree.map(some, arrays)
    return gathered

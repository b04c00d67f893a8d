"""Memmap: arrays on disk, a batch at a time."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact_fn import random, tree
from artifact_fn.data import Loader, Table, from_npy
from artifact_fn.errors import DataError

KEY, ROWS = random.key(3), 17


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", ">f8", "int8", "uint8", "uint32", "bool", "longdouble"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_are_those_of_a_table(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(np.arange(ROWS * 6).reshape(ROWS, 2, 3) % 7, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    mapped = from_npy({"x": tmp_path / "x.npy", "y": (array, {"z": array[::-1]})}, 4)
    table = Table({"x": array, "y": (array, {"z": array[::-1]})})
    for key in (KEY, None):
        ours, theirs = mapped.batches(key, 1), Loader(table, 4).batches(key, 1)
        assert tree.identical(list(ours), list(theirs))


def test_files_are_not_changed_by_what_is_done_with_batches(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(ROWS))
    before = (tmp_path / "x.npy").read_bytes()
    for batch in from_npy({"x": tmp_path / "x.npy"}, 4).batches(KEY, 1):
        batch["x"].zero_()
    assert (tmp_path / "x.npy").read_bytes() == before


def test_numbers_that_are_not_finite_are_not_looked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([np.nan, 1e300]))
    [batch] = from_npy({"x": tmp_path / "x.npy"}, 2, shuffle=False).batches(None, 1)
    assert str(batch["x"].tolist()) == "[nan, inf]"


SPARSE, LIMIT = 4 * 2**30, 3 * 2**30
PROGRAM = f"""
import resource, sys
import numpy as np
from artifact_fn import random
from artifact_fn.data import from_npy

source = from_npy({{"x": sys.argv[1]}}, batch_size=8)
resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT}, {LIMIT}))
batches = source.batches(random.key(0), 1)
print([tuple(next(batches)["x"].shape) for _ in range(3)])
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="needs a limit on memory")
def test_an_array_may_be_larger_than_memory(tmp_path: Path) -> None:
    # A file of holes: 4 GB to read, next to nothing on disk. The limit does not count maps of
    # files, and a program that read the array would run into it.
    file = tmp_path / "x.npy"
    rows = SPARSE // 4096 // 4
    np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, 4096))
    read = PROGRAM.replace("source.batches(random.key(0), 1)", "np.load(sys.argv[1])")
    broken = subprocess.run([sys.executable, "-c", read, str(file)], capture_output=True, text=True)
    assert "MemoryError" in broken.stderr
    whole = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True
    )
    assert whole.stdout.strip() == "[(8, 4096), (8, 4096), (8, 4096)]", whole.stderr


def archive(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=np.zeros(2))
    return folder / "x.npz"


def objects(folder: Path) -> Path:
    np.save(folder / "o.npy", np.array(["a", None], dtype=object), allow_pickle=True)
    return folder / "o.npy"


def text(folder: Path) -> Path:
    (folder / "t.npy").write_text("1, 2, 3")
    return folder / "t.npy"


def cut(folder: Path) -> Path:
    np.save(folder / "c.npy", np.zeros(100))
    (folder / "c.npy").write_bytes((folder / "c.npy").read_bytes()[:300])
    return folder / "c.npy"


def empty(folder: Path) -> Path:
    (folder / "e.npy").touch()
    return folder / "e.npy"


BAD: dict[str, tuple[Any, str]] = {
    "no file": (lambda f: {"x": f / "x.npy"}, r"the column 'x' cannot be mapped; got '.*x\.npy'.*No"),
    "an archive": (lambda f: {"x": archive(f)}, r"'x' cannot be mapped; .*, an archive of arrays; s"),
    "objects": (lambda f: {"x": objects(f)}, r"the column 'x' cannot be mapped; .*; write it with"),
    "text": (lambda f: {"x": text(f)}, r"the column 'x' cannot be mapped; .*t\.npy"),
    "cut off": (lambda f: {"x": cut(f)}, r"the column 'x' cannot be mapped; .*c\.npy"),
    "empty": (lambda f: {"x": empty(f)}, r"the column 'x' cannot be mapped; .*e\.npy"),
    "a folder": (lambda f: {"x": f}, r"the column 'x' cannot be mapped; .*directory"),
    "a number": (lambda f: {"x": {"a": 7}}, r"'x/a' is neither a file nor an array; got a int; give"),
    "a tensor": (lambda f: {"x": torch.zeros(2)}, r"neither a file nor an array; got a Tensor"),
    "no rows": (lambda f: {"x": np.array(1.0)}, r"the column 'x' has no rows; got a single number"),
    "none": (lambda f: {}, r"arrays have rows, as many as each other; got none; give at least one"),
    "empty array": (lambda f: {"x": np.zeros((0, 2))}, r"have rows, .*; got 'x': 0 rows"),
    "ragged": (lambda f: {"x": np.zeros(2), "y": np.zeros(3)}, r"got 'x': 2 rows, 'y': 3 rows"),
    "words": (lambda f: {"x": np.array(["a"])}, r"the column 'x' is neither numbers nor booleans"),
    "complex": (lambda f: {"x": np.array([1j])}, r"but complex numbers; got dtype complex128"),
    "beyond int64": (lambda f: {"x": np.zeros(2, np.uint64)}, r"beyond int64; got dtype uint64; save"),
    "no names": (lambda f: [f / "x.npy"], r"arrays are given by name; got a list; name them"),
    "a name that is no str": (lambda f: {1: np.zeros(2)}, r"a column's name is a str; got 1"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_mapped_is_refused(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_npy(files(tmp_path), 2)


def test_batches_have_rows() -> None:
    with pytest.raises(DataError, match=r"a batch has at least 1 row; got batch_size=0"):
        from_npy({"x": np.zeros(2)}, 0)
    with pytest.raises(DataError, match=r"would drop every row; got batch_size=3 for 2 rows"):
        from_npy({"x": np.zeros(2)}, 3, drop_last=True)

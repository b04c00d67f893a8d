"""Checkpoints: whole, in order, and every damaged byte noticed."""

import errno
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from artifact_fn.errors import DataError
from artifact_fn.runs.faults import Damaged, Storage
from artifact_fn.runs.storage import checkpoint, files
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.runs.storage.sealed import seal
from tests.runs.storage.values import Kept, same

VALUE = {"state": {"w": torch.arange(3.0), "b": torch.tensor(2)}, "carry": (Kept(0.5, 1), None)}
MARK = Mark(1, 10)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_checkpoint_is_restored_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "a" / "checkpoints"
    path = checkpoint.save(root, MARK, VALUE, about={"epoch": 1})
    assert path == root / "00000001-000000000010"
    assert same(checkpoint.load(root, MARK), VALUE)
    assert checkpoint.described(root, MARK)["about"] == {"epoch": 1}
    assert sorted(p.name for p in path.iterdir()) == [
        "manifest.json", "tensors.safetensors", "value.json",
    ]  # fmt: skip
    checkpoint.save(root, MARK, {"x": 1})
    assert checkpoint.load(root, MARK) == {"x": 1}


def test_every_byte_counts(tmp_path: Path) -> None:
    """Also found by this test: a manifest without a check of its own; hashes of tensors alone."""
    path = checkpoint.save(tmp_path, MARK, VALUE)
    missed = tried = 0
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for i in range(len(data)):
            for bit in (0, 6):
                file.write_bytes(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :])
                tried += 1
                try:
                    checkpoint.load(tmp_path, MARK)
                except Damaged as fault:
                    missed += fault.path != file
                else:
                    missed += 1
        for end in range(0, len(data), 7):
            file.write_bytes(data[:end])
            with pytest.raises(Damaged):
                checkpoint.load(tmp_path, MARK)
        for other in (data + b"\0", b"\0" * len(data), data[: len(data) // 2] * 2):
            file.write_bytes(other)
            with pytest.raises(Damaged):
                checkpoint.load(tmp_path, MARK)
        file.unlink()
        with pytest.raises(Damaged, match="no such file"):
            checkpoint.load(tmp_path, MARK)
        copy = tmp_path / "copy"
        copy.write_bytes(data)
        file.symlink_to(copy)
        with pytest.raises(Damaged, match="a link"):
            checkpoint.load(tmp_path, MARK)
        file.unlink()
        file.write_bytes(data)
    assert tried > 1000
    assert missed == 0
    assert same(checkpoint.load(tmp_path, MARK), VALUE)


def test_the_harness_above_fails_for_torch_save(tmp_path: Path) -> None:
    """The broken build: torch's own files, which it reads without looking at their checksums."""
    path = tmp_path / "x.pt"
    torch.save(VALUE["state"], path)
    data, silent = path.read_bytes(), 0
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        try:
            torch.load(path, weights_only=True)
        except Exception:
            continue
        silent += 1
    assert silent > len(data) / 2


def test_the_newest_sound_one_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, Mark(step // 10, step), {"step": step})
    (tmp_path / "00000009-junk").mkdir()
    assert checkpoint.marks(tmp_path) == [Mark(1, 10), Mark(2, 20), Mark(3, 30)]
    (tmp_path / Mark(3, 30).name / "value.json").write_bytes(b"{}")
    found, wrong = checkpoint.newest(tmp_path)
    assert found == (Mark(2, 20), {"step": 20})
    assert [str(fault.path.relative_to(tmp_path)) for fault in wrong] == [
        f"{Mark(3, 30).name}/value.json"
    ]
    assert "2 bytes instead of" in str(wrong[0])
    found, wrong = checkpoint.newest(tmp_path, accept=lambda mark: mark.epoch < 2)
    assert found is not None
    assert (found[0], wrong) == (Mark(1, 10), [])
    assert checkpoint.newest(tmp_path / "none") == (None, [])


def test_checkpoints_exchanged_are_noticed(tmp_path: Path) -> None:
    one, two = (checkpoint.save(tmp_path, Mark(i, i), {"i": i}) for i in (1, 2))
    (one / "value.json").rename(tmp_path / "x")
    (two / "value.json").rename(one / "value.json")
    (tmp_path / "x").rename(two / "value.json")
    assert checkpoint.newest(tmp_path)[0] is None
    shutil.rmtree(one)
    checkpoint.save(tmp_path, Mark(3, 3), {"i": 3}).rename(one)
    with pytest.raises(Damaged, match=r"the manifest of 00000003-000000000003"):
        checkpoint.load(tmp_path, Mark(1, 1))


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, MARK, {})
    manifest = checkpoint.described(tmp_path, MARK)
    (path / "manifest.json").write_bytes(seal({**manifest, "format": 2})[0])
    with pytest.raises(DataError, match=r"a later version; got format 2, where 1 is the latest"):
        checkpoint.load(tmp_path, MARK)


def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be saved"):
        checkpoint.save(tmp_path / "c", MARK, {"f": len})
    assert not (tmp_path / "c").exists()


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, MARK, {})
    (tmp_path / ".aside-1").mkdir()
    (tmp_path / ".aside-1" / "x").write_bytes(b"")
    checkpoint.clean(tmp_path)
    assert os.listdir(tmp_path) == [MARK.name]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB, where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(where)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def refused(root: Path, big: Any) -> int:
    """Save what fits, then what does not: the cause, with the first one left whole."""
    checkpoint.save(root, MARK, VALUE)
    before = contents(root)
    with pytest.raises(Storage) as fault:
        checkpoint.save(root, Mark(2, 20), big)
    assert contents(root) == before
    assert os.listdir(root) == [MARK.name]
    assert same(checkpoint.load(root, MARK), VALUE)
    assert str(root) in str(fault.value)
    return fault.value.errno


def test_a_full_disk_leaves_what_there_was(small_disk: Path) -> None:
    root = small_disk / "checkpoints"
    assert refused(root, {"w": torch.zeros(100_000)}) == errno.ENOSPC
    checkpoint.save(root, Mark(3, 30), VALUE)  # once there is room again


def test_a_file_too_large_leaves_what_there_was(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # Python ignores SIGXFSZ
    try:
        assert refused(tmp_path / "c", {"w": torch.zeros(100_000)}) == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_too_many_open_files_leave_what_there_was(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, MARK, VALUE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(Storage) as fault:
            checkpoint.save(tmp_path, Mark(2, 20), VALUE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert fault.value.errno == errno.EMFILE
    assert os.listdir(tmp_path) == [MARK.name]


def test_a_document_is_readable(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, MARK, {"epoch": 3, "loss": 0.5})
    assert json.loads(files.read(path / "value.json")) == {"dict": [["epoch", 3], ["loss", 0.5]]}


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"dict":' * 50_000,
        '{"tensor":"t9"}',
        '{"int":"x"}',
        '{"array":"t0","dtype":"O","shape":[1]}',
        '{"array":{"bytes":"00"},"dtype":"|u1","shape":[99999999999]}',
        '{"enum":"tests.runs.storage.values:Phase","name":"HOT"}',
        '{"dict":[[{"list":[]},1]]}',
        '{"complex":3}',
        "",
        "\u0000",
    ],
)
def test_a_document_that_somebody_has_made_up_is_refused(document: str, tmp_path: Path) -> None:
    """With digests that agree; it runs no code, and takes no memory for what is not there."""
    path = checkpoint.save(tmp_path, MARK, {"w": torch.ones(2)})
    manifest = checkpoint.described(tmp_path, MARK)
    (path / "value.json").write_text(document)
    data = document.encode()
    manifest["files"]["value.json"] = {"size": len(data), "sha256": files.digest(data)}
    (path / "manifest.json").write_bytes(seal(manifest)[0])
    with pytest.raises(Damaged, match=r"value.json is damaged; got a document that makes no sense"):
        checkpoint.load(tmp_path, MARK)

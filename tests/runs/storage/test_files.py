"""Files, names, sealed records and locks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.runs.faults import Damaged, Locked, Storage
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.storage.names import divided, safe
from artifact_fn.runs.storage.sealed import BrokenError, seal, unseal


def test_a_file_is_written_once_and_read_back(tmp_path: Path) -> None:
    content = files.write(tmp_path / "a", [b"ab", memoryview(b"c")])
    assert (content.size, content.sha256) == (3, files.digest(b"abc"))
    assert files.read(tmp_path / "a") == b"abc"
    with pytest.raises(Storage, match=r"a could not be written or read; got File exists \("):
        files.write(tmp_path / "a", [b"x"])
    files.replace(tmp_path / "a", b"new")
    assert files.read(tmp_path / "a") == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_links_directories_and_nothing_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Damaged, match=r"link is damaged; got a link to another file; restore"):
        files.read(tmp_path / "link")
    with pytest.raises(Damaged, match=r"got no such file"):
        files.read(tmp_path / "none")
    with pytest.raises(Storage) as fault:
        files.read(tmp_path)
    assert fault.value.errno == errno.EISDIR


def test_a_full_device_is_named_with_its_cause() -> None:
    handle = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Storage) as fault, files.told(Path("/dev/full")):
        files.put(handle, b"x")
    os.close(handle)
    assert fault.value.errno == errno.ENOSPC
    assert "No space left on device" in str(fault.value)
    assert "bytes are free" in str(fault.value)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "/etc/passwd", "..\\x", "%2e%2e", "a/b", "a\0b", "x.", "x ", " x",
        "CON", "con.png", "lpt1", "naïve", "nai\u0308ve", "x" * 300, "😀", "\u202ex", "a~b", "-",
        "\ud800", "~", ".hidden", "a\nb",
    ],
)  # fmt: skip
def test_a_name_cannot_leave_its_directory(name: str, tmp_path: Path) -> None:
    found = safe(name)
    assert "~" in found or name == "-"
    path = tmp_path / found
    path.write_bytes(b"")
    assert [p.name for p in tmp_path.iterdir()] == [found]
    assert path.resolve().parent == tmp_path.resolve()
    assert len(found.encode()) < 100
    assert found.isascii()


@pytest.mark.parametrize("name", ["ROC_AUC", "loss", "a.b-c_d", "x" * 100, "0"])
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert safe(name) == name


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_two_names_share_a_file(a: str, b: str) -> None:
    assert (safe(a) == safe(b)) == (a == b)
    assert safe(safe(a)) != safe(a) or safe(a) == a


def test_names_are_divided_at_the_first_slash() -> None:
    assert divided("val/a/b") == ("val", "a/b")


@given(
    st.dictionaries(
        st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_a_sealed_record_opens_to_what_it_was(record: dict[str, object]) -> None:
    line, check = seal(record, after="x")
    assert unseal(line, after="x") == (record, check)
    assert line.count(b"\n") == 1


def test_every_byte_of_a_sealed_record_counts() -> None:
    line, _ = seal({"epoch": 1, "loss": 0.5})
    for i in range(len(line)):
        for bit in range(8):
            flipped = bytearray(line)
            flipped[i] ^= 1 << bit
            with pytest.raises(BrokenError):
                unseal(bytes(flipped))
    for other in (b"", b"{}", line[:-1], line + b" ", b" " + line, line + line):
        with pytest.raises(BrokenError):
            unseal(other)
    with pytest.raises(BrokenError, match="does not agree with its check"):
        unseal(line, after="another")


HOLDER = """
import sys
from pathlib import Path
from artifact_fn.runs.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    told = rf"in use by another process; got pid {holder.pid} on "
    with pytest.raises(Locked, match=told), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    me = rf"pid {os.getpid()} on "
    # It has died with its holder; and holds within a process, too.
    with locked(tmp_path), pytest.raises(Locked, match=me), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_one_may_wait_for_a_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    holder.stdin.close()  # it ends by itself, whenever that is
    with locked(tmp_path, wait=True):
        pass
    holder.wait()
    holder.stdout.close()

"""The journal: what was acknowledged is never lost, a torn end is dropped, damage refused."""

import json
from pathlib import Path

import pytest

from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage.journal import Journal, read

RECORDS = [{"kind": "epoch", "epoch": i, "scores": {"train/loss": 1 / i}} for i in (1, 2, 3)]


def written(path: Path) -> bytes:
    journal = Journal(path)
    journal.append(RECORDS[:1])
    journal.append(RECORDS[1:])
    journal.close()
    return path.read_bytes()


def test_what_was_appended_is_read_back_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert read(path).records == ()
    data = written(path)
    assert [json.loads(line)["record"] for line in data.splitlines()] == RECORDS
    journal = Journal(path)
    assert journal.records == RECORDS
    journal.append([{"kind": "stop"}])
    journal.close()
    assert read(path).records == (*RECORDS, {"kind": "stop"})
    assert path.read_bytes().startswith(data)


def test_a_torn_end_is_dropped_and_said_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = written(path)
    start = data.rfind(b"\n", 0, -1) + 1
    for end in range(start + 1, len(data)):
        for tail in (b"", b"\0" * 5):
            path.write_bytes(data[:end] + tail)
            with pytest.warns(UserWarning, match="the last record was torn by a crash"):
                journal = Journal(path)
            assert journal.records == RECORDS[:2]
            journal.append(RECORDS[2:])
            journal.close()
            assert path.read_bytes() == data


def test_damage_before_the_end_is_refused_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = written(path)
    start = data.rfind(b"\n", 0, -1) + 1
    for i in range(start):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        with pytest.raises(Damaged, match=r"journal.jsonl is damaged; got .* in line [12]; rest"):
            Journal(path)
    lines = data.splitlines(keepends=True)
    for missing in (lines[1:], [lines[0], lines[2]], [lines[1], lines[0], lines[2]]):
        path.write_bytes(b"".join(missing))
        if len(missing) == 2 and missing[0] == lines[0]:
            assert read(path).torn == len(lines[2])  # the last line, which follows another
        else:
            with pytest.raises(Damaged):
                read(path)

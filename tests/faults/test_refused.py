"""A disk that refuses: a fault with path and cause, nothing lost, nothing left lying about."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifact_fn.runs import Damaged
from artifact_fn.runs.storage import checkpoint
from tests.faults.conftest import ROOT, Server
from tests.faults.test_kill import calls, finished, same, whole


def refused(server: Server, root: Path, points: list[tuple[int, int, bool]]) -> list[str]:
    """Let a call fail, then all be well again: what went otherwise than promised."""
    expected = whole(server, root / "whole")
    wrong = []
    for call, error, for_ever in points:
        at, name = root / f"{call}-{error}-{for_ever}", f"call {call}, errno {error}, {for_ever}"
        told = server(at, call=call, when="error", error=error, for_ever=for_ever)["told"]
        if told.get("fault") == "Storage":
            fine = told["errno"] == error and told["path"].startswith(str(root))
            fine = fine and os.strerror(error) in told["message"]
        else:  # what was refused was not needed
            fine = "left" in told and same(told, expected) and not for_ever
        if not fine:
            wrong.append(f"{name}: {told}")
        kept = checkpoint.marks(at / "checkpoints")
        wrong += [f"{name}: {m.name} is lost" for m in kept if not sound(at, m)]
        # What could not be removed is still there; the next process tries again.
        litter = [p.name for p in at.rglob("*aside*") if "aside-old" not in p.name]
        if litter and not for_ever:
            wrong.append(f"{name}: left {litter}")
        if not same(finished(server, at), expected):
            wrong.append(f"{name}: another end")
    return wrong


def sound(root: Path, mark: Any) -> bool:
    try:
        checkpoint.load(root / "checkpoints", mark)
    except Damaged:
        return False
    return True


def test_a_call_that_is_refused(server: Server, root: Path) -> None:
    seen = calls(server, root / "calls")
    points = []
    for kind in dict.fromkeys(seen):
        at = [i for i, name in enumerate(seen) if name == kind]
        points += [(at[0], errno.EIO, True), (at[len(at) // 2], errno.ENOSPC, False)]
    assert refused(server, root, points) == []


@pytest.mark.campaign
def test_every_call_is_refused_once_and_for_ever(server: Server, root: Path) -> None:
    seen = calls(server, root / "calls")
    points = [
        (call, error, for_ever)
        for call in range(len(seen))
        for error in (errno.ENOSPC, errno.EROFS)
        for for_ever in (False, True)
    ]
    assert refused(server, root, points) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KB, where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(where)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_disk_that_fills_up_and_is_emptied(server: Server, disk: Path, root: Path) -> None:
    expected = whole(server, root / "whole")
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(b"\0" * 450_000)
    told = server(disk / "run")["told"]
    assert (told["fault"], told["errno"]) == ("Storage", errno.ENOSPC)
    assert "No space left on device (" in told["message"]
    (disk / "ballast").unlink()
    assert same(finished(server, disk / "run"), expected)


def test_a_disk_that_is_read_only(server: Server, disk: Path) -> None:
    remount = ["mount", "-o", "remount,ro", str(disk)]
    subprocess.run(remount, check=True)
    told = server(disk / "run")["told"]
    assert (told["fault"], told["errno"]) == ("Storage", errno.EROFS)
    assert told["path"] == str(disk / "run")


PROGRAM = """
import sys
from tests.runs.examples import experiment, fault, left, done
from artifact_fn.runs import resume, run
from artifact_fn.training.stream import Advance
from artifact_fn.folds import at_most
import attrs

def shown(stream):
    def events():
        for event in stream.events():
            print("event", flush=True)
            yield event
    return attrs.evolve(stream, events=events)

outcome = run(experiment(until=at_most(10**9)), sys.argv[1], show=shown)
why = fault(outcome)
print(type(why).__name__, why.epoch, why.cursor, flush=True)
sys.exit(why.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_real_signal_ends_a_process_with_its_code(number: int, root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(7):
        assert process.stdout.readline() == "event\n"
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert rest.splitlines()[-1].startswith("Interrupted")
    kept = checkpoint.marks(root / "run" / "checkpoints")
    assert sound(root / "run", kept[-1])


RACE = """
import os, sys, warnings
import torch
torch.set_num_threads(1)
from pathlib import Path
from tests.runs.examples import experiment, fault, left, done
from artifact_fn.runs import run
from returns.pipeline import is_successful
given = experiment()
given.fit()
start, go = os.pipe()
pids = []
for i in range(6):
    pid = os.fork()
    if not pid:
        os.close(go)
        os.read(start, 1)  # ends for all of them at once
        where = sys.argv[1] if sys.argv[2] == "one" else f"{sys.argv[1]}/{i}"
        outcome = run(given, where)
        if is_successful(outcome):
            os._exit(0 if left(done(outcome)) == left(given.fit()) else 9)
        os._exit({"Locked": 1, "Occupied": 2}.get(type(fault(outcome)).__name__, 8))
    pids.append(pid)
os.close(start)
os.close(go)
print(*sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids))
"""


@pytest.mark.parametrize("where", ["one", "each"])
def test_processes_that_begin_at_once(where: str, root: Path) -> None:
    """In one directory, one of them runs; each in its own, all of them do."""
    found = subprocess.run(
        [sys.executable, "-c", RACE, str(root / "run"), where],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    codes = [int(code) for code in found.stdout.split()]
    if where == "each":
        assert codes == [0] * 6
    else:
        assert codes[0] == 0
        assert set(codes[1:]) <= {1, 2}

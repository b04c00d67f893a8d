"""Distributed: runs of several processes that are killed, hang, and go on with others."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from artifact_fn import tree
from artifact_fn.runs import load_run
from artifact_fn.runs.distributed import load_shards, processes
from artifact_fn.runs.faults import Damaged
from artifact_fn.training.parallel import ALONE
from tests.runs.examples import done
from tests.runs.shards_worker import MARK, fresh
from tests.training.launched import ROOT, environment, free_port, launched

WORKER = "tests.runs.distributed_worker"


def ran(directory: Path, size: int, **options: Any) -> dict[str, Any]:
    """What rank 0 is left with."""
    told: dict[str, Any] = launched(WORKER, [str(directory), json.dumps(options)], size)[0]
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run of two processes that nothing happens to."""
    return ran(tmp_path_factory.mktemp("whole") / "run", 2)


@pytest.mark.parametrize("victim", [0, 1])
def test_killed_and_started_again_by_torchrun(
    tmp_path: Path, whole: dict[str, Any], victim: int
) -> None:
    """In the middle of the second epoch; one with the optimizer in shards, which is the same."""
    options = {"die": [victim, 2, 4], "shard": victim == 1}
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("--max-restarts=1", "-m", WORKER, str(tmp_path / "run"), json.dumps(options)),
    ]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(0, 1, free_port()), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert "Signal 9 (SIGKILL)" in ended.stderr or "exitcode: -9" in ended.stderr
    told = next(json.loads(x) for x in ended.stdout.splitlines() if '"rank": 0, "state"' in x)
    assert told == whole
    # Between the two attempts it was taken up in the epoch that was not finished.
    journal = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")
    assert re.search(r'"kind":"resumed".*"from":"00000001-0000000000(08|10)"', journal) or (
        '"resumed"' in journal and "00000001-" in journal
    )


def test_who_is_lost_is_named(tmp_path: Path) -> None:
    """Without torchrun, which would end the others before they could say much."""
    port, size = free_port(), 3
    options = json.dumps({"die": [1, 2, 3]})
    running = [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, str(tmp_path / "run"), options],
            cwd=ROOT,
            env=environment(rank, size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(size)
    ]
    told = [process.communicate(timeout=120)[0] for process in running]
    assert running[1].returncode == -signal.SIGKILL
    for rank in (0, 2):
        answer = json.loads(told[rank].strip().splitlines()[-1])
        assert answer["fault"] == "Lost"
        assert re.match(
            r"rank 1 has died; got no sign of life after step \d+; look at what", answer["message"]
        )
    assert '"kind":"fault"' in (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")
    assert done(load_run(tmp_path / "run")).stop is None


def test_who_hangs_is_named_with_its_step(tmp_path: Path) -> None:
    port = free_port()
    options = json.dumps({"hang": [1, 2, 3], "timeout": 4.0})
    running = [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, str(tmp_path / "run"), options],
            cwd=ROOT,
            env=environment(rank, 2, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        told = json.loads(running[0].communicate(timeout=120)[0].strip().splitlines()[-1])
    finally:
        running[1].kill()
        running[1].communicate()
    assert told["fault"] == "Stalled"
    assert told["message"].startswith(
        "rank 1 has kept the others waiting; got nothing from it after step 8 in 4 s; look for"
    )


def test_goes_on_with_another_number_of_processes(tmp_path: Path, whole: dict[str, Any]) -> None:
    """2, then 1, then 4: dropout draws otherwise, so no bit is the same, and all else fits."""
    two = ran(tmp_path / "run", 2, epochs=1, shard=True)
    one = ran(tmp_path / "run", 1, epochs=2, shard=True)
    four = ran(tmp_path / "run", 4, epochs=3, shard=True)
    assert [two["index"], one["index"], four["index"]] == [1, 2, 3]
    assert four["history"].splitlines()[:2] == whole["history"].splitlines()[:2]
    assert int(done(load_run(tmp_path / "run")).state.step) == 18


def test_shards_are_written_by_two_and_read_by_one_and_four(tmp_path: Path) -> None:
    two = launched("tests.runs.shards_worker", ["write", str(tmp_path)], 2)
    four = launched("tests.runs.shards_worker", ["read", str(tmp_path)], 4)
    assert all(told["same"] for told in (*two, *four))
    one = load_shards(tmp_path, MARK, fresh(ALONE), ALONE)
    digests = {told["digest"] for told in (*two, *four)}
    state = tree.replace(one, opt_state=one.opt_state)
    assert len(digests) == 1
    assert int(state.step) == 3
    assert two[0]["bytes"] > four[0]["bytes"]
    where = tmp_path / MARK.name
    assert {path.suffix for path in where.iterdir()} == {".safetensors", ".json"}
    assert not list(tmp_path.glob(".aside-*"))
    for path in sorted(where.iterdir()):
        data = path.read_bytes()
        for at in (0, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            with pytest.raises(Damaged, match=re.escape(str(path))):
                load_shards(tmp_path, MARK, fresh(ALONE), ALONE)
        path.unlink()
        with pytest.raises(Damaged, match="no such file"):
            load_shards(tmp_path, MARK, fresh(ALONE), ALONE)
        path.write_bytes(data)


def test_alone_there_is_nobody_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with processes() as here:
        assert here.mesh == ALONE
        assert here.why() is None
    assert not torch.distributed.is_initialized()
    assert "RANK" not in os.environ

"""Distributed: runs of several processes that are killed, hang, and go on with others."""

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from artifact_fn import optim, tree
from artifact_fn.errors import DataError, ParallelError
from artifact_fn.runs import load_run
from artifact_fn.runs.distributed import Processes, load_shards, processes, save_shards, together
from artifact_fn.runs.distributed.processes import PATIENCE
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage.journal import read
from artifact_fn.training import TrainState, functional, sequence
from artifact_fn.training.parallel import ALONE, Mesh, gathered, sharded
from tests.runs.examples import done, experiment
from tests.runs.shards_worker import MARK, fresh
from tests.training.launched import Launched, launched

WORKER = "tests.runs.distributed_worker"


def ran(directory: Path, size: int, **options: Any) -> dict[str, Any]:
    """What rank 0 is left with."""
    told: dict[str, Any] = launched(WORKER, [str(directory), json.dumps(options)], size)[0]
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run of two processes that nothing happens to."""
    return ran(tmp_path_factory.mktemp("whole") / "run", 2)


def test_who_is_lost_is_named(tmp_path: Path) -> None:
    """Without torchrun, which would end the others before they could say much."""
    options = json.dumps({"die": [[1, 2, 3]]})
    running = Launched(WORKER, [str(tmp_path / "run"), options], 3)
    assert running.ended(1).code == -signal.SIGKILL
    for rank in (0, 2):
        told = running.ended(rank).told
        assert told["fault"] == "Lost"
        assert re.match(
            r"rank 1 has died; got no sign of life after step \d+; look at what", told["message"]
        )
    records = read(tmp_path / "run" / "journal.jsonl").records
    assert records[-1]["kind"] == "fault"
    assert records[-1]["what"].startswith("rank 1 has died")


def test_who_hangs_is_named_with_its_step(tmp_path: Path) -> None:
    options = json.dumps({"hang": [[1, 2, 3]], "timeout": 4.0})
    running = Launched(WORKER, [str(tmp_path / "run"), options], 2)
    told = running.ended(0).told
    assert running.ended(1, patience=0.1).code is None
    assert told["fault"] == "Stalled"
    assert told["message"].startswith(
        "rank 1 has kept the others waiting; got nothing from it after step 8 in 4 s; look for"
    )


def test_goes_on_with_another_number_of_processes(tmp_path: Path, whole: dict[str, Any]) -> None:
    """2, 1, 4: dropout draws otherwise, so bits are not the same; everything else fits."""
    two = ran(tmp_path / "run", 2, epochs=1, shard=True)
    one = ran(tmp_path / "run", 1, epochs=2, shard=True)
    four = ran(tmp_path / "run", 4, epochs=3, shard=True)
    assert [two["index"], one["index"], four["index"]] == [1, 2, 3]
    assert four["history"].splitlines()[:2] == whole["history"].splitlines()[:2]
    assert int(done(load_run(tmp_path / "run")).state.step) == 18


def test_shards_go_from_two_to_one_to_four(tmp_path: Path) -> None:
    """And from two to four: what four read is what two wrote, and what one wrote after them."""
    worker, again = "tests.runs.shards_worker", tmp_path / "again"
    two = launched(worker, ["write", str(tmp_path)], 2)
    one = load_shards(tmp_path, MARK, fresh(ALONE), ALONE)
    save_shards(again, MARK, one, ALONE)
    four = launched(worker, ["read", str(again), str(tmp_path)], 4)
    assert all(all(told["same"]) for told in (*two, *four))
    whole = gathered(one, ALONE)
    assert {told["digest"] for told in (*two, *four)} == {tree.digest(whole)}
    assert int(one.step) == 3
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


def test_the_others_are_told_what_rank_0_has_met(tmp_path: Path) -> None:
    first = ran(tmp_path / "run", 1, epochs=1)
    assert first["index"] == 1
    options = [str(tmp_path / "run"), json.dumps({"epochs": 2, "seed": 1})]
    zero, one = launched(WORKER, options, 2)
    assert zero["fault"] == "Changed"
    assert one["fault"] == "Elsewhere"
    assert one["message"].startswith("the run has ended in rank 0; got the experiment has changed")


def test_shards_of_another_model_are_refused(tmp_path: Path) -> None:
    save_shards(tmp_path, MARK, fresh(ALONE), ALONE)
    with torch.random.fork_rng():
        model = functional(lambda: torch.nn.Linear(2, 2))
    state = TrainState.create(model, sharded(optim.sgd(0.1, momentum=0.9), ALONE), seed=0)
    with pytest.raises(
        DataError, match=r"does not fit; got params/weight: nothing saved, \[2, 2\]"
    ):
        load_shards(tmp_path, MARK, state, ALONE)


def test_the_optimizer_in_shards_is_the_experiments_own(tmp_path: Path) -> None:
    with processes() as here:
        other = sharded(optim.sgd(0.1, momentum=0.9), ALONE)
        with pytest.raises(ParallelError, match=r"is the experiment's own; got opt_state/.* only"):
            together(experiment(), tmp_path, here, optimizer=other)
        several = experiment(step=sequence(experiment().training_step()))
        with pytest.raises(ParallelError, match="in the place of another; got a step of several"):
            together(several, tmp_path, here, optimizer=other)
    assert not list(tmp_path.iterdir())


def test_the_store_is_kept_until_all_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torchrun it goes with rank 0, and the others may still look into it."""
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    stores: Any = torch.distributed
    store = stores.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    zero, one = (Processes(Mesh(rank, 2), "cpu", 9.0, store.clone()) for rank in (0, 1))
    with ThreadPoolExecutor(1) as pool:
        parting = pool.submit(zero.part)
        store.wait(["parted/0"])
        assert not parting.done()
        one.part()
        parting.result(PATIENCE)
    zero.close()
    one.close()


def test_alone_there_is_nobody_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with processes() as here:
        assert here.mesh == ALONE
        assert here.why() is None
    assert not torch.distributed.is_initialized()
    assert "RANK" not in os.environ

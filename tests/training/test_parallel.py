"""Parallel: k processes do what one does; what they cannot do is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import artifact_fn as af
from artifact_fn import optim
from artifact_fn.errors import OptimError, ParallelError
from artifact_fn.runs.storage.journal import read
from artifact_fn.training.parallel import ALONE, Mesh, data_parallel, sharded
from tests.training.launched import launched, under_torchrun

SAME = ("plain", "normed", "tiny", "watched", "dropping", "sharded", "in front")


@pytest.fixture(scope="module", params=[2, 4])
def found(request: pytest.FixtureRequest) -> tuple[int, Any]:
    size: int = request.param
    return size, launched("tests.training.parallel_cases", ["eager"], size)


def close(told: dict[str, Any]) -> bool:
    return bool(told["state"] <= 1e-5 and told["history"] <= 1e-5 and told["confusion"])


@pytest.mark.parametrize("case", SAME)
def test_together_is_alone(found: tuple[int, Any], case: str) -> None:
    for told in found[1]:
        assert close(told[case]), told[case]


def test_the_comparison_notices_other_masks(found: tuple[int, Any]) -> None:
    """A model that draws for each process is not the one that draws for the whole batch."""
    assert not any(close(told["wrong"]) for told in found[1])


def test_states_are_the_same_in_all_processes(found: tuple[int, Any]) -> None:
    assert len({told["unsynchronised"] for told in found[1]}) == 1


def test_each_process_holds_its_share(found: tuple[int, Any]) -> None:
    size, each = found
    for told in each:
        mine, whole = told["bytes"]
        assert mine <= whole / size * 1.01


def test_a_state_is_joined_and_spread(found: tuple[int, Any]) -> None:
    assert all(told["spread"] for told in found[1])


def test_sums_are_scattered_whatever_their_dtypes(found: tuple[int, Any]) -> None:
    assert all(told["summed"] for told in found[1])


def test_a_state_that_differs_is_named(found: tuple[int, Any]) -> None:
    for told in found[1]:
        assert told["apart"].startswith("all processes have the same state; got params/2.bias of ")
        assert "rank 1 other than that of rank 0 at step 0" in told["apart"]


def test_compiled_it_is_the_same() -> None:
    for told in launched("tests.training.parallel_cases", ["compiled"], 2):
        assert close(told["normed"]), told


@pytest.mark.campaign
def test_compiled_by_chunks_it_is_the_same() -> None:
    """Half a minute of compiling."""
    for told in launched("tests.training.parallel_cases", ["chunks"], 2, patience=600):
        assert close(told["normed"]), told


def test_the_example_runs_under_torchrun() -> None:
    program = ["examples/data_parallel.py", "--eager", "--sharded", "--epochs=2"]
    done = under_torchrun(program, 2)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["processes"] == 2
    assert told["apart"] <= 1e-6
    assert told["bytes"][0] < 0.6 * told["bytes"][1]
    assert done.stderr.count(told["digest"]) == 2


def test_killed_and_started_again_by_torchrun(tmp_path: Path) -> None:
    """kill -9 of rank 1 in the second epoch, and of rank 0 in the third; the third attempt ends.

    What the earlier attempts have left in the store of torchrun must mislead none of the later:
    with that store as it is (`met` answering it whole), three of four tries end otherwise.
    """
    worker, spread = "tests.runs.distributed_worker", {"shard": True}
    (whole, _) = launched(worker, [str(tmp_path / "whole"), json.dumps(spread)], 2)
    dying = json.dumps({**spread, "die": [[1, 2, 4], [0, 3, 4]]})
    done = under_torchrun(["-m", worker, str(tmp_path / "run"), dying], 2, restarts=2)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.count("exitcode: -9") == 2
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line for line in told if "state" in line] == [whole]
    # Each attempt began in the epoch that the one before had not finished.
    records = read(tmp_path / "run" / "journal.jsonl").records
    resumed = [record["from"].split("-")[0] for record in records if record["kind"] == "resumed"]
    assert resumed == ["00000001", "00000002"]
    lost = [record["what"] for record in records if record["kind"] == "fault"]
    assert [what.split(" has ")[0] for what in lost] == ["rank 1"]


def test_rows_are_shared_evenly_and_in_order() -> None:
    for size in (1, 2, 3, 4):
        for rows in range(2 * size, 20):
            shares = [Mesh(rank, size).share(rows) for rank in range(size)]
            assert [i for start, stop in shares for i in range(start, stop)] == list(range(rows))
            lengths = [stop - start for start, stop in shares]
            assert max(lengths) - min(lengths) <= 1


def test_a_rank_is_one_of_its_mesh() -> None:
    with pytest.raises(ParallelError, match="0 to size - 1; got rank=2, size=2; take the mesh"):
        Mesh(2, 2)


def test_a_step_is_shared_once_and_before_it_is_compiled() -> None:
    with torch.random.fork_rng():
        model = af.functional(lambda: nn.Linear(3, 2))
    step = af.train_step(af.supervised(model, F.cross_entropy), optim.sgd(0.1))
    wrong: list[tuple[Any, str]] = [
        (af.compiled(step), "a compiled step"),
        (data_parallel(step, ALONE), "a step that they share already"),
        (lambda state, batch: (state, {}), "a function"),
    ]
    for one, got in wrong:
        with pytest.raises(ParallelError, match=f"got {got}; compile it afterwards"):
            data_parallel(one, ALONE)


@pytest.mark.parametrize(
    "rule",
    [
        optim.chain(optim.clip_by_global_norm(1.0), optim.adam()),
        optim.chain(optim.clip_by_norm(1.0), optim.sgd(0.1)),
        optim.muon(),
        optim.by_path({"*.weight": optim.adam(), "*": optim.sgd(0.1)}),
    ],
)
def test_what_is_not_elementwise_is_not_sharded(rule: optim.Rule) -> None:
    with pytest.raises(OptimError, match=r"updates each element by itself; got .*; put a clip"):
        sharded(rule, ALONE)

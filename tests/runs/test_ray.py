"""Ray: sweeps on a local cluster of two workers, whatever dies. Skipped where Ray is not installed."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from artifact_fn import tree
from artifact_fn.errors import SweepError
from artifact_fn.runs import Missing, Occupied, load_run, run
from artifact_fn.runs.storage.journal import read
from artifact_fn.runs.sweeps import load_sweep, resume_sweep, sweep
from artifact_fn.training import Experiment
from tests.runs.examples import done, fault
from tests.runs.sweeping import EPOCHS, many, one, spoilt

ray = pytest.importorskip("ray")
tune = pytest.importorskip("ray.tune")
schedulers = pytest.importorskip("ray.tune.schedulers")

# Of Ray's own, and of what it leaves for the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parents[2]


PROGRAM = """
import os
from tests.runs.sweeping import one

def slow(point):
    def due(epoch):
        if epoch > 2:
            os.write(os.open({begun!r}, os.O_WRONLY | os.O_NONBLOCK), b".")
            os.close(os.open({go!r}, os.O_RDONLY))  # returns when somebody can write to it
        return True
    return one(point, every=due)
"""


def test_a_sweep_whose_process_was_killed_is_taken_up(tmp_path: Path) -> None:
    """On a cluster of its own, which dies with it, and before the other is there."""
    go, begun, root = tmp_path / "go", tmp_path / "begun", tmp_path / "s"
    for pipe in (go, begun):
        os.mkfifo(pipe)
    (tmp_path / "slowly.py").write_text(PROGRAM.format(go=str(go), begun=str(begun)))
    begin = (
        "from slowly import slow\nfrom ray import tune\n"
        "from artifact_fn.runs.sweeps import sweep, resume_sweep\n"
    )
    rates = "{'lr': tune.grid_search([0.1, 0.01])}"
    ways = {
        "sweep": f"sweep(slow, {rates}, {str(root)!r}, score='val/loss', trials=1, workers=1).unwrap()",
        "resume": f"resume_sweep(slow, {str(root)!r}, workers=1).unwrap()",
    }
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    told = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
    first = subprocess.Popen(
        [sys.executable, "-c", begin + ways["sweep"]],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        ready, _, _ = select.select([told], [], [], 240)
        assert ready
        assert first.poll() is None, "it ended by itself"
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    found = done(load_sweep(root))
    assert not found.ended
    assert [trial.status for trial in found.trials] == ["left"]
    opened = os.open(go, os.O_RDWR)
    subprocess.run(
        [sys.executable, "-c", begin + ways["resume"]], env=environment, check=True, timeout=240
    )
    for handle in (opened, told):
        os.close(handle)
    again = done(load_sweep(root))
    assert again.ended
    assert [trial.status for trial in again.trials] == ["ended", "ended"]
    assert found.trials[0].name in {trial.name for trial in again.trials}
    for trial in again.trials:
        alone = one(trial.point).fit()
        assert tree.identical(done(load_run(trial.directory)).state, alone.last.state)
    assert isinstance(fault(resume_sweep(one, tmp_path / "none")), Missing)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors and two nodes with one each, on loopback.

    Not at 127.0.0.1, in whose place Ray would look for an address that others can reach.
    """
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    store = {"object_store_memory": 80 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.2", **store}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, node_ip_address="127.0.0.2", **store)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        made.wait_for_nodes()
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def dying(point: Mapping[str, Any]) -> Experiment:
    """Its worker is killed once, when two epochs are on disk."""
    flag = Path(point["flag"])

    def due(epoch: int) -> bool:
        if epoch == 3 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    return one(point, every=due)


def test_halving_on_two_workers(tmp_path: Path, cluster: Any) -> None:
    halving = schedulers.ASHAScheduler(
        time_attr="epoch", max_t=99, grace_period=1, reduction_factor=2
    )
    rates = {"lr": tune.grid_search([0.3, 0.1, 1e-4, 1e-5])}
    found = done(sweep(one, rates, tmp_path / "s", score="val/loss", trials=1, scheduler=halving))
    assert found.ended
    assert sorted(trial.point["lr"] for trial in found.trials) == [1e-5, 1e-4, 0.1, 0.3]
    ended = {trial.point["lr"]: trial.status for trial in found.trials}
    assert set(ended.values()) == {"ended", "stopped"}
    assert ended[0.3] == "ended"
    assert all(t.epochs == (EPOCHS if t.status == "ended" else t.epochs) for t in found.trials)
    there = done(load_run(found.best.directory))
    alone = done(run(one(found.best.point), tmp_path / "alone"))
    assert tree.identical(there.state, alone.last.state)
    assert there.best.index == found.best.epoch
    stopped = next(trial for trial in found.trials if trial.status == "stopped")
    assert done(load_run(stopped.directory)).mark.epoch == stopped.epochs
    assert done(load_sweep(tmp_path / "s")) == found
    assert isinstance(fault(sweep(one, rates, tmp_path / "s", score="val/loss")), Occupied)


def test_a_killed_worker_goes_on_to_the_same_bits(tmp_path: Path, cluster: Any) -> None:
    point = {"lr": 0.1, "flag": str(tmp_path / "killed")}
    found = done(sweep(dying, point, tmp_path / "s", score="val/loss", trials=1, retries=1))
    assert (tmp_path / "killed").exists()
    (trial,) = found.trials
    assert (trial.status, trial.epochs) == ("ended", EPOCHS)
    there = done(load_run(trial.directory))
    alone = done(run(dying(point), tmp_path / "alone"))
    assert tree.identical(there.state, alone.last.state)
    assert there.history.equals(alone.answers["history"])
    kinds = [record["kind"] for record in read(trial.directory / "journal.jsonl").records]
    assert kinds.count("resumed") == 1


def test_trials_fail_and_the_sweep_goes_on(tmp_path: Path, cluster: Any) -> None:
    space = {"lr": 0.1, "kind": tune.grid_search(["mistake", "bug", "nan", "none"])}
    found = done(sweep(spoilt, space, tmp_path, score="val/loss", trials=1, retries=0))
    told = {trial.point["kind"]: (trial.status, trial.reason) for trial in found.trials}
    assert told["none"][0] == "ended"
    assert found.best.point["kind"] == "none"
    for kind, message in (
        ("mistake", "ScoreError: "),
        ("bug", "a bug of the workflow's own"),
        ("nan", "NotFinite: "),
    ):
        assert told[kind][0] == "failed"
        assert message in told[kind][1]


def test_optuna_tries_ensembles(tmp_path: Path, cluster: Any) -> None:
    pytest.importorskip("optuna")
    from ray.tune.search.optuna import OptunaSearch

    found = done(
        sweep(
            many,
            {"lr": tune.loguniform(1e-3, 1.0)},
            tmp_path,
            score="val/loss",
            trials=3,
            searcher=OptunaSearch(seed=0),
            at_once=2,
        )
    )
    assert [trial.status for trial in found.trials] == ["ended"] * 3
    assert len({trial.point["lr"] for trial in found.trials}) == 3
    there = done(load_run(found.best.directory))
    assert there.state.step.shape == (3,)
    assert there.history["val/loss"].min() == found.best.score


def test_the_page_runs(cluster: Any) -> None:
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "sweeps"}
    for block in re.findall(r"^```py(?:thon)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "sweeps.md", "exec"), names)
    assert len(names["swept"].trials) == 4
    assert names["best"].best.index == names["swept"].best.epoch
    assert len(done(names["outcome"]).trials) == 3


def test_what_changes_points_is_refused(tmp_path: Path) -> None:
    changing = schedulers.PopulationBasedTraining(
        time_attr="epoch", hyperparam_mutations={"lr": [0.1, 0.2]}
    )
    with pytest.raises(SweepError, match=r"one experiment from its beginning .* got Population"):
        sweep(one, {"lr": 0.1}, tmp_path, score="val/loss", scheduler=changing)

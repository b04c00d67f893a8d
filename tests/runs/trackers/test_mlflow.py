"""MLflow: a real server on loopback, killed, stopped, and never there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from artifact_fn import tree
from artifact_fn.folds import Fold, Stop, Stopper, at_most
from artifact_fn.runs import Saving, resume, run
from artifact_fn.runs.trackers import MLflow, TrackerError, load_weights, replay, sweep_run
from artifact_fn.runs.trackers.feeder import Feeder
from artifact_fn.runs.trackers.mlflow import ID, STEP
from tests.runs.examples import done, experiment
from tests.runs.trackers.examples import STOP, begun, epoch, finished, scores_of, until, write

mlflow = pytest.importorskip("mlflow")

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and what it is made of


class Server:
    """A process group of MLflow's own program, on a port that stays the same."""

    def __init__(self, root: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.root, self.uri = root, f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.root.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.root}/db"]
        command += ["--artifacts-destination", str(self.root / "artifacts")]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=self.root
            )
        until(self.answers, 90)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as found:
                return bool(found.status == 200)
        except OSError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()
            self.process = None

    def ask(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as found:
            return json.loads(found.read())

    def runs(self, name: str) -> list[Any]:
        experiment = self.ask(f"experiments/get-by-name?experiment_name={name}")["experiment"]
        found = self.ask("runs/search", experiment_ids=[experiment["experiment_id"]])
        return list(found.get("runs", []))

    def points(self, told: Any) -> list[tuple[str, int, float]]:
        """Every point of every metric of a run, by its original name, as often as it is there."""
        names = {t["key"]: t["value"] for t in told["data"]["tags"]}
        found = []
        for metric in told["data"]["metrics"]:
            key = metric["key"]
            at = f"metrics/get-history?run_id={told['info']['run_id']}&metric_key="
            for point in self.ask(at + urllib.request.quote(key))["metrics"]:  # type: ignore[attr-defined]
                name = names.get(f"name.{key}", key)
                found.append((name, int(point.get("step", 0)), float(point["value"])))
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    if made.process is not None:
        made.signal(signal.SIGKILL)


def same(server: Server, name: str, root: Path) -> Any:
    """That the server has what the journal has, each point once; the run, as it tells of it."""
    (told,) = server.runs(name)
    points = server.points(told)
    assert max(Counter(points).values()) == 1
    expected = {(score, index, value) for score, index, _, value in scores_of(root)}
    steps = {(STEP, index, float(step)) for _, index, step, _ in scores_of(root)}
    assert set(points) == expected | steps
    return told


def test_what_is_read_back_is_the_journal(server: Server, tmp_path: Path) -> None:
    long, odd = (
        "x" * 400,
        {"a" * 300: "1", "model[0].f(x)": "2", **{f"p{i}": "v" for i in range(150)}},
    )
    root = finished(tmp_path / "run", run="ab01", params={**odd, "long": long})
    tracker = MLflow(server.uri, experiment="whole")
    for _ in range(2):
        assert done(replay(root, tracker)) == 6
        told = same(server, "whole", root)
    tags = {t["key"]: t["value"] for t in told["data"]["tags"]}
    params = {p["key"]: p["value"] for p in told["data"]["params"]}
    assert {tags.get(f"name.{key}", key): text for key, text in params.items()} == {
        "experiment": "Experiment", "optimizer.lr": "0.1", "long": long, **odd
    }  # fmt: skip
    assert tags[ID] == "ab01"
    assert tags["mlflow.source.git.commit"] == "abc+"
    assert tags["mlflow.source.name"] == "train.py -v"
    assert tags["artifact_fn.reason"] == "it is enough"
    info = told["info"]
    assert (info["status"], info["run_name"]) == ("FINISHED", "run")
    assert int(info["start_time"]) == 1772366400_000
    assert int(info["end_time"]) == 1772366407_500
    listed = f"artifacts/list?run_id={info['run_id']}"
    found = [f["path"] for f in server.ask(f"{listed}&path=artifacts/val/curve")["files"]]
    assert found == [f"artifacts/val/curve/{i:06}.png" for i in range(1, 6)]
    assert "experiment.json" in [f["path"] for f in server.ask(listed)["files"]]


def test_numbers_that_are_none(server: Server, tmp_path: Path) -> None:
    """NaN is kept; of infinity MLflow keeps the largest number there is."""
    root = begun(tmp_path / "run", run="ab02")
    write(root, [epoch(1, {"val/x": float("nan"), "val/y": float("-inf")}), STOP])
    for _ in range(2):
        done(replay(root, MLflow(server.uri, experiment="none")))
    (told,) = server.runs("none")
    points = {name: repr(value) for name, _, value in server.points(told)}
    assert len(server.points(told)) == 3
    assert points["val/x"] == "nan"
    assert points["val/y"] == "-1.7976931348623157e+308"


def test_killed_at_a_third_and_back_at_two(server: Server, tmp_path: Path) -> None:
    root = begun(tmp_path / "run", run="ab03")
    feeder = Feeder(root, MLflow(server.uri, experiment="killed"))
    for i in range(1, 101):
        write(root, [epoch(i)])
        if i == 10:
            until(lambda: feeder.delivery.told >= 5)
        if i == 30:
            server.signal(signal.SIGKILL)
        if i == 60:
            server.start()
    write(root, [STOP])
    feeder.end()
    assert feeder.join(120)
    told = same(server, "killed", root)
    assert told["info"]["status"] == "FINISHED"


def scheduled() -> float:
    """Seconds in which this thread has run, or could have, had the machine not been busy."""
    ran, waited, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return (int(ran) + int(waited)) / 1e9


def test_stopped_for_twenty_seconds_it_blocks_no_step(server: Server, tmp_path: Path) -> None:
    """The server does not answer, and holds its connections, while a run is trained.

    What passes between two cuts, less what the scheduler gives account of, is what the training
    thread has waited for others: locks, the disk, the network.
    """
    blocked: list[float] = []
    stopped: list[float] = []

    def show(stream: Any) -> Any:
        def events() -> Iterator[Any]:
            began, ran = time.perf_counter(), scheduled()
            for count, event in enumerate(stream.events()):
                if stopped:
                    blocked.append(time.perf_counter() - began - scheduled() + ran)
                yield event
                if count == 50:
                    server.signal(signal.SIGSTOP)
                    stopped.append(time.monotonic())
                if stopped and time.monotonic() - stopped[0] > 20:
                    server.signal(signal.SIGCONT)
                    stopped[0] = float("inf")
                began, ran = time.perf_counter(), scheduled()

        return attrs.evolve(stream, events=events)

    given = attrs.evolve(experiment(), until=_after(stopped))
    tracker, saving = MLflow(server.uri, experiment="stopped"), Saving(epochs=100)
    done(run(given, tmp_path / "run", trackers=[tracker], saving=saving, show=show, linger=60))
    assert len(blocked) > 100
    print(f"{len(blocked)} cuts, {1000 * max(blocked):.1f} ms at most")  # noqa: T201
    assert max(blocked) < 0.05
    same(server, "stopped", tmp_path / "run")


def _after(stopped: list[float]) -> Any:
    """Ends a run when the server has been set going again."""
    fold: Any = Fold(
        init=lambda: 0,
        step=lambda carry, epoch: int(stopped == [float("inf")]),
        extract=lambda carry: Stop("it goes on") if carry else None,
    )
    return Stopper(fold)


def test_never_up(tmp_path: Path) -> None:
    """A program of its own: it ends normally, in time, and what is left is told later."""
    port = Server(tmp_path / "server")
    code = (
        "import sys, time; from artifact_fn.runs import run\n"
        "from artifact_fn.runs.trackers import MLflow\n"
        "from tests.runs.examples import done, experiment\n"
        "t = MLflow(sys.argv[2], experiment='never')\n"
        "given = experiment()\n"
        "answer = done(run(given, sys.argv[1], trackers=[t], show=lambda s: s))\n"
        "print(answer.stop.reason, time.time(), flush=True)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run", port.uri],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    ended = time.time()
    *reason, at = found.stdout.split()
    assert " ".join(reason) == "3 epochs are done"
    assert ended - float(at) < 5
    assert found.stderr.count("is down, and tried again: ConnectionRefusedError") == 1
    assert found.stderr.count("replay it later") == 1
    print(f"{ended - float(at):.2f} s to exit")  # noqa: T201
    port.start()
    try:
        assert done(replay(tmp_path / "run", MLflow(port.uri, experiment="never"))) == 4
        same(port, "never", tmp_path / "run")
    finally:
        port.signal(signal.SIGKILL)


def test_a_database_beside_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "sweep" / "first"
    given = experiment()
    answer = done(run(given, root, trackers=[MLflow(parent="0" * 32)], linger=120))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/sweep/mlflow.db")
    at = client.get_experiment_by_name("sweep").experiment_id
    (told,) = client.search_runs([at])
    assert told.info.run_name == "first"
    assert told.data.tags["mlflow.parentRunId"] == "0" * 32
    expected = {(name, index, value) for name, index, _, value in scores_of(root)}
    points = [
        (key, point.step, point.value)
        for key in told.data.metrics
        for point in client.get_metric_history(told.info.run_id, key)
        if key != STEP
    ]
    assert set(points) == expected
    assert len(points) == len(expected)
    best = answer.answers["selected"].state
    uri = f"sqlite:///{tmp_path}/sweep/mlflow.db"
    taken = load_weights(told.info.run_id, given.state(), uri=uri)
    assert tree.identical((taken.params, taken.buffers), (best.params, best.buffers))

    longer = experiment(until=at_most(4))
    done(resume(longer, root, trackers=[MLflow()], allow={"until"}, linger=120))
    (told,) = client.search_runs([at])
    assert told.info.status == "FINISHED"
    assert any(key.startswith("changed.until") for key in told.data.tags)


def test_a_sweep_is_one_run_with_others_below_it(server: Server, tmp_path: Path) -> None:
    """Told to a server that keeps their files, from where weights are taken back."""
    parents = {
        name: [sweep_run(name, uri=server.uri, experiment="sweeps") for _ in range(2)]
        for name in ("rates", 'it\'s "odd"')
    }
    assert [len(set(ids)) for ids in parents.values()] == [1, 1]
    (parent, _), _ = parents.values()
    best = {}
    for seed in (0, 1):
        given = experiment(seed=seed)
        tracker = MLflow(server.uri, experiment="sweeps", run=f"seed {seed}", parent=parent)
        answer = done(run(given, tmp_path / f"{seed}", trackers=[tracker], linger=60))
        best[f"seed {seed}"] = answer.answers["selected"].state
    below = [
        told
        for told in server.runs("sweeps")
        if {"key": "mlflow.parentRunId", "value": parent} in told["data"]["tags"]
    ]
    assert {told["info"]["run_name"] for told in below} == set(best)
    for told in below:
        info = told["info"]
        taken = load_weights(info["run_id"], experiment().state(), uri=server.uri)
        assert tree.identical(taken.params, best[info["run_name"]].params)


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/x", "C:\\runs"])
def test_file_stores_are_refused(uri: str) -> None:
    with pytest.raises(TrackerError, match=r"keeps a point twice .* give sqlite:///"):
        MLflow(uri)


def test_passwords_are_refused() -> None:
    with pytest.raises(TrackerError, match=r"holds no credentials; got https://\*\*\*@h/; leave"):
        MLflow("https://me:hush@h/")

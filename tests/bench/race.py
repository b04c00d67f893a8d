"""Race: competitors on one task, each in its own process, their rounds interleaved."""

import contextlib
import json
import math
import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import environments
from tests.bench.tasks import TASKS, Task

ROOT = Path(__file__).resolve().parents[2]

LEAST = 0.5
"""Seconds of a turn at least: what a process finds cold after waiting for its turn is little of it."""

PEERS = ("plain", "fused", "lightning", "jax-jit", "jax-scan")


class Worker:
    """A competitor that is set up and waits."""

    def __init__(self, name: str, task: Task, cores: str, environment: dict[str, str]) -> None:
        interpreter = environments.python(name)
        assert interpreter is not None
        module = name.replace("-", "_")
        self.process = subprocess.Popen(
            [interpreter, "-m", "tests.bench.worker", module, task.name, cores],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a competitor has ended with code {self.process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def seconds(self, epochs: int) -> float:
        """What so many epochs take."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{epochs}\n")
        self.process.stdin.flush()
        return float(self._answer()["seconds"])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def waiting(
    name: str, task: Task, *, cores: str = "confined", **environment: str
) -> Iterator[Worker]:
    """A competitor's process, ended afterwards."""
    worker = Worker(name, task, cores, {"OMP_NUM_THREADS": str(task.threads), **environment})
    try:
        yield worker
    finally:
        worker.close()


def race(task_name: str, rounds: int, device: str = "cpu") -> None:
    """Time every competitor that is installed; print medians, spread and ratios."""
    task = TASKS[task_name]
    print(environments.machine(), f"threads={task.threads}", f"device={device}", sep="  ")
    print(environments.versions())
    missing = [peer for peer in PEERS if environments.python(peer) is None]
    running = [name for name in ("ours", *PEERS) if name not in missing]
    times: dict[str, list[float]] = {name: [] for name in running}
    with contextlib.ExitStack() as stack:
        workers, epochs = {}, {}
        for name in running:
            workers[name] = stack.enter_context(waiting(name, task, ARTIFACT_FN_DEVICE=device))
            scores = ", ".join(f"{k} {v:.4g}" for k, v in workers[name].first["scores"].items())
            print(f"# {name}: first epoch {workers[name].first['first']:.1f} s: {scores}")
            each = workers[name].seconds(task.epochs) / task.epochs
            epochs[name] = max(task.epochs, math.ceil(LEAST / each))
        for turn in range(rounds):
            # Another order in each round: whatever heats the machine meets everyone.
            for name in running[turn % len(running) :] + running[: turn % len(running)]:
                times[name].append(workers[name].seconds(epochs[name]) / epochs[name])
    _told(task, times, missing)


def _told(task: Task, times: dict[str, list[float]], missing: list[str]) -> None:
    print(f"{'':10} {'us a step':>10} {'fastest':>9} {'slowest':>9}")
    for name, found in times.items():
        each = [seconds / task.steps * 1e6 for seconds in found]
        print(f"{name:10} {statistics.median(each):10.1f} {min(each):9.1f} {max(each):9.1f}")
    for peer in missing:
        print(f"missing {peer}: python -m tests.bench setup")
    ours = times["ours"]
    for peer in (name for name in times if name != "ours"):
        # Round by round: what slowed one slowed the other.
        ratio = statistics.median(b / a for a, b in zip(ours, times[peer], strict=True))
        print(f"ratio {task.name} {peer} {ratio:.2f}")

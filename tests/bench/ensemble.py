"""Ensemble: many models by one step, against as many runs one after the other."""

import contextlib
import statistics
from typing import Any

from tests.bench import environments
from tests.bench.race import waiting
from tests.bench.tasks import TASKS, Task

PEERS = {"ours": "chunked", "single-step": "sequential", "lightning": "lightning"}
"""Each runs one model: what so many of them take is that, times the members."""


def ensemble(rounds: int) -> None:
    """The small model 64 times, the medium one 8 times."""
    print(environments.machine())
    for name, members in (("small", 64), ("medium", 8)):
        _raced(TASKS[name], members, rounds)


def _raced(task: Task, members: int, rounds: int) -> None:
    running = [peer for peer in PEERS if environments.python(peer) is not None]
    times: dict[str, list[float]] = {peer: [] for peer in ("ensemble", *running)}
    print(f"{task.name}: {members} members, threads={task.threads}")
    with contextlib.ExitStack() as stack:
        workers: dict[str, Any] = {
            peer: stack.enter_context(waiting(peer, task, ARTIFACT_FN_MEMBERS=str(members)))
            for peer in times
        }
        for _ in range(rounds):
            for peer, worker in workers.items():
                # Single runs are short: several epochs of them for one of the ensemble.
                epochs = 1 if peer == "ensemble" else task.epochs
                times[peer].append(worker.seconds(epochs) / epochs)
    whole = statistics.median(times["ensemble"])
    print(f"{'ensemble':12} {whole * 1e3:10.1f} ms an epoch of all members")
    for peer in running:
        each = statistics.median(times[peer])
        print(f"{PEERS[peer]:12} {each * members * 1e3:10.1f} ms for {members} epochs")
    for peer in running:
        ratio = statistics.median(
            members * b / a for a, b in zip(times["ensemble"], times[peer], strict=True)
        )
        print(
            f"ratio ensemble{'' if task.name == 'small' else f' {task.name}'} {PEERS[peer]} {ratio:.2f}"
        )
    for peer in PEERS:
        if peer not in running:
            print(f"missing {peer}: python -m tests.bench setup")

"""Worker: one competitor in a process of its own.

Reads a count of epochs from standard input, trains them, writes the seconds they took; so that a
driver can interleave competitors that are all set up and wait.
"""

import importlib
import json
import os
import sys
import time

from tests.bench.tasks import TASKS, Task


def confine(task: Task) -> None:
    """As many cores as the task has threads, for thread pools of every make."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-task.threads :])


def main(name: str, task_name: str, cores: str = "confined") -> None:
    task = TASKS[task_name]
    if cores == "confined":
        confine(task)
    # Set by the driver before Python started; here for whoever runs a worker by hand.
    os.environ.setdefault("OMP_NUM_THREADS", str(task.threads))
    began = time.perf_counter()
    module = importlib.import_module(f"tests.bench.peers.{name}")
    imported = time.perf_counter()
    run = module.prepare(task)
    scores = run(1)
    first = time.perf_counter() - imported
    print(json.dumps({"imported": imported - began, "first": first, "scores": scores}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        run(int(line))
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

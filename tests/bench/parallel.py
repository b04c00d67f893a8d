"""Parallel: a step that two processes share, against torch's DistributedDataParallel.

Both competitors live in the same two processes, one core and one thread each, and take turns; the
batch is shared by halves, BatchNorm sees its own half, and bytes are those that a process has
handed to the system while it trained. DDP gets `Adam(fused=True)`, slices of a shuffled tensor and
metrics that are joined once an epoch.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

import artifact_fn as af
from artifact_fn.runs.distributed import Processes, processes
from artifact_fn.training.parallel import data_parallel, held, sharded
from tests.bench import environments
from tests.bench.peers.models import network
from tests.bench.tasks import RATE, TASKS, Task, arrays

ROOT = Path(__file__).resolve().parents[2]

SIZE = 2
EPOCHS = {"small": 2, "medium": 1, "large": 1}
"""Trained together in one round."""

FEWER = {"large": 3}
"""A round of it takes half a minute: so many times fewer of them, and three at least."""

Run = Callable[[], float]
"""One round; the loss of its last epoch."""


def parallel(rounds: int, names: tuple[str, ...] = ("medium", "large")) -> None:
    """Time both on each task; print medians, bytes and ratios."""
    print(environments.machine(), f"processes={SIZE}", "threads=1", sep="  ")
    for name in names:
        times = max(min(rounds, 3), rounds // FEWER.get(name, 1))
        port = str(29500 + os.getpid() % 1000)
        shared = {"WORLD_SIZE": str(SIZE), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.parallel", name, str(times)],
                cwd=ROOT,
                env={
                    **os.environ,
                    **shared,
                    "OMP_NUM_THREADS": "1",
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                },
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(SIZE)
        ]
        told = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            raise SystemExit("a process has failed")
        _said(TASKS[name], json.loads(told[0].splitlines()[-1]))


def _said(task: Task, told: dict[str, dict[str, list[float]]]) -> None:
    print(f"{task.name:12} {'us a step':>10} {'fastest':>9} {'bytes a step':>13} {'state':>12}")
    for name, found in told.items():
        each = [seconds * 1e6 for seconds in found["seconds"]]
        print(
            f"{name:12} {statistics.median(each):10.0f} {min(each):9.0f} "
            f"{statistics.median(found['bytes']):13,.0f} {found['state'][0]:12,.0f}"
        )
    suffix = "" if task.name == "medium" else f" {task.name}"
    for name in ("ours", "sharded"):
        pairs = zip(told[name]["seconds"], told["ddp"]["seconds"], strict=True)
        label = "parallel" if name == "ours" else "parallel-sharded"
        print(f"ratio {label} ddp{suffix} {statistics.median(b / a for a, b in pairs):.2f}")


def ours(task: Task, here: Processes, *, spread: bool) -> tuple[Run, int]:
    """A compiled step that the processes share."""
    x, y = arrays(task)
    train = af.Loader(af.Table({"x": x, "y": y}), batch_size=task.batch)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adam(RATE)
    if spread:
        optimizer = sharded(optimizer, here.mesh)
    state = af.TrainState.create(model, optimizer, seed=0)
    step = data_parallel(af.train_step(objective, optimizer), here.mesh)
    stream = iter(af.epochs(af.compiled(step), state, train))

    def run() -> float:
        for _ in range(EPOCHS[task.name]):
            loss = next(stream).scores["train/loss"]
        return loss

    return run, held(state.opt_state)


def ddp(task: Task, here: Processes) -> tuple[Run, int]:
    """torch's own wrapper, as its documentation has it."""
    torch.manual_seed(0)
    x, y = (torch.from_numpy(column) for column in arrays(task))
    module = DistributedDataParallel(network(task))
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    drawn = torch.Generator().manual_seed(0)

    def run() -> float:
        for _ in range(EPOCHS[task.name]):
            told = torch.zeros(3)
            for index in torch.randperm(len(x), generator=drawn).split(task.batch):
                own = index.tensor_split(here.mesh.size)[here.mesh.rank]
                xs, ys = x[own], y[own]
                optimizer.zero_grad()
                out = module(xs)
                loss = F.cross_entropy(out, ys)
                loss.backward()
                optimizer.step()
                right = (out.argmax(1) == ys).sum()
                told += torch.stack([loss.detach() * len(xs), right, torch.tensor(len(xs))])
            dist.all_reduce(told)
        return float(told[0] / told[2])

    run_once = run()
    assert run_once > 0
    state = sum(leaf.nbytes for one in optimizer.state.values() for leaf in one.values())
    return run, state


def sent() -> int:
    """Bytes that this process has handed to the system so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def worker(name: str, rounds: int) -> None:
    """One of the processes."""
    task = TASKS[name]
    torch.set_num_threads(1)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[int(os.environ["RANK"]) % len(cores) :][:1])
    with processes(timeout=900.0) as here:
        made = {
            "ours": ours(task, here, spread=False),
            "sharded": ours(task, here, spread=True),
            "ddp": ddp(task, here),
        }
        steps = task.steps * EPOCHS[name]
        told: dict[str, dict[str, list[float]]] = {
            key: {"seconds": [], "bytes": [], "state": [float(state)]}
            for key, (_, state) in made.items()
        }
        order = list(made)
        for turn in range(rounds + 1):
            for key in order[turn % len(order) :] + order[: turn % len(order)]:
                dist.barrier()
                began, before = time.perf_counter(), sent()
                made[key][0]()
                if turn:  # the first one compiles
                    told[key]["seconds"].append((time.perf_counter() - began) / steps)
                    told[key]["bytes"].append((sent() - before) / steps)
        dist.barrier()
        if here.mesh.rank == 0:
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))

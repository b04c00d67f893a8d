"""Diagnostics: what an epoch takes with a routine that is not due, and with every ready-made tap."""

import itertools
import statistics
import time

import torch.nn.functional as F

import artifact_fn as af
from artifact_fn.folds.cadence import Cadence
from artifact_fn.training import cuts, diagnostics, taps
from artifact_fn.training.riding import riding
from artifact_fn.training.routines import Routine
from artifact_fn.training.statistics import answers, merge
from tests.bench import environments
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, TASKS, arrays
from tests.bench.worker import confine


def measure(rounds: int) -> None:
    """Epochs of the medium model without the routine, with it and not due, and with it and due."""
    task = TASKS["medium"]
    confine(task)
    set_up(task)
    print(environments.machine(), f"threads={task.threads}", sep="  ")
    x, y = arrays(task)
    train = af.Loader(af.Table({"x": x, "y": y}), batch_size=task.batch)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adam(RATE)
    state = af.TrainState.create(model, optimizer, seed=0)
    step = af.compiled(af.train_step(objective, optimizer))

    def watched(due: Cadence) -> Routine:
        return diagnostics(
            taps.activations(model),
            taps.gradient_norms(),
            taps.update_ratios(),
            taps.dead_units(model),
            every=due,
        )

    batch = next(train.batches(None, 1))
    variants = {
        "without": riding(step, [], state, batch),
        "not due": riding(step, [watched(lambda index: index > 1000)], state, batch),
        "due": riding(step, [watched(lambda index: True)], state, batch),
    }

    def epoch(name: str, index: int) -> None:
        found = [cut.metrics for cut in cuts(variants[name].step(index), state, train, epoch=index)]
        answers(merge(found))

    for name in variants:
        epoch(name, 1)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for index, name in itertools.product(range(1, rounds + 1), variants):
        began = time.perf_counter()
        epoch(name, index)
        times[name].append(time.perf_counter() - began)
    whole = statistics.median(times["without"])
    for name, found in times.items():
        taken = statistics.median(found)
        best = min(found) / min(times["without"])
        print(
            f"{name:8} {taken * 1e3:9.2f} ms an epoch of {task.steps} steps  "
            f"{taken / whole:6.3f} x (fastest {best:.3f} x)"
        )

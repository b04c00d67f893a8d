"""Diagnostics: what an epoch takes with a routine that is not due, and with every ready-made tap."""

import statistics
import time

import torch.nn.functional as F

import artifact_fn as af
from artifact_fn import tree
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
        "without": riding(step, [], state, batch, train.steps),
        "not due": riding(step, [watched(lambda index: False)], state, batch, train.steps),
        "due": riding(step, [watched(lambda index: True)], state, batch, train.steps),
    }

    def epoch(name: str, index: int) -> tuple[float, str]:
        began = time.perf_counter()
        looking = variants[name].due(index)
        found = list(cuts(step, state, train, epoch=index, observers=looking))
        answers(merge([cut.metrics for cut in found]))
        return time.perf_counter() - began, tree.digest(found[-1].state)

    for name in variants:
        print(f"{name:8} {epoch(name, 1)[0]:9.2f} s for the first epoch, with what it compiles")
    times: dict[str, list[float]] = {name: [] for name in variants}
    for index in range(1, rounds + 1):
        digests = set()
        names = list(variants)
        for name in names[index % 3 :] + names[: index % 3]:  # nobody always runs after another
            seconds, digest = epoch(name, index)
            times[name].append(seconds)
            digests.add(digest)
        assert len(digests) == 1, "what is watched has changed what is trained"
    for name, found in times.items():
        pairs = [mine / bare for mine, bare in zip(found, times["without"], strict=True)]
        low, middle, high = statistics.quantiles(pairs, n=4)
        print(
            f"{name:8} {statistics.median(found) * 1e3:9.2f} ms an epoch of {task.steps} steps, "
            f"{middle:.3f} x that of the same round without (half lie in {low:.3f} to {high:.3f})"
        )

"""Overhead: what folds and the progress display add to the bare compiled loop."""

import io
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator

import torch.nn.functional as F
from rich.console import Console

import artifact_fn as af
from artifact_fn.folds import Epoch
from artifact_fn.training import cuts
from artifact_fn.training.statistics import answers, merge
from tests.bench import environments
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, TASKS, arrays
from tests.bench.worker import confine

WARM = 3


def overhead(rounds: int) -> None:
    """Epochs of the medium model: `cuts` alone and the whole program, one of each in turns."""
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

    times: dict[str, list[float]] = {"bare": [], "whole": []}

    def bare() -> Iterator[None]:
        """Epochs as they are without folds."""
        current = state
        for epoch in itertools.count(1):
            parts = []
            for cut in cuts(step, current, train, epoch=epoch):
                current = cut.state
                parts.append(cut.metrics)
            answers(merge(parts))
            yield

    def watched(stream: Iterable[Epoch[af.TrainState]]) -> Iterator[Epoch[af.TrainState]]:
        """Each epoch, from asking for it to the end of what is folded over it; then a bare one."""
        alone, whole = bare(), iter(stream)
        while True:
            began = time.perf_counter()
            yield next(whole)
            times["whole"].append(time.perf_counter() - began)
            began = time.perf_counter()
            next(alone)
            times["bare"].append(time.perf_counter() - began)

    stream = af.progress(
        af.epochs(step, state, train),
        best="train/loss",
        console=Console(file=io.StringIO(), force_terminal=True),
    )
    af.fit(
        watched(stream),
        until=af.patience("train/loss", 1000) | af.at_most(rounds + WARM),
        history=af.history(),
        best=af.best("train/loss"),
    )
    # The last epoch is folded when nobody asks for another, so its time is not taken.
    medians = {name: statistics.median(found[WARM:]) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:6} {median * 1e3:9.2f} ms an epoch of {task.steps} steps")
    each = [b / a for a, b in zip(times["bare"][WARM:], times["whole"][WARM:], strict=True)]
    low, _, high = statistics.quantiles(each, n=4)
    print(
        f"half of the {len(each)} pairs between {(low - 1) * 100:.1f} and {(high - 1) * 100:.1f} %"
    )
    print(f"overhead of folds and progress: {(statistics.median(each) - 1) * 100:.1f} %")

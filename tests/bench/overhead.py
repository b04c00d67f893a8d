"""Overhead: what folds and the progress display add to the bare compiled loop."""

import io
import itertools
import statistics
import time

import torch.nn.functional as F
from rich.console import Console

import artifact_fn as af
from artifact_fn.training import cuts
from artifact_fn.training.statistics import answers, merge
from tests.bench import environments
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, TASKS, arrays
from tests.bench.worker import confine


def overhead(rounds: int) -> None:
    """Epochs of the medium model: `cuts` alone, then the whole program, in turns."""
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

    def bare(epochs: int) -> None:
        current = state
        for epoch in range(1, epochs + 1):
            parts = []
            for cut in cuts(step, current, train, epoch=epoch):
                current = cut.state
                parts.append(cut.metrics)
            answers(merge(parts))

    def whole(epochs: int) -> None:
        stream = af.progress(
            af.epochs(step, state, train),
            best="train/loss",
            console=Console(file=io.StringIO(), force_terminal=True),
        )
        af.fit(
            stream,
            until=af.patience("train/loss", 1000) | af.at_most(epochs),
            history=af.history(),
            best=af.best("train/loss"),
        )

    times: dict[str, list[float]] = {"bare": [], "whole": []}
    for run in (bare, whole):
        run(2)
    epochs = 4
    for _, (name, run) in itertools.product(range(rounds), (("bare", bare), ("whole", whole))):
        began = time.perf_counter()
        run(epochs)
        times[name].append((time.perf_counter() - began) / epochs)
    for name, found in times.items():
        print(f"{name:6} {statistics.median(found) * 1e3:9.2f} ms an epoch of {task.steps} steps")
    ratios = [b / a for a, b in zip(times["bare"], times["whole"], strict=True)]
    print(f"overhead of folds and progress: {(statistics.median(ratios) - 1) * 100:.1f} %")

"""Memory: whether ten thousand epochs leave anything behind."""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import artifact_fn as af
from artifact_fn.training.graph import compilations
from tests.bench import environments
from tests.bench.peers.models import network
from tests.bench.tasks import TASKS, arrays

EPOCHS = 10_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def memory() -> None:
    """The small model on two batches an epoch, with history, best, a stopper and an evaluation."""
    torch.set_num_threads(1)
    print(environments.machine(), "threads=1", sep="  ")
    task = TASKS["small"]
    x, y = arrays(task)
    rows = 2 * task.batch
    train = af.Loader(af.Table({"x": x[:rows], "y": y[:rows]}), batch_size=task.batch)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adam(af.optim.cosine(1e-3, steps=2 * EPOCHS))
    state = af.TrainState.create(model, optimizer, seed=0)
    step = af.compiled(af.train_step(objective, optimizer))
    seen = np.zeros(EPOCHS)
    stream = af.epochs(step, state, train, routines=[af.evaluation("val", objective, train)])
    before = compilations()
    compiled_after_one = 0

    def watched():  # type: ignore[no-untyped-def]
        nonlocal compiled_after_one
        for epoch in stream:
            if epoch.index == 1:
                compiled_after_one = compilations()
            if epoch.index % 100 == 0:
                gc.collect()
            seen[epoch.index - 1] = resident()
            yield epoch

    run = af.fit(
        watched(),
        until=af.patience("val/loss", EPOCHS) | af.at_most(EPOCHS),
        history=af.history(),
        best=af.best("val/loss"),
    )
    tail = np.arange(EPOCHS // 5, EPOCHS)
    slope = float(np.polyfit(tail, seen[tail], 1)[0])
    row = dict(run.last.scores)
    own = sys.getsizeof(row) + sum(sys.getsizeof(value) for value in row.values())
    print(
        f"resident after {EPOCHS // 5} epochs {seen[EPOCHS // 5] / 2**20:.1f} MiB, at the end "
        f"{seen[-1] / 2**20:.1f} MiB"
    )
    print(f"slope over the last 80 %: {slope:.0f} B an epoch, of which history's row {own} B")
    print(f"slope without history's rows: {max(0.0, slope - own) / 1024:.3f} KB an epoch")
    print(
        f"graphs compiled: {compiled_after_one - before} in the first epoch, "
        f"{compilations() - compiled_after_one} after it"
    )

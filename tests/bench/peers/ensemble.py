"""Ours, 64 at once: the program of the README for every member of an ensemble."""

import itertools
import os
from collections.abc import Callable

import torch.nn.functional as F

import artifact_fn as af
from artifact_fn.data import Loader, Table
from artifact_fn.training.ensemble import ensemble
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, Task, arrays

MEMBERS = int(os.environ.get("ARTIFACT_FN_MEMBERS", "64"))


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    x, y = arrays(task)
    train = Loader(Table({"x": x, "y": y}), batch_size=task.batch)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adam(RATE)
    together = ensemble(model, optimizer, seeds=MEMBERS)
    step = af.compiled(together.step(af.train_step(objective, optimizer)))
    stream = iter(af.epochs(step, together.state, together.source(train)))

    def run(epochs: int) -> dict[str, float]:
        for epoch in itertools.islice(stream, epochs):
            scores = {name: epoch.scores[f"train/{name}"] for name in ("loss", "accuracy", "lr")}
        return scores

    return run

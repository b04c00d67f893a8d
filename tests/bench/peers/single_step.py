"""Ours, one step a call: the program of the README without chunks."""

import itertools
from collections.abc import Callable

import torch.nn.functional as F

import artifact_fn as af
from artifact_fn.data import Loader, Table
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    x, y = arrays(task)
    train = Loader(Table({"x": x, "y": y}), batch_size=task.batch)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adam(RATE)
    state = af.TrainState.create(model, optimizer, seed=0)
    step = af.compiled(af.train_step(objective, optimizer), chunk=1)
    stream = iter(af.epochs(step, state, train))

    def run(epochs: int) -> dict[str, float]:
        for epoch in itertools.islice(stream, epochs):
            scores = dict(epoch.scores)
        return scores

    return run

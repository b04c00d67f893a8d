"""Fused: a loop over slices of a shuffled tensor, with `Adam(fused=True)`."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    x, y = map(torch.from_numpy, arrays(task))
    module = network(task)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)

    def run(epochs: int) -> dict[str, float]:
        for _ in range(epochs):
            module.train()
            loss_sum, right, rows = torch.zeros(()), torch.zeros(()), 0
            for index in torch.randperm(len(x)).split(task.batch):
                xs, ys = x[index], y[index]
                optimizer.zero_grad()
                out = module(xs)
                loss = F.cross_entropy(out, ys)
                loss.backward()
                optimizer.step()
                loss_sum += loss.detach() * len(xs)
                right += (out.argmax(1) == ys).sum()
                rows += len(xs)
            scores = {"loss": float(loss_sum) / rows, "accuracy": float(right) / rows}
            scores["lr"] = optimizer.param_groups[0]["lr"]
        return scores

    return run

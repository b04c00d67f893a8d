"""Fused: a loop over slices of a shuffled tensor, with `Adam(fused=True)`."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from tests.bench.peers.models import DEVICE, network, set_up
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    x, y = (torch.from_numpy(column).to(DEVICE) for column in arrays(task))
    module = network(task).to(DEVICE)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)

    def run(epochs: int) -> dict[str, float]:
        for _ in range(epochs):
            module.train()
            loss_sum, right, rows = (
                torch.zeros((), device=DEVICE),
                torch.zeros((), device=DEVICE),
                0,
            )
            for index in torch.randperm(len(x), device=DEVICE).split(task.batch):
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

"""Plain: the loop of PyTorch's tutorials, with a DataLoader."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.bench.peers.models import DEVICE, network, set_up
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    x, y = map(torch.from_numpy, arrays(task))
    loader = DataLoader(TensorDataset(x, y), batch_size=task.batch, shuffle=True)
    module = network(task).to(DEVICE)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)

    def run(epochs: int) -> dict[str, float]:
        for _ in range(epochs):
            module.train()
            loss_sum, right, rows = (
                torch.zeros((), device=DEVICE),
                torch.zeros((), device=DEVICE),
                0,
            )
            for xs, ys in loader:
                xs, ys = xs.to(DEVICE), ys.to(DEVICE)
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

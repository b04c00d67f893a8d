"""Models: the modules that every torch competitor trains."""

import os

import torch
from torch import Tensor, nn

from tests.bench.tasks import CLASSES, DEPTH, HEADS, WIDTH, Task


class Transformer(nn.Module):
    """An encoder with a linear head on the mean of its positions: [B, L, WIDTH] to [B, CLASSES]."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(x).mean(1))
        return out


DEVICE = os.environ.get("ARTIFACT_FN_DEVICE", "cpu")
"""Where torch's competitors train."""


def network(task: Task) -> nn.Module:
    """The module of a task."""
    if not task.layers:
        return Transformer()
    layers: list[nn.Module] = []
    for i, (width, after) in enumerate(zip(task.layers, task.layers[1:], strict=False)):
        layers.append(nn.Linear(width, after))
        if i < len(task.layers) - 2:
            layers += [nn.BatchNorm1d(after)] if task.norm else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def set_up(task: Task) -> None:
    """One thread pool of the size that was asked for."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)

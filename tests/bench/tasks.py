"""Tasks: what is trained, the same for us and for every peer. Imports nothing but numpy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Task:
    """One benchmark.

    Attributes:
        name: As on the command line.
        layers: Widths of a multilayer perceptron; () for the transformer.
        rows: Of the table.
        batch: Rows a batch.
        threads: Of every competitor.
        epochs: Timed together in one round, at least.
        norm: Whether BatchNorm stands between the layers.
    """

    name: str
    layers: tuple[int, ...]
    rows: int
    batch: int
    threads: int
    epochs: int
    norm: bool = True

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.rows // self.batch


TASKS = {
    task.name: task
    for task in (
        Task("small", (30, 32, 32, 2), 8000, 64, threads=1, epochs=8),
        Task("medium", (4, 512, 256, 128, 2), 8000, 64, threads=2, epochs=2),
        Task("large", (784, 2048, 2048, 10), 6400, 64, threads=2, epochs=1, norm=False),
        Task("transformer", (), 640, 32, threads=2, epochs=1),
    )
}

WIDTH, HEADS, DEPTH, LENGTH, CLASSES = 128, 4, 2, 64, 10
"""Of the transformer: pre-norm encoder layers of feed-forward width 4 x WIDTH, mean pooling."""

RATE = 1e-3


def arrays(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Inputs float32 [rows, ...] and classes int64 [rows]."""
    drawn = np.random.default_rng(0)
    shape = (task.rows, task.layers[0]) if task.layers else (task.rows, LENGTH, WIDTH)
    classes = task.layers[-1] if task.layers else CLASSES
    x = drawn.standard_normal(shape).astype(np.float32)
    return x, drawn.integers(0, classes, task.rows)

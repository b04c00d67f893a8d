"""JAX, `jit`: one jitted step a call, in a Python loop."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from tests.bench.peers.jax_models import OPTIMIZER, init, step
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    x, y = map(jnp.array, arrays(task))
    params, running = init(task)
    held = [(params, running, OPTIMIZER.init(params)), jax.random.key(0)]
    jitted = jax.jit(lambda carry, rows: step(carry, (x[rows], y[rows])))

    def run(epochs: int) -> dict[str, float]:
        for _ in range(epochs):
            held[1], key = jax.random.split(held[1])
            order = jax.random.permutation(key, len(x))
            told = []
            for i in range(task.steps):
                rows = order[i * task.batch : (i + 1) * task.batch]
                held[0], found = jitted(held[0], rows)
                told.append(found)
            loss = sum(float(part) for part, _ in told) / len(told)
            right = sum(int(part) for _, part in told) / (task.steps * task.batch)
            scores = {"loss": loss, "accuracy": right, "lr": RATE}
        return scores

    return run

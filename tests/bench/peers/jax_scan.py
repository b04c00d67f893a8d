"""JAX, `lax.scan`: a whole epoch in one jitted call."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tests.bench.peers.jax_models import OPTIMIZER, init, step
from tests.bench.tasks import RATE, Task, arrays


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    x, y = map(jnp.array, arrays(task))
    params, running = init(task)
    held = [(params, running, OPTIMIZER.init(params)), jax.random.key(0)]

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def epoch(carry: Any, key: Any) -> Any:
        order = jax.random.permutation(key, len(x))[: task.steps * task.batch]
        rows = order.reshape(task.steps, task.batch)
        carry, (losses, right) = jax.lax.scan(lambda c, i: step(c, (x[i], y[i])), carry, rows)
        return carry, losses.mean(), right.sum() / rows.size

    def run(epochs: int) -> dict[str, float]:
        for _ in range(epochs):
            held[1], key = jax.random.split(held[1])
            held[0], loss, right = epoch(held[0], key)
            scores = {"loss": float(loss), "accuracy": float(right), "lr": RATE}
        return scores

    return run

"""JAX models: the same networks, written as functions of a pytree of parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.bench.tasks import CLASSES, DEPTH, HEADS, RATE, WIDTH, Task

OPTIMIZER = optax.adam(RATE)


def _dense(drawn: np.random.Generator, width: int, after: int) -> dict[str, Any]:
    bound = width**-0.5
    return {
        "w": jnp.array(drawn.uniform(-bound, bound, (width, after)), jnp.float32),
        "b": jnp.array(drawn.uniform(-bound, bound, after), jnp.float32),
    }


def _norm(width: int) -> dict[str, Any]:
    return {"scale": jnp.ones(width), "shift": jnp.zeros(width)}


def init(task: Task) -> tuple[Any, Any]:
    """Parameters and running statistics."""
    drawn = np.random.default_rng(0)
    if not task.layers:
        layers = [
            {
                "norm1": _norm(WIDTH),
                "qkv": _dense(drawn, WIDTH, 3 * WIDTH),
                "out": _dense(drawn, WIDTH, WIDTH),
                "norm2": _norm(WIDTH),
                "up": _dense(drawn, WIDTH, 4 * WIDTH),
                "down": _dense(drawn, 4 * WIDTH, WIDTH),
            }
            for _ in range(DEPTH)
        ]
        return {"layers": layers, "head": _dense(drawn, WIDTH, CLASSES)}, []
    params, running = [], []
    last = len(task.layers) - 2
    for i, (width, after) in enumerate(zip(task.layers, task.layers[1:], strict=False)):
        params.append(_dense(drawn, width, after))
        if task.norm and i < last:
            params[-1]["norm"] = _norm(after)
            running.append({"mean": jnp.zeros(after), "var": jnp.ones(after)})
    return params, running


def _apply(layer: Any, x: Any) -> Any:
    return x @ layer["w"] + layer["b"]


def _layer_norm(norm: Any, x: Any) -> Any:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-5) * norm["scale"] + norm["shift"]


def _encoder(params: Any, x: Any) -> Any:
    rows, length, _ = x.shape
    for layer in params["layers"]:
        qkv = _apply(layer["qkv"], _layer_norm(layer["norm1"], x))
        q, k, v = qkv.reshape(rows, length, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
        weights = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / (WIDTH // HEADS) ** 0.5)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(rows, length, WIDTH)
        x = x + _apply(layer["out"], mixed)
        x = x + _apply(
            layer["down"], jax.nn.relu(_apply(layer["up"], _layer_norm(layer["norm2"], x)))
        )
    return _apply(params["head"], x.mean(1))


def _forward(params: Any, running: Any, x: Any) -> tuple[Any, Any]:
    if isinstance(params, dict):
        return _encoder(params, x), running
    after: list[Any] = []
    for i, layer in enumerate(params):
        x = _apply(layer, x)
        if "norm" in layer:
            mean, var = x.mean(0), x.var(0)
            seen = running[len(after)]
            free = var * len(x) / (len(x) - 1)
            after.append(
                {"mean": 0.9 * seen["mean"] + 0.1 * mean, "var": 0.9 * seen["var"] + 0.1 * free}
            )
            x = (x - mean) / jnp.sqrt(var + 1e-5) * layer["norm"]["scale"] + layer["norm"]["shift"]
        if i < len(params) - 1:
            x = jax.nn.relu(x)
    return x, after


def step(carry: Any, batch: Any) -> tuple[Any, Any]:
    """One step: ((params, running, opt_state), (x, y)) to the next and (loss, right answers)."""
    params, running, opt_state = carry
    x, y = batch

    def loss_of(params: Any) -> Any:
        out, after = _forward(params, running, x)
        loss = optax.softmax_cross_entropy_with_integer_labels(out, y).mean()
        return loss, (after, (out.argmax(1) == y).sum())

    (loss, (running, right)), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    updates, opt_state = OPTIMIZER.update(grads, opt_state)
    return (optax.apply_updates(params, updates), running, opt_state), (loss, right)

"""Rules: pure, of steady structure, and equal to an oracle of torch.optim (law 7)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import LawError
from artifact_fn.optim.transform import Params, Rule, Transform
from artifact_fn.testing.purity import check_pure

SHAPES = {"matrix": (33, 17), "vector": (13,), "scalar": (), "empty": (0,), "one": (1, 1)}


def parameters(dtype: torch.dtype = torch.float32) -> Params:
    """Parameters of every shape that matters."""
    keys = random.split(random.key(1), len(SHAPES))
    return {
        name: random.normal(key, shape, dtype=dtype)
        for key, (name, shape) in zip(keys, SHAPES.items(), strict=True)
    }


def gradients(params: Params, step: int) -> Params:
    """Gradients of all sizes, a function of the step; now and then all zeros."""
    keys = random.split(random.fold_in(random.key(2), step), len(params))
    scale = 0.0 if step % 13 == 5 else 10.0 ** (step % 5 - 2)
    return {
        name: random.normal(key, param.shape, dtype=param.dtype) * scale
        for key, (name, param) in zip(keys, params.items(), strict=True)
    }


def check_transform(part: Transform | Rule, *, dtype: torch.dtype = torch.float32) -> None:
    """A transform or rule is pure, and keeps the structure and dtypes of its state and trees.

    Args:
        part: Tried on parameters and gradients of many shapes and sizes.
        dtype: Of the parameters.

    Raises:
        LawError: it does not.

    Example:
        >>> from artifact_fn.optim import clip_by_value
        >>> check_transform(clip_by_value(1.0))
    """
    params = parameters(dtype)
    state = check_pure(part.init, params)
    for step in range(3):
        answer, after = check_pure(part.update, gradients(params, step), state, params)
        for what, old, new in (("its state", state, after), ("the tree", params, answer)):
            if _kinds(old) != _kinds(new):
                changed = sorted(_kinds(old).items() ^ _kinds(new).items())[0]
                raise LawError(
                    f"an update keeps the structure, shapes and dtypes of {what}",
                    got=f"a change at {changed[0]}",
                    do="cast scalars to the parameter's dtype, and keep every entry",
                )
        check_pure(part.report, after)
        state = after


def check_rule(
    rule: Rule,
    oracle: Callable[[list[Tensor]], torch.optim.Optimizer],
    *,
    steps: int = 100,
    dtype: torch.dtype = torch.float32,
) -> None:
    """A rule makes the parameters that an optimizer of torch makes, bit for bit.

    Args:
        rule: To be checked.
        oracle: Parameters to the optimizer; give it `foreach=False`.
        steps: How many updates, on gradients of all sizes.
        dtype: Of the parameters.

    Raises:
        LawError: they differ; names the step and the parameter.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> check_rule(sgd(0.1), lambda ps: torch.optim.SGD(ps, lr=0.1, foreach=False))
    """
    check_transform(rule, dtype=dtype)
    params = parameters(dtype)
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    optimizer, state = oracle(list(theirs.values())), rule.init(params)
    for step in range(steps):
        grads = gradients(params, step)
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        optimizer.step()
        params, state = rule.update(grads, state, params)
        expected = {name: param.detach() for name, param in theirs.items()}
        if not tree.identical(params, expected):
            raise LawError(
                "a rule makes the parameters that its oracle makes, bit for bit",
                got=f"another value at {tree.first_difference(params, expected)} in step {step}",
                do="follow the oracle's order of operations: addcmul(a, b, c) and a + b * c "
                "round differently, and so do pow(x, 0.5) and sqrt(x)",
            )


def _kinds(value: Any) -> dict[str, str]:
    return {path: f"{leaf.dtype} {list(leaf.shape)}" for path, leaf in tree.paths(value).items()}

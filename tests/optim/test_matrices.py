"""Muon: equal to torch's on matrices, and refused elsewhere."""

from typing import Any

import pytest
import torch

from artifact_fn import random, tree
from artifact_fn.errors import OptimError
from artifact_fn.optim import muon

SHAPES = {"wide": (5, 9), "tall": (12, 4), "square": (6, 6)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.02, "momentum": 0.8, "nesterov": False, "weight_decay": 0.0},
        {"ns_steps": 3},
        {"adjust_lr_fn": "match_rms_adamw"},
        {"adjust_lr_fn": "original", "ns_coefficients": (2.0, -1.5, 0.5)},
    ],
    ids=str,
)
def test_bit_equal_to_torch_optim(options: dict[str, Any], dtype: torch.dtype) -> None:
    params = {n: random.normal(random.key(1), s, dtype=dtype) for n, s in SHAPES.items()}
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    rule, oracle = muon(**options), torch.optim.Muon(list(theirs.values()), **options)
    state = rule.init(params)
    assert not rule.elementwise
    for step in range(100):
        scale = 0.0 if step % 13 == 5 else 1.0
        grads = {
            n: random.normal(random.fold_in(random.key(2), step), p.shape, dtype=dtype) * scale
            for n, p in params.items()
        }
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        oracle.step()
        params, state = rule.update(grads, state, params)
        assert tree.identical(params, {n: p.detach() for n, p in theirs.items()}), f"step {step}"
    for name, ours in state.moments["momentum_buffer"].items():
        assert tree.identical(ours, oracle.state[theirs[name]]["momentum_buffer"])


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(OptimError, match=r"muon moves matrices; got b of shape \[3\]; give it"):
        muon().init({"b": torch.zeros(3)})

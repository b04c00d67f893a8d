"""Modes: every rule means the same eager, compiled and vmapped; and lion what its paper says."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artifact_fn import optim, random, tree
from artifact_fn.optim import Rule
from artifact_fn.training import compiled
from artifact_fn.training.statistics import Metrics

RULES: dict[str, Rule] = {
    "sgd": optim.sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": optim.adam(0.1, amsgrad=True, weight_decay=0.1),
    "adamw": optim.adamw(optim.cosine(0.1, steps=9)),
    "nadam": optim.nadam(0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": optim.radam(0.1, betas=(0.9, 0.6), weight_decay=0.1),
    "adamax": optim.adamax(0.1),
    "adagrad": optim.adagrad(0.1, lr_decay=0.1),
    "adadelta": optim.adadelta(0.1),
    "rmsprop": optim.rmsprop(0.1, centered=True, momentum=0.9, eps=0.1),
    "asgd": optim.asgd(0.1, t0=2.0, lambd=0.1),
    "rprop": optim.rprop(0.1),
    "lion": optim.lion(0.1, weight_decay=0.1),
    "muon": optim.muon(0.1),
    "clipped": optim.chain(optim.clip_by_norm(0.5), optim.scheduled(
        optim.sgd(optim.one_cycle(0.1, steps=20), momentum=0.9),
        momentum=optim.cyclic(0.8, peak=0.9, up=2),
    )),
    "guarded": optim.ema(optim.skip_nonfinite(optim.swa(optim.adamw(0.1), start=2)), 0.9),
}  # fmt: skip
PARAMS = {n: random.normal(random.key(i), (3, 4), dtype=torch.float64) for i, n in enumerate("ab")}
STEPS = 6


def gradients(step: int) -> dict[str, Tensor]:
    return {
        name: random.normal(random.fold_in(random.key(9), step), (3, 4), dtype=torch.float64) * 0.7
        for name in PARAMS
    }


def update_all(held: Any, grads: Any) -> tuple[Any, Metrics]:
    """One update of every rule, as one step."""
    return {n: RULES[n].update(grads, state, params) for n, (params, state) in held.items()}, {}


def test_all_rules_compiled_are_the_eager_ones() -> None:
    one = {"a": PARAMS["a"]}  # a graph of all rules takes its time
    eager: Any = {name: (one, rule.init(one)) for name, rule in RULES.items()}
    found, wrapped = eager, compiled(update_all)
    for step in range(STEPS):
        grads = {"a": gradients(step)["a"]}
        eager, _ = update_all(eager, grads)
        found, _ = wrapped(found, grads)
    for name in RULES:
        # Muon iterates in bfloat16, of 8 bits, and a compiler keeps more of them in between.
        rtol, atol = (0.0, 3e-2) if name == "muon" else (1e-11, 1e-12)
        for path, leaf in tree.paths(found[name]).items():
            other = tree.paths(eager[name])[path]
            torch.testing.assert_close(leaf, other, rtol=rtol, atol=atol, msg=f"{name} {path}")


@pytest.mark.parametrize("name", RULES)
def test_members_under_vmap_are_the_single_runs(name: str) -> None:
    rule = RULES[name]
    members = [{n: p * scale for n, p in PARAMS.items()} for scale in (1.0, -2.0)]
    single: list[Any] = [(params, rule.init(params)) for params in members]
    together = tree.map(lambda a, b: torch.stack([a, b]), *single)
    for step in range(STEPS):
        grads = gradients(step)
        single = [rule.update(grads, state, params) for params, state in single]
        together = torch.vmap(lambda params, state, grads=grads: rule.update(grads, state, params))(
            *together
        )
    atol = 3e-2 if name == "muon" else 1e-13
    for i, one in enumerate(single):
        for path, leaf in tree.paths(tree.map(lambda leaf, at=i: leaf[at], together)).items():
            torch.testing.assert_close(
                leaf, tree.paths(one)[path], rtol=1e-12, atol=atol, msg=f"{path} of member {i}"
            )


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.95, 0.98), (0.0, 0.5)], ids=str)
def test_lion_is_algorithm_2_of_its_paper(betas: tuple[float, float], decay: float) -> None:
    """In numpy, float64, from arXiv 2302.06675: no line of it is shared with the rule."""
    rate, (beta1, beta2) = 0.01, betas
    rule = optim.lion(rate, betas=betas, weight_decay=decay)
    # So many numbers that some sign turns over where a beta is wrong in its fourth digit.
    params = {"w": random.normal(random.key(5), (300, 300), dtype=torch.float64)}
    state, theta = rule.init(params), params["w"].numpy()
    m = np.zeros_like(theta)
    for step in range(15):
        grad = random.normal(random.fold_in(random.key(6), step), (300, 300), dtype=torch.float64)
        params, state = rule.update({"w": grad}, state, params)
        g = grad.numpy()
        c = beta1 * m + (1 - beta1) * g
        theta = theta - rate * (np.sign(c) + decay * theta)
        m = beta2 * m + (1 - beta2) * g
    np.testing.assert_allclose(params["w"].numpy(), theta, rtol=1e-12, atol=1e-13)
    moment = state.moments["exp_avg"]["w"].numpy()
    np.testing.assert_allclose(moment, m, rtol=1e-12, atol=1e-15)


def test_both_rates_of_a_mask_are_told() -> None:
    rule = optim.masked(optim.muon(0.1), lambda name, _: name == "a", otherwise=optim.adamw(0.2))
    told = rule.report(rule.init(PARAMS))
    assert {n: v.item() for n, v in told.items()} == {"lr": 0.1, "lr[otherwise]": 0.2}

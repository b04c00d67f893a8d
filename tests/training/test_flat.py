"""Flat storage: the same step, whose parameters are one vector."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import optim, tree
from artifact_fn.optim import Optimizer
from artifact_fn.training import TrainState, functional, sequence, supervised, train_step
from artifact_fn.training.flat import storage
from tests.training.examples import columns, parts

FLAT: dict[str, Optimizer] = {
    "sgd": optim.sgd(0.1, momentum=0.9, weight_decay=0.01),
    "adam": optim.adam(0.01, amsgrad=True),
    "rprop": optim.rprop(0.01),
    "asgd": optim.asgd(0.01),
    "nadam": optim.nadam(0.01),
    "clipped": optim.chain(optim.clip_by_value(0.01), optim.lion(0.01)),
    "normed": optim.chain(optim.clip_by_global_norm(0.1), optim.adamw(optim.cosine(0.1, steps=9))),
}


@pytest.mark.parametrize("name", FLAT)
def test_a_step_over_stored_states_is_the_step(name: str) -> None:
    p = parts(FLAT[name], dtype=torch.float64)
    stored = storage(p.step, p.state)
    assert stored.step is not p.step
    assert stored.state.params.keys() == {"torch.float64"}
    state, flat = p.state, stored.state
    for _ in range(3):
        state, metrics = p.step(state, columns(8, dtype=torch.float64))
        flat, found = stored.step(flat, columns(8, dtype=torch.float64))
    back = stored.leave(tree.leaves(flat))
    for leaf, expected in zip(back, tree.leaves(state), strict=True):
        # To rounding: a norm is summed in another order, and Adam makes more of what is nearly zero.
        torch.testing.assert_close(leaf, expected, rtol=1e-9, atol=1e-10)
    for leaf, expected in zip(tree.leaves(found), tree.leaves(metrics), strict=True):
        torch.testing.assert_close(leaf, expected, rtol=1e-9, atol=1e-10)


def test_what_enters_comes_back() -> None:
    with torch.random.fork_rng():
        model = functional(lambda: nn.Sequential(nn.Linear(2, 3).double(), nn.Linear(3, 2)))
    state = TrainState.create(model, optim.adam(0.1), seed=0)
    stored = storage(train_step(supervised(model, F.cross_entropy), optim.adam(0.1)), state)
    assert stored.state.params.keys() == {"torch.float64", "torch.float32"}
    entered = stored.enter(tree.leaves(state))
    assert tree.identical(entered, tree.leaves(stored.state))
    assert tree.identical(stored.leave(entered), tree.leaves(state))


def test_a_large_tensor_stays_by_itself() -> None:
    with torch.random.fork_rng():
        model = functional(lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 4_000)))
    rule = optim.adam(0.1)
    state = TrainState.create(model, rule, seed=0)
    step = train_step(supervised(model, F.cross_entropy), rule)
    stored = storage(step, state)
    sizes = [leaf.numel() for leaf in stored.state.params.values()]
    assert sorted(sizes) == [4 * 3 + 3 + 4_000, 3 * 4_000]
    batch = columns(8)
    after, _ = stored.step(stored.state, batch)
    expected, _ = step(state, batch)
    for leaf, other in zip(stored.leave(tree.leaves(after)), tree.leaves(expected), strict=True):
        torch.testing.assert_close(leaf, other)


def halves(optimizer: Optimizer, **options: Any) -> tuple[Any, TrainState]:
    p = parts(optimizer)
    return train_step(p.objective, optimizer, **options), p.state


@pytest.mark.parametrize(
    "make",
    [
        lambda: halves(optim.by_path({"0.*": optim.sgd(0.1), "*": optim.adam(0.1)})),
        lambda: halves(optim.sgd(0.1), only="0.*"),
        lambda: (sequence(*[parts().step] * 2), parts().state),
        lambda: (lambda state, batch: (state, {}), {"w": torch.ones(2)}),
    ],
    ids=["groups", "some parameters", "a sequence", "a function"],
)
def test_any_other_step_keeps_its_state(make: Any) -> None:
    step, state = make()
    stored = storage(step, state)
    assert stored.step is step
    assert tree.identical(stored.enter(tree.leaves(state)), tree.leaves(stored.state))
    assert tree.identical(stored.leave(tree.leaves(state)), tree.leaves(state))


def test_a_norm_of_each_parameter_would_be_noticed() -> None:
    """A broken build: a transform that says it is elementwise, and looks at shapes."""

    def scaled(grads: dict[str, Tensor], state: Any, params: Any) -> Any:
        return {name: grad / grad.norm() for name, grad in grads.items()}, state

    liar = optim.Transform(lambda params: (), scaled, elementwise=True)
    p = parts(optim.chain(liar, optim.sgd(0.1)))
    stored = storage(p.step, p.state)
    after, _ = p.step(p.state, columns(8))
    flat, _ = stored.step(stored.state, columns(8))
    back = stored.leave(tree.leaves(flat))
    assert any(
        not torch.allclose(a, b, rtol=1e-3) for a, b in zip(back, tree.leaves(after), strict=True)
    )

"""Step: against a plain torch loop, and what it reports."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from artifact_fn import optim, random, tree
from artifact_fn.errors import KeyDataError, ModelError
from artifact_fn.optim import cosine, sgd
from artifact_fn.training import TrainState, eval_step, functional, supervised, train_step
from tests.training.examples import columns, loader, parts


def test_twenty_steps_are_those_of_a_plain_torch_loop() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    model = functional(build)
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adamw(1e-2))
    state = TrainState.create(model, optimizer, seed=3)
    step = train_step(supervised(model, F.cross_entropy), optimizer)

    with torch.random.fork_rng():
        module = build()
    module.load_state_dict({**state.params, **state.buffers})
    theirs = torch.optim.AdamW(module.parameters(), lr=1e-2, foreach=False)
    for batch in [b for epoch in (1, 2) for b in loader(75, 8).batches(random.key(1), epoch)]:
        theirs.zero_grad()
        loss = F.cross_entropy(module.train()(batch["x"]), batch["y"])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), 0.5, foreach=False)
        theirs.step()
        state, metrics = step(state, batch)
        torch.testing.assert_close(metrics["loss"].answer(), loss.detach().double())
        torch.testing.assert_close(metrics["grad_norm"].answer(), norm.double())
    assert state.step.item() == 20
    ours = {**state.params, **state.buffers}
    assert tree.identical(ours, {name: module.state_dict()[name] for name in ours})


def test_the_rate_that_is_reported_is_the_one_that_was_used() -> None:
    schedule = cosine(0.5, steps=4)
    p = parts(sgd(schedule))
    state = p.state
    for count in range(6):
        state, metrics = p.step(state, columns(6))
        assert metrics["lr"].answer().item() == schedule(torch.tensor(count)).item()


def test_each_step_draws_new_masks_and_each_repetition_the_same() -> None:
    p = parts(sgd(0.0))
    batch = columns(40)
    once, first = p.step(p.state, batch)
    again, repeated = p.step(p.state, batch)
    assert tree.identical((once, first), (again, repeated))
    _, second = p.step(once, batch)
    assert first["loss"].answer() != second["loss"].answer()


def test_evaluation_moves_nothing_but_the_count() -> None:
    p = parts()
    state, metrics = eval_step(p.objective)(p.state, columns(10))
    assert state.step.item() == 1
    assert tree.identical(tree.replace(state, step=p.state.step), p.state)
    assert set(metrics) == {"loss", "accuracy", "confusion"}
    _, again = eval_step(p.objective)(state, columns(10))
    assert tree.identical(metrics["loss"], again["loss"]), "dropout is off in evaluation"


def test_frozen_parameters_stay_and_the_optimizer_never_sees_them() -> None:
    def build() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
        module[0].requires_grad_(False)
        return module

    model, optimizer = functional(build), optim.adamw(0.1)
    state = TrainState.create(model, optimizer, seed=0)
    assert set(state.opt_state.exp_avg) == {"2.weight", "2.bias"}
    after, _ = train_step(supervised(model, F.cross_entropy), optimizer)(state, columns(9))
    assert after.buffers["0.weight"] is state.buffers["0.weight"]
    assert not torch.equal(after.params["2.weight"], state.params["2.weight"])


def test_a_state_needs_something_to_train_and_a_seed() -> None:
    with pytest.raises(ModelError, match=r"there is nothing to train; got a model without"):
        TrainState.create(functional(nn.ReLU), sgd(0.1), seed=0)
    with pytest.raises(KeyDataError, match=r"a seed is an integer"):
        TrainState.create(functional(lambda: nn.Linear(1, 1)), sgd(0.1), seed=-1)


def test_a_state_has_a_short_repr() -> None:
    assert repr(parts().state) == "TrainState(step=0, 83 parameters)"

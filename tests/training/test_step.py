"""Step: against a plain torch loop, and what it reports."""

import fnmatch

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from artifact_fn import optim, random, tree
from artifact_fn.errors import (
    KeyDataError,
    MetricError,
    ModelError,
    ObjectiveError,
    OptimError,
)
from artifact_fn.optim import cosine, sgd
from artifact_fn.training import (
    TrainState,
    autocast,
    eval_step,
    functional,
    sequence,
    supervised,
    train_step,
)
from artifact_fn.training.state import selected_params
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
    assert set(state.opt_state.moments["exp_avg"]) == {"2.weight", "2.bias"}
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


@pytest.mark.parametrize("parts_of_batch", [2, 3, 4, 20])
def test_a_batch_in_parts_is_the_whole_batch(parts_of_batch: int) -> None:
    """The last part is short (11 rows), and weighs what it holds."""
    model = functional(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double())
    optimizer = sgd(0.1)
    state = TrainState.create(model, optimizer, seed=0)
    goal = supervised(model, F.cross_entropy)
    batch = columns(11, dtype=torch.float64)
    whole, told = train_step(goal, optimizer)(state, batch)
    in_parts, told_in_parts = train_step(goal, optimizer, accumulate=parts_of_batch)(state, batch)
    torch.testing.assert_close(tree.paths(in_parts), tree.paths(whole), rtol=1e-12, atol=1e-12)
    for name in told:
        torch.testing.assert_close(told_in_parts[name].answer(), told[name].answer())


def test_parts_of_a_batch_draw_masks_of_their_own() -> None:
    p = parts(sgd(0.0))
    x = columns(8)
    twice = {name: torch.cat([column, column]) for name, column in x.items()}
    _, metrics = train_step(p.objective, p.optimizer, accumulate=2)(p.state, twice)
    _, half = p.step(p.state, x)
    assert metrics["loss"].answer() != half["loss"].answer()


def test_mixed_precision_is_near_and_keeps_the_state_wide() -> None:
    p = parts(sgd(0.1))
    narrow = train_step(autocast(p.objective), p.optimizer)
    state, told = narrow(p.state, columns(64))
    _, wide = p.step(p.state, columns(64))
    assert {leaf.dtype for leaf in state.params.values()} == {torch.float32}
    loss, expected = told["loss"].answer().item(), wide["loss"].answer().item()
    assert loss == pytest.approx(expected, rel=2e-2)
    assert told["grad_norm"].answer() != wide["grad_norm"].answer(), "nothing was narrowed"
    for dtype in (torch.float16, torch.int8):
        with pytest.raises(
            ObjectiveError, match=r"range of float32; got torch.*; use torch.bfloat1"
        ):
            autocast(p.objective, dtype)


def test_steps_in_sequence_are_steps_one_after_the_other() -> None:
    p = parts(sgd(0.1))
    one, two = (train_step(p.objective, sgd(0.1), name=name) for name in ("a", "b"))
    state = TrainState.create(p.model, {"a": sgd(0.1), "b": sgd(0.1)}, seed=0)
    both, told = sequence(one, two)(state, columns(9))
    after_one, told_one = one(state, columns(9))
    after_two, told_two = two(after_one, columns(9))
    assert tree.identical(both, after_two)
    assert tree.identical(told, {**told_one, **told_two})
    with pytest.raises(MetricError, match=r"the same metric; got accuracy, confusion, grad_norm, "):
        sequence(p.step, p.step)(p.state, columns(9))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*", ["a.0.weight", "a.0.bias", "a.b.weight"]),
        ("*/weight", ["a.0.weight", "a.b.weight", "b.weight"]),
        ("a/*/weight", ["a.0.weight", "a.b.weight"]),
        ("*a*b*", ["a.0.bias", "a.b.weight"]),
        ("b/weight", ["b.weight"]),
        ("*", ["a.0.weight", "a.0.bias", "a.b.weight", "b.weight"]),
    ],
)
def test_patterns_of_parameters(pattern: str, expected: list[str]) -> None:
    params = {n: torch.ones(1) for n in ("a.0.weight", "a.0.bias", "a.b.weight", "b.weight")}
    assert list(selected_params(params, pattern)) == expected
    assert expected == [n for n in params if fnmatch.fnmatchcase(n.replace(".", "/"), pattern)]


def test_what_names_nothing_is_refused() -> None:
    p = parts()
    with pytest.raises(
        OptimError, match=r"no parameter matches 'head/\*'; got parameters 0/weight,"
    ):
        selected_params(p.state.params, "head/*")
    with pytest.raises(OptimError, match=r"no optimizer is called 'c'; got optimizers a; name one"):
        TrainState.create(p.model, {"a": sgd(0.1)}, seed=0, only={"c": "*"})
    with pytest.raises(OptimError, match=r"at least 1 part; got accumulate=0; give a whole"):
        train_step(p.objective, p.optimizer, accumulate=0)

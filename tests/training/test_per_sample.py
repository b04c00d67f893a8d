"""Per-sample gradients: those of a loop over rows, and their clipped mean."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import optim, random, tree
from artifact_fn.errors import ObjectiveError, OptimError
from artifact_fn.testing import check_step
from artifact_fn.testing.purity import check_pure
from artifact_fn.training import TrainState, functional, metrics, supervised, train_step
from artifact_fn.training.per_sample import clipped_grads, per_sample_grads
from artifact_fn.training.statistics import answers
from tests.training.examples import columns


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)).double()


def pieces(build: Any = plain) -> Any:
    model = functional(build)
    objective = supervised(model, F.cross_entropy, metrics=[metrics.accuracy()])
    return objective, *model.init(0), columns(7, dtype=torch.float64)


def looped(objective: Any, params: Any, buffers: Any, batch: Any, key: Tensor) -> list[Any]:
    def loss(params: Any, row: Any, i: int) -> Tensor:
        found: Tensor = objective(params, buffers, row, random.fold_in(key, i), True)[0]
        return found

    size = len(batch["x"])
    each = [tree.map(lambda leaf, i=i: leaf[i : i + 1], batch) for i in range(size)]
    return [torch.func.grad(loss)(params, row, i) for i, row in enumerate(each)]


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3)).double()


@pytest.mark.parametrize("build", [plain, with_dropout])
def test_gradients_are_those_of_a_loop_over_rows(build: Any) -> None:
    objective, params, buffers, batch = pieces(build)
    key = random.key(3)
    grads, _ = check_pure(per_sample_grads(objective), params, buffers, batch, key)
    expected = looped(objective, params, buffers, batch, key)
    for path, grad in grads.items():
        assert grad.shape == (7, *params[path].shape)
        theirs = torch.stack([one[path] for one in expected])
        torch.testing.assert_close(grad, theirs, rtol=1e-12, atol=1e-14)


def test_their_mean_and_their_metrics_are_those_of_the_batch() -> None:
    objective, params, buffers, batch = pieces()
    grads, told = per_sample_grads(objective)(params, buffers, batch, random.key(3))
    whole, aux = torch.func.grad(
        lambda p: objective(p, buffers, batch, random.key(3), True), has_aux=True
    )(params)
    for path, grad in whole.items():
        torch.testing.assert_close(grads[path].mean(0), grad, rtol=1e-12, atol=1e-14)
    assert answers(told)[0] == pytest.approx(answers(aux.metrics)[0])


def test_each_row_is_clipped_by_itself() -> None:
    objective, params, buffers, batch = pieces()
    key = random.key(3)
    rows = looped(objective, params, buffers, batch, key)
    norms = [optim.global_norm(row).item() for row in rows]
    limit = sorted(norms)[3]
    clip = optim.clip_by_global_norm(limit)
    clipped = [clip.update(row, (), params)[0] for row in rows]
    found, _ = check_pure(clipped_grads(objective, limit), params, buffers, batch, key)
    for path, grad in found.items():
        theirs = torch.stack([row[path] for row in clipped]).mean(0)
        torch.testing.assert_close(grad, theirs, rtol=1e-12, atol=1e-14)


def test_a_step_clips_rows_eager_vmapped_and_compiled() -> None:
    model = functional(with_dropout)
    objective, rule = supervised(model, F.cross_entropy), optim.sgd(0.1)
    state, batch = TrainState.create(model, rule, seed=0), columns(8, dtype=torch.float64)
    step = train_step(objective, rule, clip_rows=0.5)
    check_step(step, state, batch, rtol=1e-10)
    after, _ = step(state, batch)
    key = random.fold_in(state.key, state.step)
    grads, _ = clipped_grads(objective, 0.5)(state.params, state.buffers, batch, key)
    expected, _ = rule.update(grads, state.opt_state, state.params)
    assert tree.identical(after.params, expected)
    free, _ = train_step(objective, rule, clip_rows=1e9)(state, batch)
    assert not tree.identical(after.params, free.params)


def test_a_part_of_the_parameters_is_clipped_alike() -> None:
    model, rules = functional(plain), {"head": optim.sgd(0.1)}
    objective = supervised(model, F.cross_entropy)
    state = TrainState.create(model, rules, seed=0, only={"head": "3/*"})
    step = train_step(objective, rules["head"], name="head", only="3/*", clip_rows=1e9)
    batch = columns(6, dtype=torch.float64)
    ours, _ = step(state, batch)
    theirs, _ = train_step(objective, rules["head"], name="head", only="3/*")(state, batch)
    torch.testing.assert_close(ours.params, theirs.params, rtol=1e-12, atol=1e-14)
    assert tree.identical(ours.params["0.weight"], state.params["0.weight"])


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double(),
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 4)), nn.BatchNorm1d(1), nn.Flatten(), nn.Linear(4, 3)
        ).double(),
    ],
    ids=["over rows", "over rows and places"],
)
def test_rows_that_depend_on_each_other_are_refused(build: Any) -> None:
    objective, params, buffers, batch = pieces(build)
    with pytest.raises(
        ObjectiveError, match=r"gradient is its own; got a module .*; use GroupNorm"
    ):
        per_sample_grads(objective)(params, buffers, batch, random.key(0))


def test_impossible_norms_are_refused() -> None:
    objective, *_ = pieces()
    for make in (
        lambda: clipped_grads(objective, 0.0),
        lambda: train_step(objective, optim.sgd(0.1), clip_rows=0.0),
    ):
        with pytest.raises(
            OptimError, match=r"to clip rows to is positive; got 0.0; give a number"
        ):
            make()

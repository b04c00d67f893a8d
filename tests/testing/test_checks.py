"""The checks: they pass what is right, and name the cause of what is broken."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from artifact_fn import optim, tree
from artifact_fn.errors import ArtifactFnError, LawError, ObjectiveError, PurityError
from artifact_fn.folds import Fold
from artifact_fn.testing import (
    check_fold,
    check_metric,
    check_pure,
    check_resume,
    check_rule,
    check_step,
    check_transform,
)
from artifact_fn.training import TrainState
from artifact_fn.training.metrics import Metric
from artifact_fn.training.statistics import Sum, mean
from tests.training.examples import columns, loader, parts

SGD = optim.sgd(0.05)


def buffers_not_cloned() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))

    def step(state: dict[str, Tensor], batch: Any) -> Any:
        functional_call(module, state, (batch["x"],))
        return state, {"loss": mean(torch.zeros(1))}

    held = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    check_pure(step, held, columns(6))


def a_number_in_the_state() -> None:
    p = parts(SGD)
    check_step(lambda s, b: (tree.replace(s, step=7), p.step(s, b)[1]), p.state, columns(6))


def a_key_used_twice() -> None:
    p = parts(SGD)

    def step(state: TrainState, batch: Any) -> Any:
        after, told = p.step(tree.replace(state, step=torch.zeros_like(state.step)), batch)
        return tree.replace(after, step=state.step + 1), told

    check_step(step, p.state, columns(12), compile=False, vmap=False)


def a_metric_that_averages_averages() -> None:
    def average(outputs: Any, batch: Any) -> Sum:
        return Sum(outputs[:, 0].mean())

    check_metric(Metric("average", average), columns(7)["x"], columns(7))


def a_fold_that_appends_to_its_carry() -> None:
    def step(carry: list[int], x: int) -> list[int]:
        carry.append(x)
        return carry

    check_fold(Fold(list, step, len), [1, 2, 3])


@pytest.mark.filterwarnings("ignore:.*global.*")
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            buffers_not_cloned,
            r"leaves its arguments as they are; got argument 0/1.\w+: aten::\w+ in BatchNorm1d.forward"
            r" .*; make a new tensor, or clone what a module writes into \(BatchNorm its buffers\)",
        ),
        (a_number_in_the_state, r"got step: torch.int64 \[\] on cpu before, int 7 after; answer a"),
        (a_key_used_twice, r"got the same draws in two steps: the key is used as it is; .*fold_in"),
        (
            a_metric_that_averages_averages,
            r"'average' of a whole is the merge of its parts; got .* from parts of 1 and 6 rows, .*"
            r"not an average, which counts a short batch as much as a long one",
        ),
        (
            a_fold_that_appends_to_its_carry,
            r"leaves the old carry as it is; got \[\] became \[1\] at element 0; .*carry.append",
        ),
    ],
)
def test_five_broken_builds_are_named(broken: Any, message: str) -> None:
    with pytest.raises(ArtifactFnError, match=message) as found, torch.random.fork_rng():
        broken()
    assert isinstance(found.value, LawError | ObjectiveError)


def test_a_sound_step_passes_everything() -> None:
    p = parts(optim.sgd(optim.cosine(0.1, steps=40), momentum=0.9))
    check_step(p.step, p.state, columns(16))
    check_resume(p.step, p.state, loader(11, 4))


def test_a_step_that_answers_a_view_is_caught() -> None:
    p = parts(SGD)

    def step(state: TrainState, batch: Any) -> Any:
        after, told = p.step(state, batch)
        return tree.replace(after, key=state.key.view(2)), told

    with pytest.raises(LawError, match=r"got state/key is a view of state/key; clone it"):
        check_step(step, p.state, columns(8), compile=False)


def test_a_step_with_a_hidden_count_is_caught() -> None:
    p, count = parts(SGD), itertools.count()

    def step(state: TrainState, batch: Any) -> Any:
        after, told = p.step(state, batch)
        return after, {**told, "calls": Sum(torch.tensor(next(count)))}

    with pytest.raises(
        PurityError, match=r"when it is asked again; got another value at 1/calls/value"
    ):
        check_step(step, p.state, columns(8), compile=False)


def test_a_step_that_remembers_outside_its_state_cannot_be_resumed() -> None:
    p, seen = parts(SGD), [0.0]

    def step(state: TrainState, batch: Any) -> Any:
        after, told = p.step(state, batch)
        seen[0] = 0.5 * seen[0] + 1.0
        params = {name: param * seen[0] for name, param in after.params.items()}
        return tree.replace(after, params=params), told

    with pytest.raises(
        LawError, match=r"with the same bits; got another params/.* epoch 1 after 1"
    ):
        check_resume(step, p.state, loader(11, 4))


def test_rules_that_round_otherwise_are_caught() -> None:
    def textbook() -> optim.Rule:
        rule = optim.adam(1e-2)

        def update(grads: Any, state: Any, params: Any) -> Any:
            _, state = rule.update(grads, state, params)
            time = state.count.double()
            moved = {}
            for name, param in params.items():
                m = state.moments["exp_avg"][name] / (1 - 0.9**time)
                v = state.moments["exp_avg_sq"][name] / (1 - 0.999**time)
                moved[name] = (param - 1e-2 * m / (v.sqrt() + 1e-8)).to(param.dtype)
            return moved, state

        return optim.Rule(rule.init, update)

    with pytest.raises(
        LawError, match=r"bit for bit; got another value at \w+ in step \d+; follow"
    ):
        check_rule(textbook(), lambda ps: torch.optim.Adam(ps, lr=1e-2, foreach=False))


def test_a_transform_that_widens_is_caught() -> None:
    def update(grads: Any, state: Any, params: Any) -> Any:
        return {name: grad.double() for name, grad in grads.items()}, state

    widening = optim.Transform(lambda params: (), update)
    with pytest.raises(LawError, match=r"shapes and dtypes of the tree; got a change at \w+; cast"):
        check_transform(widening)


def test_a_fold_with_state_in_its_closure_is_caught() -> None:
    seen: list[int] = []

    def step(carry: int, x: int) -> int:
        seen.append(x)
        return carry + len(seen)

    with pytest.raises(LawError, match=r"taken up at any cut ends the same; got another answer"):
        check_fold(Fold(lambda: 0, step, lambda carry: carry), [1, 2, 3])
    starts = itertools.count()
    with pytest.raises(LawError, match=r"every run of a fold starts the same; got init\(\)"):
        check_fold(Fold(lambda: next(starts), lambda c, x: c, lambda c: c), [1])


def test_draws_from_any_global_generator_are_caught() -> None:
    with (
        torch.random.fork_rng(),
        pytest.raises(LawError, match=r"never from a global generator; got aten::rand at "),
    ):
        check_pure(lambda x: x + torch.rand(2), torch.zeros(2))

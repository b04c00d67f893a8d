"""Law 1: steps, transforms, metrics and loaders leave everything as it was."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from artifact_fn import optim, random, tree
from artifact_fn.errors import LawError
from artifact_fn.optim import Rule, Transform
from artifact_fn.testing import check_pure
from artifact_fn.training import compiled, cuts, eval_step, evaluation, metrics
from artifact_fn.training.metrics import Metric
from artifact_fn.training.statistics import merge
from tests.training.examples import columns, loader, parts

OPTIMIZERS: dict[str, Rule | Transform] = {
    "sgd": optim.sgd(0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": optim.adam(0.1, weight_decay=0.1),
    "adamw": optim.adamw(optim.cosine(0.1, steps=5)),
    "chain": optim.chain(optim.clip_by_value(0.1), optim.sgd(0.1)),
    "clip_by_global_norm": optim.clip_by_global_norm(0.1),
    "clip_by_value": optim.clip_by_value(0.1),
}
METRICS: dict[str, Metric] = {
    "accuracy": metrics.accuracy(),
    "confusion": metrics.confusion(3),
    "own": metrics.metric("own", lambda outputs, batch: outputs[:, 0]),
    "roc_auc": metrics.metric(
        "roc_auc", lambda outputs, batch: metrics.roc_auc().measure(outputs[:, :2], batch)
    ),
}


@pytest.mark.parametrize("wrap", [lambda step: step, compiled], ids=["eager", "compiled"])
def test_training_and_evaluation_steps(wrap: Any) -> None:
    p = parts(
        optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(optim.cosine(1e-2, steps=40)))
    )
    check_pure(wrap(p.step), p.state, columns(16))
    check_pure(wrap(eval_step(p.objective)), p.state, columns(16))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_transforms_and_rules(name: str) -> None:
    part, params = OPTIMIZERS[name], parts().state.params
    grads = tree.map(lambda p: p * 3 + 1, params)
    state = check_pure(part.init, params)
    _, state = check_pure(part.update, grads, state, params)
    check_pure(part.update, grads, state, params)
    check_pure(part.report, state)


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    batch = columns(9)
    outputs = random.normal(random.key(1), (9, 3))
    statistic = check_pure(METRICS[name].measure, outputs, batch)
    check_pure(lambda a, b: merge([{"m": a}, {"m": b}]), statistic, statistic)


def test_loaders_cuts_and_routines() -> None:
    p, source = parts(), loader(11, 4)
    check_pure(lambda table, key: list(source.batches(key, 3)), source.table, random.key(1))
    check_pure(lambda state, table: list(cuts(p.step, state, source)), p.state, source.table)
    prepared = evaluation("val", p.objective, source).prepare(lambda step: step, p.state)

    def scores(state: Any) -> list[float]:
        return list(prepared.run(state)[0].values())

    check_pure(scores, p.state)


@pytest.mark.parametrize("draw", [random.bits, random.uniform, random.normal])
def test_draws(draw: Any) -> None:
    check_pure(lambda key: draw(key, (5,)), random.key(1))
    check_pure(lambda key: random.split(random.fold_in(key, 3), 2), random.key(1))
    check_pure(lambda key: random.permutation(key, 5), random.key(1))


class TestTheHarnessCatches:
    """Each of these is a broken build that must be caught."""

    def test_batch_norm_that_is_given_the_callers_buffers(self) -> None:
        module = nn.BatchNorm1d(4)
        state = {name: tensor.clone() for name, tensor in module.state_dict().items()}

        def not_cloned(state: dict[str, Tensor], x: Tensor) -> Tensor:
            found: Tensor = functional_call(module, state, (x,))
            return found

        with pytest.raises(LawError, match=r"as they are; got argument 0/running_mean: "):
            check_pure(not_cloned, state, columns(5)["x"])

    def test_a_write_in_place(self) -> None:
        with pytest.raises(LawError, match=r"got argument 0: aten::add_ at .*test_purity.py"):
            check_pure(lambda x: x.add_(0.0), torch.ones(3))

    def test_a_draw_from_a_global_generator(self) -> None:
        with torch.random.fork_rng(), pytest.raises(LawError, match="got aten::rand at"):
            check_pure(lambda x: x + torch.rand(3), torch.ones(3))
        before = np.random.get_state()
        with pytest.raises(LawError, match="numpy's generator has moved"):
            check_pure(lambda x: x + float(np.random.rand()), torch.ones(3))
        np.random.set_state(before)

    def test_a_hidden_count(self) -> None:
        calls: list[int] = []

        def counting(x: Tensor) -> Tensor:
            calls.append(1)
            return x + len(calls)

        with pytest.raises(LawError, match=r"says the same .*; got another value"):
            check_pure(counting, torch.ones(3))

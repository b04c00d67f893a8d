"""Law 2: eager, compiled and vmapped mean the same; within one mode bit for bit."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from artifact_fn import optim, random, tree
from artifact_fn.training import TrainState, compiled, eval_step, functional, train_step
from artifact_fn.training.statistics import Metrics, Sum
from tests.training.examples import columns, mlp, parts

STEPS = 10
SGD = optim.sgd(optim.cosine(0.1, steps=40), momentum=0.9)
ADAMW = optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(optim.cosine(1e-2, steps=40)))


def trained(step: Any, state: TrainState, dtype: torch.dtype) -> tuple[TrainState, list[Any]]:
    """A few steps over batches of 16, with what each of them told."""
    told = []
    with torch.no_grad():
        for i in range(STEPS):
            rows = columns(16 * STEPS, dtype=dtype)
            batch = {name: column[16 * i : 16 * (i + 1)] for name, column in rows.items()}
            state, metrics = step(state, batch)
            told.append({name: statistic.answer() for name, statistic in metrics.items()})
    return state, told


@pytest.mark.parametrize(
    ("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"]
)
def test_eager_and_compiled_agree_on_every_leaf_under_sgd(dtype: torch.dtype, rtol: float) -> None:
    p = parts(SGD, dtype=dtype)
    eager_state, eager_told = trained(p.step, p.state, dtype)
    state, told = trained(compiled(p.step), p.state, dtype)
    # Biases before a BatchNorm have no true gradient, only the rounding of one.
    torch.testing.assert_close(
        tree.paths(state), tree.paths(eager_state), rtol=rtol, atol=rtol, check_dtype=True
    )
    torch.testing.assert_close(told, eager_told, rtol=rtol, atol=rtol)


def test_under_adamw_all_agree_but_the_leaves_that_a_normalisation_cancels() -> None:
    p = parts(ADAMW)
    eager_state, eager_told = trained(p.step, p.state, torch.float32)
    step = compiled(p.step)
    state, told = trained(step, p.state, torch.float32)
    torch.testing.assert_close(told, eager_told, rtol=1e-4, atol=1e-5)

    def comparable(state: TrainState) -> dict[str, Tensor]:
        # 0.bias stands before a BatchNorm, and the running mean follows it.
        cancelled = ("0.bias", "running_mean")
        return {k: v for k, v in tree.paths(state).items() if not k.endswith(cancelled)}

    torch.testing.assert_close(comparable(state), comparable(eager_state), rtol=1e-4, atol=1e-5)
    for wrapped in (step, compiled(p.step)):
        again, _ = trained(wrapped, p.state, torch.float32)
        assert tree.identical(again, state), "compiled equals compiled bit for bit"


PROGRAM = """
import torch
torch.set_num_threads(1)
from artifact_fn import tree
from artifact_fn.training import compiled
from tests.laws.test_one_meaning import ADAMW, parts, trained
p = parts(ADAMW)
print(tree.digest(trained(p.step, p.state, torch.float32)[0]))
print(tree.digest(trained(compiled(p.step), p.state, torch.float32)[0]))
"""


def test_another_process_comes_to_the_same_bits() -> None:
    p = parts(ADAMW)
    here = [
        tree.digest(trained(step, p.state, torch.float32)[0]) for step in (p.step, compiled(p.step))
    ]
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout.split()
    assert there == here


def test_masks_orders_and_counts_are_the_same_bits() -> None:
    def step(key: Tensor, batch: Any) -> tuple[Tensor, Metrics]:
        keys = random.split(random.fold_in(key, 5), 3)
        found = {
            "bits": random.bits(keys[0], (33, 7)),
            "mask": random.bernoulli(keys[1], 0.3, (50,), block=2),
            "uniform": random.uniform(keys[2], (9,)),
        }
        return random.fold_in(key, batch["count"]), {n: Sum(t) for n, t in found.items()}

    batch = {"count": torch.tensor(3)}
    assert tree.identical(compiled(step)(random.key(8), batch), step(random.key(8), batch))


def stacked(trees: list[Any]) -> Any:
    return tree.map(lambda *leaves: torch.stack(leaves), trees[0], *trees[1:])


@pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_members_under_vmap_are_the_single_runs(optimizer: Any) -> None:
    p = parts(optimizer, dtype=torch.float64)
    model = functional(lambda: mlp().double())
    singles = [TrainState.create(model, optimizer, seed=seed) for seed in (1, 2, 3)]
    together = stacked(singles)
    for batch in [columns(16, dtype=torch.float64), columns(24, dtype=torch.float64)]:
        for step in (train_step(p.objective, optimizer), eval_step(p.objective)):
            together, told = torch.vmap(step, in_dims=(0, None))(together, batch)
            answers = [step(state, batch) for state in singles]
            singles = [state for state, _ in answers]
            torch.testing.assert_close(
                tree.paths(told), tree.paths(stacked([t for _, t in answers])), rtol=1e-9, atol=1e-9
            )
            expected = tree.paths(stacked(singles))
            loose = {"params/0.bias", "buffers/1.running_mean"}
            for path, leaf in tree.paths(together).items():
                if path not in loose:
                    torch.testing.assert_close(leaf, expected[path], rtol=1e-9, atol=1e-9)
    assert not torch.equal(together.params["0.weight"][0], together.params["0.weight"][1])

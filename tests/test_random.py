"""Random: the bits of jax.random, and numbers of the right distributions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artifact_fn import random, threefry
from artifact_fn.errors import KeyDataError

RECORDED = json.loads((Path(__file__).parent / "recorded" / "jax_random.json").read_text())
SEEDS = sorted(RECORDED["seeds"], key=int)


def unsigned(bits: Tensor) -> Any:
    return (bits.to(torch.int64) & 0xFFFFFFFF).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_and_bits_are_those_of_jax(seed: str) -> None:
    theirs, key = RECORDED["seeds"][seed], random.key(int(seed))
    assert unsigned(key) == theirs["key"]
    for data, expected in theirs["fold_in"].items():
        assert unsigned(random.fold_in(key, int(data))) == expected
        assert unsigned(random.fold_in(key, torch.tensor(int(data)))) == expected
    assert unsigned(random.split(key, 5)) == theirs["split"]
    assert unsigned(random.bits(key, (3, 7))) == theirs["bits"]


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_those_of_jax(seed: str) -> None:
    theirs, key = RECORDED["seeds"][seed], random.key(int(seed))
    assert random.uniform(key, (9,)).tolist() == theirs["uniform"]
    assert random.bernoulli(key, 0.3, (16,)).tolist() == theirs["bernoulli"]
    np.testing.assert_allclose(random.normal(key, (9,)).numpy(), theirs["normal"], rtol=2e-6)


def test_64_bit_seeds_and_float64_are_those_of_jax() -> None:
    theirs = RECORDED["x64"]
    key = random.key(theirs["seed"])
    assert unsigned(key) == theirs["key"]
    assert random.uniform(key, (9,), dtype=torch.float64).tolist() == theirs["uniform"]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "7", True, None])
def test_a_seed_out_of_range_is_refused(seed: Any) -> None:
    with pytest.raises(KeyDataError, match=r"a seed is an integer from 0 to 2\*\*64 - 1; got"):
        random.key(seed)


def test_too_many_numbers_are_refused() -> None:
    with pytest.raises(
        KeyDataError, match=r"fewer than 2\*\*31 numbers; got shape \(65536, 65536\)"
    ):
        random.bits(random.key(0), (65536, 65536))


@given(st.integers(0, 2**64 - 1), st.integers(0, 40))
def test_split_is_fold_in(seed: int, i: int) -> None:
    key = random.key(seed)
    assert torch.equal(random.split(key, 41)[i], random.fold_in(key, i))


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_a_permutation_holds_every_number_once(seed: int, n: int) -> None:
    assert random.permutation(random.key(seed), n).sort().values.tolist() == list(range(n))


def test_every_permutation_is_as_likely() -> None:
    keys = random.split(random.key(3), 6000)
    orders = [tuple(random.permutation(key, 3).tolist()) for key in keys]
    counts = [orders.count(order) for order in sorted(set(orders))]
    assert len(counts) == 6
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_distributions() -> None:
    key = random.key(11)
    uniform = random.uniform(key, (20000,), low=-2.0, high=3.0).double().numpy()
    assert scipy.stats.kstest(uniform, "uniform", (-2.0, 5.0)).pvalue > 1e-3
    for dtype in (torch.float32, torch.float64):
        normal = random.normal(key, (20000,), dtype=dtype)
        assert normal.dtype == dtype
        assert scipy.stats.kstest(normal.double().numpy(), "norm").pvalue > 1e-3
    kept = random.bernoulli(key, 0.2, (20000,)).sum().item()
    assert scipy.stats.binomtest(int(kept), 20000, 0.2).pvalue > 1e-3


def test_the_edges_are_finite() -> None:
    assert torch.isfinite(random.normal(random.key(5), (300000,))).all()
    assert not random.bernoulli(random.key(0), 0.0, (1000,)).any()
    assert random.bernoulli(random.key(0), 1.0, (1000,)).all()


def test_blocks_of_one_key_differ() -> None:
    key = random.key(1)
    blocks = [random.bits(key, (64,), block=b) for b in (0, 1, torch.tensor(2, dtype=torch.int32))]
    assert torch.equal(blocks[0], random.bits(key, (64,)))
    assert len({tuple(block.tolist()) for block in blocks}) == 3


def test_vmapped_keys_draw_what_single_keys_draw() -> None:
    keys = random.split(random.key(2), 4)
    together = torch.vmap(lambda key: random.bits(random.fold_in(key, 7), (5,)))(keys)
    for row, key in zip(together, keys, strict=True):
        assert torch.equal(row, random.bits(random.fold_in(key, 7), (5,)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.0, 3.0), (1e3, 1001.0), (-3.0, -2.0)])
def test_uniform_numbers_stay_below_their_upper_bound(dtype: Any, low: float, high: float) -> None:
    drawn = random.uniform(random.key(8), (200_000,), dtype=dtype, low=low, high=high)
    assert drawn.dtype == dtype
    assert low <= drawn.min().item()
    assert drawn.max().item() < high


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda key: random.uniform(key, (2,), dtype=torch.int64), r"got dtype=torch.int64, low=0"),
        (
            lambda key: random.uniform(key, (2,), low=1.0, high=1.0),
            r"got .*low=1.0, high=1.0; give",
        ),
        (lambda key: random.bernoulli(key, 1.5, (2,)), r"lies in \[0, 1\]; got 1.5; give such a"),
        (
            lambda key: random.fold_in(key, torch.ones(())),
            r"whole numbers; got torch.float32; fold",
        ),
        (lambda key: random.split(key, -1), r"at least 0 numbers; got -1"),
        (lambda key: random.permutation(key, -1), r"at least 0 numbers; got -1"),
    ],
)
def test_impossible_draws_are_refused(draw: Any, message: str) -> None:
    with pytest.raises(KeyDataError, match=message):
        draw(random.key(0))


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_what_is_drawn_on_the_host_is_the_same(seed: int) -> None:
    key = random.key(seed)
    for data in (0, 7, 2**32 - 1):
        assert torch.equal(threefry.folded(key, data), random.fold_in(key, data))
    for n in (0, 1, 2, 1000):
        assert torch.equal(threefry.permuted(key, n), random.permutation(key, n))

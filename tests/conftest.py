"""One thread a process, one cache of compiled kernels for all tests."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported: two busy OpenMP teams on two cores slow each other a hundredfold.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir()) / "artifact_fn-tests-inductor")
)

import pytest
import torch

torch.set_num_threads(1)

collect_ignore = ["recorded"]  # programs that recorded oracles, run by hand where JAX is


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone() -> Iterator[None]:
    """No test and nothing it calls may move torch's global generator (law 1)."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "the global generator has moved"

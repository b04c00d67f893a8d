"""One thread a process, one cache of compiled kernels for all tests."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported: two busy OpenMP teams on two cores slow each other a hundredfold.
os.environ["OMP_NUM_THREADS"] = "1"
# Sixty programs are compiled: their headers once, for all of them.
os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "1"
# A cache for each worker: inductor's is not safe from two processes that write at once.
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(
    Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.gettempdir())
    / f"artifact_fn-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
)

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Programs run by hand: what recorded the oracles, and the benchmarks; programs that types refuse.
collect_ignore = ["recorded", "bench", "typing/programs"]


LONG = ("test_kill.py", "test_examples.py", "test_resume.py", "test_parallel.py", "test_models.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is at one while the others have nothing to do."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone() -> Iterator[None]:
    """No test and nothing it calls may move torch's global generator (law 1)."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "the global generator has moved"

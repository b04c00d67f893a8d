"""Isolated: code that draws from global generators, run so that it draws from a value instead.

torch's (on the CPU), numpy's and Python's generators are seeded before it and put back after it.
They belong to the whole process: nothing else may draw from them meanwhile, so this is not for
threads.
"""

import contextlib
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn import threefry
from artifact_fn.errors import PurityError
from artifact_fn.training.guards import generators

T = TypeVar("T")


def seed_of(key: Tensor | None, *counts: int) -> int:
    """A seed, 0 <= seed < 2**63, of a key and numbers folded into it one after another.

    Example:
        >>> seed_of(None, 1) == seed_of(None, 1), seed_of(None, 1) == seed_of(None, 2)
        (True, False)
    """
    key = torch.zeros(2, dtype=torch.int32) if key is None else key
    for count in counts:
        key = threefry.folded(key, count)
    [seed] = _seeds(*threefry.words(key)[:, None])
    return seed


def seeds_of(key: Tensor | None, *counts: int, stop: int) -> list[int]:
    """`seed_of(key, *counts, i)` for each i below `stop`: one draw in place of many.

    Example:
        >>> seeds_of(None, 4, stop=2) == [seed_of(None, 4, 0), seed_of(None, 4, 1)]
        True
    """
    key = torch.zeros(2, dtype=torch.int32) if key is None else key
    for count in counts:
        key = threefry.folded(key, count)
    return _seeds(*threefry.on_host(threefry.words(key), np.arange(stop, dtype=np.uint32)))


def _seeds(high: NDArray[np.uint32], low: NDArray[np.uint32]) -> list[int]:
    seeds = (high.astype(np.int64) << 32 | low) & (2**63 - 1)
    return [int(seed) for seed in seeds]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the global generators are seeded; afterwards they are as they were before.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeded(7):
        ...     _ = torch.rand(3)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    before = _states()
    try:
        # Not torch.manual_seed, which seeds every accelerator too.
        torch.default_generator.manual_seed(seed)
        np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
        random.seed(seed)
        yield
    finally:
        _restore(before)


def isolated(make: Callable[[], Iterable[T]], seed: int) -> Iterator[T]:
    """What an iterable yields, if the global generators were its own and seeded at its start.

    They are as they were whenever it is not running: between its items, and after it.
    """
    with seeded(seed):
        iterator = iter(make())
        inside = _states()
    while True:
        outside = _states()
        try:
            _restore(inside)
            item = next(iterator)
        except StopIteration:
            return
        finally:
            inside = _states()
            _restore(outside)
        yield item


def unmoved(make: Callable[[], Iterable[T]], what: str) -> Iterator[T]:
    """What an iterable yields, if making its first item moves none of the global generators.

    Only the first, which is when almost all of them are: looking costs more than many a batch.
    And only in the main thread: in another one, it may have been somebody else.

    Raises:
        PurityError: it does; they are put back.
    """
    before, told = _states(), generators()
    iterator = iter(make())
    nothing = object()
    first: Any = next(iterator, nothing)
    moved = [name for name, state in generators().items() if state != told[name]]
    if moved and threading.current_thread() is threading.main_thread():
        _restore(before)
        raise PurityError(
            f"{what} has drawn from a global generator",
            got=f"the state of {', '.join(moved)} moved",
            do="draw from the key it is given (artifact_fn.random), or say deterministic=False",
        )
    if first is not nothing:
        yield first
        yield from iterator


def _states() -> tuple[Tensor, Any, Any]:
    return torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()


def _restore(states: tuple[Tensor, Any, Any]) -> None:
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])

"""Batches: a factory is asked anew each time, and held to what it says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.data import from_batches, resumable
from artifact_fn.errors import CursorError, DataError, PurityError
from artifact_fn.training.contracts import Batch
from artifact_fn.training.guards import generators

KEY = random.key(3)
ONE: Batch = {"x": torch.zeros(1)}


def test_a_factory_is_told_key_and_epoch() -> None:
    told: list[tuple[Any, int]] = []

    def factory(key: Tensor | None, epoch: int) -> list[Batch]:
        told.append((key, epoch))
        return [ONE]

    source = from_batches(factory)
    for key, epoch in ((KEY, 3), (None, 1), (KEY, 3)):
        assert len(list(source.batches(key, epoch))) == 1
    assert told == [(KEY, 3), (None, 1), (KEY, 3)]
    assert source.steps is None


def test_what_never_ends_is_cut() -> None:
    def forever(key: Tensor | None, epoch: int) -> Iterator[Batch]:
        while True:
            yield {"x": torch.rand(2)}

    source = from_batches(forever, steps=4)
    before = generators()
    first = list(source.batches(KEY, 1))
    assert len(first) == source.steps == 4
    assert tree.identical(first, list(source.batches(KEY, 1)))
    assert not tree.identical(first, list(source.batches(KEY, 2)))
    assert generators() == before


def test_draws_go_on_between_batches_whatever_others_draw() -> None:
    def noisy(key: Tensor | None, epoch: int) -> Iterator[Batch]:
        for _ in range(4):
            yield {"x": torch.rand(2) + np.random.rand()}

    source = from_batches(noisy)
    alone = list(source.batches(KEY, 1))
    with torch.random.fork_rng():
        numpy_state = np.random.get_state()
        disturbed = []
        for batch in source.batches(KEY, 1):
            disturbed.append(batch)
            torch.rand(3)
            np.random.rand()
        np.random.set_state(numpy_state)
    assert tree.identical(alone, disturbed)
    assert len({float(batch["x"][0]) for batch in alone}) == 4


def test_only_what_is_deterministic_is_taken_up_in_its_middle() -> None:
    batches = [{"x": torch.tensor([n])} for n in range(4)]
    source = from_batches(lambda key, epoch: batches, deterministic=True)
    assert resumable(source)
    assert tree.identical(list(source.batches(KEY, 1, 3)), batches[3:])
    with pytest.raises(
        CursorError,
        match=r"does not promise to be deterministic cannot be taken up .*; got start=2",
    ):
        from_batches(lambda key, epoch: batches).batches(KEY, 1, 2)


def test_errors_of_a_factory_are_its_own_and_leave_nothing_moved() -> None:
    def broken(key: Tensor | None, epoch: int) -> Iterator[Batch]:
        yield {"x": torch.zeros(1) if key is None else torch.rand(1)}
        raise OSError("disk gone")

    before = generators()
    for key, deterministic in ((KEY, False), (None, True)):
        reading = from_batches(broken, deterministic=deterministic).batches(key, 1)
        next(reading)
        with pytest.raises(OSError, match="disk gone"):
            next(reading)
    assert generators() == before


def test_a_promise_that_is_not_kept_is_found_at_the_first_batch() -> None:
    def liar(key: Tensor | None, epoch: int) -> Iterator[Batch]:
        yield {"x": torch.rand(2) + np.random.rand()}

    before = generators()
    with pytest.raises(
        PurityError,
        match=r"deterministic has drawn from a global generator; got the state of torch, numpy moved; "
        r"draw from the key it is given",
    ):
        next(from_batches(liar, deterministic=True).batches(KEY, 1))
    assert generators() == before


@pytest.mark.parametrize("deterministic", [True, False])
def test_what_a_factory_gives_is_held_to_its_word(deterministic: bool) -> None:
    def read(answer: Any, steps: int | None = None) -> None:
        source = from_batches(lambda key, epoch: answer, steps=steps, deterministic=deterministic)
        list(source.batches(KEY, 1))

    for few in ([], [ONE, ONE]):
        with pytest.raises(
            DataError, match=rf"an epoch of 3 .* early; got {len(few)} of them; make"
        ):
            read(few, steps=3)
    with pytest.raises(DataError, match=r"gives an iterable of batches; got a int; return a list"):
        read(7)
    with pytest.raises(
        DataError, match=r"a batch is a mapping of columns; got a Tensor; yield {'x"
    ):
        read([torch.zeros(3)])
    read([ONE, ONE, ONE], steps=2)


def test_an_iterator_that_runs_dry_is_found_in_the_second_epoch() -> None:
    once = iter([ONE, ONE])
    source = from_batches(lambda key, epoch: once, steps=2)
    assert len(list(source.batches(KEY, 1))) == 2
    with pytest.raises(DataError, match=r"got 0 of them; make a fresh iterable each time"):
        list(source.batches(KEY, 2))


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a list": ([ONE], {}, r"come from a function .*; got a list; write from_batches\(lambda key"),
    "no steps": (lambda k, e: [], {"steps": 0}, r"at least 1 batch; got steps=0; give 1 or more"),
    "half a step": (lambda k, e: [], {"steps": 0.5}, r"at least 1 batch; got steps=0.5"),
    "maybe": (lambda k, e: [], {"deterministic": 1}, r"deterministic or not; got 1; say True or"),
}


@pytest.mark.parametrize(("factory", "options", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_no_factory_is_refused(factory: Any, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_batches(factory, **options)

"""Meeting: processes find those of their own attempt, whatever others have left in the store."""

import re
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn.errors import ParallelError
from artifact_fn.runs.distributed import Lost, Stalled, processes
from artifact_fn.runs.distributed.meeting import common_store, met

stores: Any = dist

WAIT = 20.0
"""Seconds after which a test has failed."""


def meet(store: Any, ranks: Sequence[int]) -> list[Any]:
    """The parts of the store that they get; they come in the order given."""
    with ThreadPoolExecutor(len(ranks)) as pool:
        parts: list[Future[Any]] = []
        for rank in ranks:
            parts.append(pool.submit(met, store, rank, len(ranks), WAIT))
            if rank:  # in that order: who comes says so before it waits
                store.wait([f"artifact_fn/here/{rank}"])
        return [part.result() for part in parts]


@settings(max_examples=15, deadline=None)
@given(attempts=st.lists(st.permutations(range(4)), min_size=1, max_size=3))
def test_each_attempt_has_a_part_of_its_own(attempts: list[list[int]]) -> None:
    """Whoever comes first, and whatever those before have left."""
    store = stores.HashStore()
    for attempt, order in enumerate(attempts):
        parts = meet(store, order)
        assert not any(part.check(["attempt"]) for part in parts)
        parts[attempt % 4].set("attempt", str(attempt))
        assert [part.get("attempt") for part in parts] == [str(attempt).encode()] * 4


def test_the_dead_are_not_waited_for_nor_taken_for_the_living() -> None:
    """One came and died before rank 0 was there; rank 0 has invited it when another comes."""
    store = stores.HashStore()
    dead = uuid.uuid4().hex
    store.set("artifact_fn/here/1", dead)
    with ThreadPoolExecutor(2) as pool:
        zero = pool.submit(met, store, 0, 2, WAIT)
        store.wait([f"artifact_fn/{dead}/invited"])
        assert not zero.done()
        one = pool.submit(met, store, 1, 2, WAIT)
        zero.result(WAIT).set("told", "1")
        assert one.result(WAIT).check(["told"])


def test_who_does_not_come_is_named() -> None:
    store = stores.HashStore()
    with ThreadPoolExecutor(2) as pool:
        zero = pool.submit(met, store, 0, 3, 0.5)
        pool.submit(met, store, 2, 3, WAIT)
        with pytest.raises(Stalled, match=r"rank 1 has kept the others waiting; got nothing from"):
            zero.result(WAIT)
    with pytest.raises(Stalled, match=r"rank 0 has kept .* after step 0 in 0\.3 s"):
        met(stores.HashStore(), 1, 2, 0.3)


def test_a_store_that_dies_is_told_of() -> None:
    server = stores.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    client = stores.TCPStore("127.0.0.1", server.port, 2, is_master=False)
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(met, client, 1, 2, WAIT)
        server.wait(["artifact_fn/here/1"])
        del server
        with pytest.raises(Lost, match="rank 0 has died"):
            one.result(WAIT)


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(Stalled, match="rank 0 has kept the others waiting"):
        common_store(1, 2, 1.0)


def test_an_environment_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    told = re.escape("got WORLD_SIZE=2, and no MASTER_ADDR and no MASTER_PORT; start them with")
    with pytest.raises(ParallelError, match=told), processes():
        pass
    assert not [one for one in threading.enumerate() if one.name == "signs of life"]

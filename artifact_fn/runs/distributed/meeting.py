"""Meeting: how processes find each other, and not those that were there before them.

torchrun keeps one store for all attempts of a run, and what an attempt has written stays there: a
process that starts again would read where the others listened before they died, and be refused, or
wait for who waits for it (https://github.com/pytorch/pytorch/issues/135712). The number of the
attempt is no help, as each machine counts by itself. So rank 0 draws a name for a part of the store
that nobody has written to, and each of the others asks for it by a name of its own.
"""

import datetime
import os
import time
import uuid
from typing import Any

import torch.distributed as dist

from artifact_fn.errors import ParallelError
from artifact_fn.runs.distributed.lost import Lost, Stalled

_stores: Any = dist
"""torch's stores are public, and its types do not say so."""

LOOK = 0.02
"""Seconds between two looks of rank 0 at who has come."""


def common_store(rank: int, size: int, timeout: float) -> Any:
    """The store at `MASTER_ADDR` and `MASTER_PORT`: of torchrun, or else kept by rank 0.

    Raises:
        Stalled: nobody is there after `timeout` seconds.
        ParallelError: the environment does not say where.
    """
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ParallelError(
            "several processes are told where they meet",
            got=f"WORLD_SIZE={size}, and no {' and no '.join(missing)}",
            do="start them with torchrun, or unset RANK and WORLD_SIZE to be alone",
        )
    try:
        store: Any = _stores.TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            size,
            is_master=keeps_store(rank),
            timeout=datetime.timedelta(seconds=timeout),
            wait_for_workers=False,
            multi_tenant=True,
        )
        return store
    except _stores.DistNetworkError as cause:
        if rank == 0:
            raise
        raise Stalled((0,), 0, timeout) from cause


def keeps_store(rank: int) -> bool:
    """Whether the store goes with this process; that of torchrun outlives all of them."""
    return rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"


def met(store: Any, rank: int, size: int, timeout: float) -> Any:
    """The part of a store that only the processes of this attempt know.

    Args:
        store: Which all of them see, and perhaps others before them saw.
        rank: Of this process.
        size: How many there are.
        timeout: Seconds that one waits for another.

    Raises:
        Stalled: one of them has not come; names it.
        Lost: who keeps the store has died meanwhile.

    Example:
        >>> import torch.distributed as dist
        >>> part = met(dist.HashStore(), 0, 1, timeout=1.0)
        >>> part.check(["anything"])
        False
    """
    own = uuid.uuid4().hex
    try:
        name = _invited(store, rank, own, timeout) if rank else _inviting(store, size, own, timeout)
    except _stores.DistNetworkError as cause:
        raise Lost((0,), 0) from cause
    part = _stores.PrefixStore(f"artifact_fn/{name}", store)
    part.set_timeout(datetime.timedelta(seconds=timeout))
    return part


def _invited(store: Any, rank: int, own: str, timeout: float) -> str:
    """The name that rank 0 has drawn. Nobody before has answered to a name that is new."""
    store.set(f"artifact_fn/here/{rank}", own)
    answer = f"artifact_fn/{own}/invited"
    try:
        store.wait([answer], datetime.timedelta(seconds=timeout))
    except _stores.DistStoreError as cause:
        raise Stalled((0,), 0, timeout) from cause
    name: str = store.get(answer).decode()
    store.set(f"artifact_fn/{name}/heard/{own}", "")
    return name


def _inviting(store: Any, size: int, own: str, timeout: float) -> str:
    """The name that this process draws, once all others have heard it."""
    others = range(1, size)
    invited: set[str] = set()
    until = time.monotonic() + timeout
    while True:
        # Some of these names may be of the dead, who will not say that they have heard.
        come = {rank: _named(store, rank) for rank in others}
        for other in {one for one in come.values() if one} - invited:
            store.set(f"artifact_fn/{other}/invited", own)
            invited.add(other)
        absent = tuple(
            rank
            for rank, one in come.items()
            if not one or not store.check([f"artifact_fn/{own}/heard/{one}"])
        )
        if not absent:
            return own
        if time.monotonic() > until:
            raise Stalled(absent, 0, timeout)
        time.sleep(LOOK)  # a name that changes cannot be waited for


def _named(store: Any, rank: int) -> str:
    key = f"artifact_fn/here/{rank}"
    return store.get(key).decode() if store.check([key]) else ""

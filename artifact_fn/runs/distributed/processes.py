"""Processes: those that torchrun has started, from their first word to their last."""

import contextlib
import datetime
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import torch
import torch.distributed as dist

from artifact_fn.runs.distributed.lost import Lost, Stalled
from artifact_fn.runs.distributed.meeting import common_store, keeps_store, met
from artifact_fn.runs.faults import Fault
from artifact_fn.training.graph import default_cache
from artifact_fn.training.library import CACHE
from artifact_fn.training.parallel.mesh import ALONE, Mesh

BEAT = 0.5
"""Seconds between two signs of life."""

PATIENCE = 3.0
"""Seconds without a sign of life after which a process is taken for dead."""


class Processes:
    """This process among those that train together.

    Attributes:
        mesh: Of all of them.
        device: Where this one computes: `cuda:<local rank>`, or `cpu`.
        timeout: Seconds that one waits for another.

    Example:
        >>> alone = Processes(ALONE, "cpu", timeout=60.0)
        >>> alone.mesh.size, alone.why()
        (1, None)
    """

    def __init__(self, mesh: Mesh, device: str, timeout: float, store: Any = None) -> None:
        self.mesh, self.device, self.timeout = mesh, device, timeout
        self._store, self._step = store, 0
        self._ended = threading.Event()
        if store is not None:
            # A connection of its own: what waits in one keeps it. Made here, where the store lives;
            # from one that is gone a clone would be waited for as long as for a process.
            signs = store.clone()
            self._beating = threading.Thread(
                target=self._beat, args=(signs,), name="signs of life", daemon=True
            )
            self._beating.start()

    def at(self, step: int) -> None:
        """Say how far this process is, for messages about it."""
        self._step = step

    def why(self) -> Fault | None:
        """Why a message to the others, or from them, could fail; None if they all are well.

        Takes some seconds: the dead are told by their silence.
        """
        if self._store is None:
            return None
        try:
            return self._looked()
        except Exception:  # the store is gone, and so is the process that kept it
            return Lost((0,), self._step)

    def close(self) -> None:
        """Give no more signs of life."""
        self._ended.set()
        if self._store is not None:
            self._beating.join(PATIENCE)  # a store that is gone must keep nobody

    def part(self) -> None:
        """Say that this process needs the others no more, nor the store.

        The one with whom the store goes waits a little for the others to say so.
        """
        if self._store is None:
            return
        with contextlib.suppress(RuntimeError):  # the store is gone, and all is said
            self._store.set(f"parted/{self.mesh.rank}", "")
            if keeps_store(self.mesh.rank):
                others = [f"parted/{rank}" for rank in range(1, self.mesh.size)]
                self._store.wait(others, datetime.timedelta(seconds=PATIENCE))

    def _beat(self, store: Any) -> None:
        count = sent = 0
        while True:
            count += 1
            with contextlib.suppress(Exception):
                sent = _group()._get_sequence_number_for_group()
            with contextlib.suppress(Exception):
                store.set(f"alive/{self.mesh.rank}", f"{count} {sent} {self._step}")
            if self._ended.wait(BEAT):
                return

    def _looked(self) -> Fault | None:
        before = self._signs()
        until = time.monotonic() + PATIENCE
        silent = set(before) - {self.mesh.rank}
        while silent and time.monotonic() < until:
            time.sleep(BEAT / 2)  # other processes cannot be waited for
            now = self._signs()
            silent = {rank for rank in silent if now[rank][0] == before[rank][0]}
        # Who looks first leaves first, and is not to be taken for dead by the others.
        found = ",".join(map(str, sorted(silent)))
        first = self._store.compare_set("lost", "", found or "none").decode()
        dead = tuple(int(rank) for rank in first.split(",") if rank not in ("none", ""))
        if dead:
            return Lost(dead, max(before[rank][2] for rank in dead))
        # Who has sent the fewest messages is whom the others wait for.
        least = min(sent for _, sent, _ in before.values())
        late = tuple(rank for rank, (_, sent, _) in before.items() if sent == least)
        if len(late) == self.mesh.size:
            return None
        return Stalled(late, max(before[rank][2] for rank in late), self.timeout)

    def _signs(self) -> dict[int, tuple[int, int, int]]:
        """By rank: signs of life, messages sent, step."""
        found = {}
        for rank in range(self.mesh.size):
            key = f"alive/{rank}"
            # One that is not there would be waited for.
            told = self._store.get(key).decode() if self._store.check([key]) else "0 0 0"
            count, sent, step = map(int, told.split())
            found[rank] = (count, sent, step)
        return found


def _group() -> Any:
    return dist.distributed_c10d._get_default_group()


@contextlib.contextmanager
def processes(*, backend: str | None = None, timeout: float = 600.0) -> Iterator[Processes]:
    """Meet the other processes, and part from them afterwards.

    Reads what torchrun has put into the environment (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`,
    `MASTER_ADDR`, `MASTER_PORT`); without it this process is alone, and the same program runs.
    Unless `TORCHINDUCTOR_CACHE_DIR` is set, each process keeps its compiled kernels by itself.

    Args:
        backend: Of torch.distributed; by default gloo, and NCCL for tensors on a GPU.
        timeout: Seconds that one waits for another.

    Raises:
        Lost: a process has died; names it.
        Stalled: a process has not come after `timeout` seconds; names it, and its step.
        ParallelError: the environment does not say where they meet.

    Example:
        >>> with processes() as here:
        ...     here.mesh.size, here.device
        (1, 'cpu')
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    device = f"cuda:{local}" if gpu else "cpu"
    if size == 1 and "RANK" not in os.environ:
        yield Processes(ALONE, device, timeout)
        return
    if gpu:
        torch.cuda.set_device(local)
    os.environ.setdefault(CACHE, str(Path(default_cache()) / f"rank-{local}"))
    part = met(common_store(rank, size, timeout), rank, size, timeout)
    here = Processes(Mesh(rank, size), device, timeout, part)
    try:
        dist.init_process_group(
            backend or ("cpu:gloo,cuda:nccl" if gpu else "gloo"),
            store=part,
            rank=rank,
            world_size=size,
            timeout=datetime.timedelta(seconds=timeout),
        )
        here.mesh = attrs.evolve(here.mesh, group=_group().group_name)
        yield here
    except RuntimeError as cause:
        fault = here.why()
        if fault is None:
            raise
        raise fault from cause
    finally:
        here.close()
        if dist.is_initialized():
            with contextlib.suppress(RuntimeError):  # what went wrong before is told
                dist.destroy_process_group()
        here.part()

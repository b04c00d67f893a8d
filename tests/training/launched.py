"""Launched: the same function in several real processes, which meet over gloo on loopback.

They are forks of a process that has imported everything once: importing torch takes longer than
most of what they do.
"""

import importlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parent.parent.parent

WORKERS = (
    "tests.training.parallel_cases",
    "tests.runs.distributed_worker",
    "tests.runs.shards_worker",
)
"""What is imported before a process is forked; each has a `main`."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(WORKERS))


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun would tell a process."""
    return {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(size),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        # Two processes do not write into one cache at once.
        "TORCHINDUCTOR_CACHE_DIR": f"{os.environ['TORCHINDUCTOR_CACHE_DIR']}-rank-{rank}",
    }


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@attrs.frozen
class Ended:
    """How a process has ended.

    Attributes:
        code: 0, or minus the signal that killed it; None if it lives on and was killed for that.
        told: The last line that it wrote, which is JSON, if any.
        said: Its errors.
    """

    code: int | None
    told: Any
    said: str


class Launched:
    """Processes on their way."""

    def __init__(self, module: str, arguments: Sequence[str], size: int) -> None:
        port, self.where = free_port(), Path(tempfile.mkdtemp())
        self.processes = [
            _forks.Process(
                target=_child,
                args=(module, list(arguments), environment(rank, size, port), self._files(rank)),
            )
            for rank in range(size)
        ]
        for process in self.processes:
            process.start()

    def _files(self, rank: int) -> tuple[str, str]:
        return str(self.where / f"out-{rank}"), str(self.where / f"err-{rank}")

    def ended(self, rank: int, *, patience: float = 600.0) -> Ended:
        """How one of them has ended; after so many seconds it is killed."""
        process = self.processes[rank]
        process.join(patience)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        out, err = (Path(path) for path in self._files(rank))
        lines = [x for x in out.read_text().splitlines() if x] if out.exists() else []
        said = err.read_text() if err.exists() else ""
        return Ended(code, json.loads(lines[-1]) if lines else None, said)


def launched(
    module: str, arguments: Sequence[str], size: int, *, patience: float = 600.0
) -> list[Any]:
    """Run a worker's `main` in each of `size` processes.

    Returns:
        For each rank, the last line that it wrote, which is JSON.
    """
    running = Launched(module, arguments, size)
    found = [running.ended(rank, patience=patience) for rank in range(size)]
    for one in found:
        assert one.code == 0, one.said[-4000:]
    return [one.told for one in found]


def under_torchrun(
    program: Sequence[str], size: int, *, restarts: int = 0, patience: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """Run a program, `-m MODULE ...` or a file and its arguments, as torchrun does.

    Returns:
        How it has ended. After so many seconds all of it is ended and the code is not 0.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={size}", f"--max-restarts={restarts}", *program),
    ]
    told = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        try:
            out, err = agent.communicate(timeout=patience)
        except BaseException as cause:
            agent.terminate()  # it ends its processes, after 30 s by force
            out, err = agent.communicate()
            if not isinstance(cause, subprocess.TimeoutExpired):
                raise
    return subprocess.CompletedProcess(command, agent.returncode, out, err)


def _child(module: str, arguments: list[str], told: dict[str, str], files: tuple[str, str]) -> None:
    os.environ.update(told)
    for handle, path in zip((1, 2), files, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), handle)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    try:
        importlib.import_module(module).main(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)

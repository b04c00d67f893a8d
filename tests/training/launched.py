"""Launched: the same function in several real processes, which meet over gloo on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun would tell a process."""
    return {
        **os.environ,
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


def launched(module: str, arguments: Sequence[str], size: int, *, patience: float = 120.0) -> Any:
    """Run `python -m module arguments` in each of `size` processes.

    Returns:
        For each rank, the last line that it wrote, which is JSON.
    """
    port = free_port()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment(rank, size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        told = [process.communicate(timeout=patience) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
    for process, (_, said) in zip(running, told, strict=True):
        assert process.returncode == 0, said[-4000:]
    return [json.loads(out.strip().splitlines()[-1]) for out, _ in told]

"""A server of forks for all tests of faults."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


class Server:
    """Forks that run the small experiment, and are killed."""

    def __init__(self, *, broken: str | None = None) -> None:
        command = [sys.executable, "-m", "tests.faults.worker"]
        if broken is not None:
            command = [sys.executable, "-m", "tests.faults.broken", broken]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def __call__(self, root: Path, *, patience: float | None = None, **where: Any) -> Any:
        assert self.process.stdin is not None
        request = {"root": str(root), "where": where, "patience": patience}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server has ended with {self.process.wait()}"
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: what is killed is a process and no machine."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", ignore_cleanup_errors=True) as memory:
        yield Path(memory)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()

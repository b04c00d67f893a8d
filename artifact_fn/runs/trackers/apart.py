"""Apart: a connection through a process of its own.

Some clients change the process they are in: they seed its generators, take over its signals, patch
other packages, hold it up when it ends. So they get another one, which ends with this one, however
this one ends.
"""

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifact_fn.runs.trackers import tellers
from artifact_fn.runs.trackers.contract import TrackerError

TELLERS = Path(tellers.__file__).parent
"""Where the programs are that know the backends."""


def installed(module: str, extra: str) -> None:
    """Refuse what is not there, without importing it.

    Args:
        module: That the process apart imports.
        extra: Of artifact-fn, which installs it.

    Raises:
        TrackerError: it is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise TrackerError(
            f"{module} cannot be imported",
            got="it is not installed",
            do=f"pip install 'artifact-fn[{extra}]'",
        )


class Apart:
    """A process that obeys orders.

    Args:
        teller: The file of a module that has a `Teller`.
        patience: Seconds until one that does not answer is killed.
        environment: Variables that are other than here.
        about: The first order.

    Raises:
        TimeoutError, ConnectionError: it does not answer, or it could not obey.
    """

    def __init__(
        self,
        teller: Path,
        patience: float,
        environment: Mapping[str, str],
        about: Mapping[str, Any],
    ) -> None:
        self._patience = patience
        # A session of its own: a terminal's Ctrl-C is not for it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(TELLERS / "program.py"), str(teller)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            self.ask(about)
        except BaseException:
            self.kill()
            raise

    def ask(self, order: Mapping[str, Any]) -> None:
        """Give an order, and wait until it is done.

        Raises:
            TimeoutError, ConnectionError: it does not answer, or it could not obey.
        """
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._line())
        except BaseException:
            self.kill()
            raise
        if "failed" in answer:
            raise ConnectionError(answer["failed"])

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        found, until = b"", time.monotonic() + self._patience
        while not found.endswith(b"\n"):
            ready, _, _ = select.select(
                [self._process.stdout], [], [], max(until - time.monotonic(), 0.0)
            )
            if not ready:
                raise TimeoutError(f"no answer within {self._patience:g} s")
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                raise ConnectionError("the process that speaks to the backend has ended")
            found += part
        return found

    def close(self, code: int) -> None:
        """Let it end the run there and itself here.

        Args:
            code: With which it ends the run, where the backend wants one.
        """
        with contextlib.suppress(Exception):  # what matters was acknowledged
            self.ask({"close": code})
        self.kill()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

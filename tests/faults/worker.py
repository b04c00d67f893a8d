"""Worker: a run that is killed where its parent says, and the forks it is done by.

A process that has imported torch once forks a child for each attempt; the child runs, or takes
up, one small experiment in one directory, and counts every call by which it touches the disk. At
the call that was chosen it is killed by SIGKILL: before the call, after it, or in its middle.
"""

import contextlib
import errno
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import torch
from returns.io import IOFailure
from returns.pipeline import is_successful
from returns.unsafe import unsafe_perform_io

from artifact_fn.folds import best
from artifact_fn.runs import Missing, Saving, resume, run
from tests.runs.examples import done, experiment, left, story

PHASES = ("write", "fsync", "rename", "mkdir", "unlink", "rmdir", "open", "ftruncate")
"""Calls to the system by which a run touches the disk."""

SAVING = Saving(epochs=1, steps=2, keep_last=2)
"""Of every run of the campaign: a checkpoint at each cut."""


@attrs.frozen
class Where:
    """Where a child is killed, or a call fails.

    Attributes:
        call: The how-manieth call to the system, from 0; None for none.
        when: "before" it, "after" it, in the "middle" of it (half of a write), or "error".
        error: What the call fails with, where `when` is "error".
        for_ever: Whether every later call fails too.
    """

    call: int | None = None
    when: str = "before"
    error: int = errno.EIO
    for_ever: bool = False


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watched(where: Where, seen: list[str]) -> None:
    """Put a count, and the end, around every call to the system; for the life of this process."""

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            number = len(seen)
            if name == "open" and not args[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                return call(*args, **kwargs)  # reading changes nothing
            seen.append(name)
            due = where.call is not None and (
                number == where.call or (where.for_ever and number > where.call)
            )
            if not due:
                return call(*args, **kwargs)
            if where.when == "error":
                raise OSError(where.error, os.strerror(where.error))
            if where.when == "middle" and name == "write":
                call(args[0], bytes(args[1])[: len(args[1]) // 2])
            if where.when == "after":
                call(*args, **kwargs)
            die()
            return None

        return called

    for name in PHASES:
        setattr(os, name, wrap(name, getattr(os, name)))


def attempt(root: Path) -> dict[str, Any]:
    """Take a run up, or begin it; what is left of it when it is over."""
    # What is selected is chosen early, and must be remembered to the end.
    given = experiment(select=best("val/loss", mode="max"))
    outcome = resume(given, root, saving=SAVING).lash(
        lambda fault: (
            run(given, root, saving=SAVING) if isinstance(fault, Missing) else IOFailure(fault)
        )
    )
    if not is_successful(outcome):
        why = unsafe_perform_io(outcome.failure())
        return {
            "fault": type(why).__name__,
            "path": str(getattr(why, "path", "")),
            "errno": getattr(why, "errno", None),
            "message": str(why),
        }
    return left(done(outcome))


@attrs.frozen
class Ended:
    """How a child has ended.

    Attributes:
        signal: That killed it, or 0.
        told: What it wrote before, a JSON object, or None.
        calls: How often it was seen to touch the disk, as far as it could tell.
    """

    signal: int
    told: Any


def child(job: Callable[[], Any], *, patience: float | None = None) -> Ended:
    """Run a job in a fork; kill it after so many seconds if it has not ended by then."""
    reader, writer = os.pipe()
    write = os.write  # before the job puts a count around it
    pid = os.fork()
    if not pid:
        os.close(reader)
        with contextlib.suppress(BaseException):
            try:
                answer = json.dumps(job())
            except BaseException:
                answer = json.dumps({"error": traceback.format_exc()})
            write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    data, until = b"", None if patience is None else time.monotonic() + patience
    while True:
        rest = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select([reader], [], [], rest)
        if not ready:
            os.kill(pid, signal.SIGKILL)
            until = None
            continue
        part = os.read(reader, 1 << 16)
        if not part:
            break
        data += part
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    with contextlib.suppress(ValueError):
        return Ended(killed, json.loads(data))
    return Ended(killed, None)


def job(root: Path, where: Where) -> Callable[[], Any]:
    def run_it() -> Any:
        warnings.simplefilter("ignore")
        seen: list[str] = []
        watched(where, seen)
        answer = attempt(root)
        if "fault" in answer:
            return answer
        return {"left": answer, "story": story(root), "calls": seen}

    return run_it


def served() -> Iterator[dict[str, Any]]:
    """Requests, one a line of standard input."""
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Answer each request with how a child has ended."""
    torch.set_num_threads(1)
    attempt_nothing = experiment()
    attempt_nothing.fit()  # everything is imported and warm before the first fork
    real = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps("ready"), file=real, flush=True)
    for request in served():
        ended = child(
            job(Path(request["root"]), Where(**request.get("where", {}))),
            patience=request.get("patience"),
        )
        print(json.dumps(attrs.asdict(ended)), file=real, flush=True)


if __name__ == "__main__":
    main()

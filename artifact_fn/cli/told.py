"""Told: what commands write, for people or, with `--json`, for scripts."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import Parameter
from returns.unsafe import unsafe_perform_io
from rich.console import Console
from rich.table import Table
from rich.text import Text

from artifact_fn.errors import ArtifactFnError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.runs.faults import Fault
from artifact_fn.training.state import TrainState

Flag = Parameter(negative=())
"""An option that is there or not."""


def told(value: Any) -> None:
    """Write one JSON object; what is not finite becomes null, as JSON has no word for it."""
    sys.stdout.write(json.dumps(_plain(value), allow_nan=False) + "\n")


def said(text: str) -> None:
    """Write a line; what it holds is no markup."""
    console().print(Text(text), soft_wrap=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table."""
    made = Table(box=None, show_header=any(header), pad_edge=False)
    for name in header:
        made.add_column(Text(name), overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    console().print(made)


def complain(error: ArtifactFnError | str, *, as_json: bool, do: str = "") -> None:
    """Say what went wrong: on standard error, or as JSON where JSON is expected."""
    what, got, do = (
        (error.what, error.got, error.do)
        if isinstance(error, ArtifactFnError)
        else (" ".join(error.split()), "", do)
    )
    if as_json:
        kind = type(error).__name__ if isinstance(error, ArtifactFnError) else "CommandError"
        told({"error": {"kind": kind, "what": what, "got": got, "do": do}})
        return
    lines = [
        f"error: {what}",
        *([f"  got: {got}"] if got else []),
        *([f"  do:  {do}"] if do else []),
    ]
    sys.stderr.write("\n".join(lines) + "\n")


def value_of(outcome: Any) -> Any:
    """What an outcome holds.

    Raises:
        Fault: it has failed.
    """
    failed = unsafe_perform_io(outcome.swap().value_or(None))
    if isinstance(failed, Fault):
        raise failed
    return unsafe_perform_io(outcome.unwrap())


def chosen(epoch: Epoch[TrainState] | None) -> dict[str, Any] | None:
    """The selected epoch, for `told`."""
    return None if epoch is None else {"epoch": epoch.index, "scores": dict(epoch.scores)}


def console() -> Console:
    """Standard output, wherever it leads at this moment; a file or a pipe is not folded."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)

"""Examining: the commands that look at an experiment before it is run."""

from typing import Annotated, Any

import attrs

from artifact_fn.cli.running import Settings, threads_of
from artifact_fn.cli.target import Target
from artifact_fn.cli.told import Flag, said, table, told
from artifact_fn.runs.doctor import Diagnosis
from artifact_fn.runs.doctor import doctor as examined
from artifact_fn.training.summary import summary as summed


def doctor(
    target: str,
    /,
    *,
    settings: Settings = None,
    steps: int = 60,
    eager: Annotated[bool, Flag] = False,
    device: str | None = None,
    threads: int | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Examine an experiment: what is wrong with it, and what it will cost.

    Exits with 1 where something is wrong.

    Parameters
    ----------
    target
        module:name or file.py:name, an experiment or a function that makes one.
    settings
        path=value, as for run.
    steps
        Taken on one batch, whose loss should fall.
    eager
        Do not compile.
    device
        Where to train.
    threads
        Of torch.
    json
        Print one JSON object.
    """
    threads_of(threads)
    found = examined(
        Target(target, tuple(settings or ()), None, device).experiment(),
        steps=steps,
        compile=not eager,
    )
    if json:
        told({**attrs.asdict(found), "well": found.well})
    else:
        _shown(found)
    return 0 if found.well else 1


def summary(
    target: str,
    /,
    *,
    settings: Settings = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Show the parts of an experiment's model: parameters, buffers, shapes and dtypes by path.

    Parameters
    ----------
    target
        module:name or file.py:name, an experiment or a function that makes one.
    settings
        path=value, as for run.
    json
        Print one JSON object.
    """
    made = Target(target, tuple(settings or ())).experiment()
    parts = summed(made.state())
    if json:
        told({"parts": [attrs.asdict(part) for part in parts.parts], "total": parts.parameters})
    else:
        said(str(parts))
    return 0


def _shown(found: Diagnosis) -> None:
    for finding in found.findings:
        said(f"{finding.kind}: {finding.what}\n  got: {finding.got}\n  do:  {finding.do}")
    for note in found.notes:
        said(f"note: {note}")
    for skipped in found.skipped:
        said(f"not examined: {skipped}")
    if found.well:
        said("nothing is wrong")
    table(("", ""), [(name, _figure(name, value)) for name, value in found.measured.items()])


def _figure(name: str, value: Any) -> str:
    if name.endswith("bytes"):
        return f"{value / 2**20:,.1f} MiB"
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"

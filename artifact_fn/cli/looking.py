"""Looking: the commands that read runs, and change nothing."""

from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from returns.unsafe import unsafe_perform_io

import artifact_fn as af
from artifact_fn.cli.told import said, table, told
from artifact_fn.errors import CommandError
from artifact_fn.runs.faults import Fault
from artifact_fn.runs.listed import Listed, listed, runs_in
from artifact_fn.runs.recorded import Recorded
from artifact_fn.runs.reports import report as written
from artifact_fn.runs.reports.facts import duration, facts
from artifact_fn.training.summary import summary

Flag = Parameter(negative=())


def report(
    *directories: Path,
    out: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Write a page that shows a run, or compares several.

    Parameters
    ----------
    directories
        Of the runs.
    out
        The file; by default report.html in the directory, or in the one they have in common.
    json
        Print one JSON object.
    """
    if not directories:
        raise CommandError(
            "a report is of one run or more", got="no directory", do="name their directories"
        )
    path = held(written(*directories, out=out))
    if json:
        told({"file": str(path), "bytes": path.stat().st_size})
    else:
        said(str(path))
    return 0


def ls(root: Path = Path("runs"), /, *, json: Annotated[bool, Flag] = False) -> int:
    """List the runs in a directory and below it.

    Parameters
    ----------
    root
        Where to look.
    json
        Print one JSON object a line.
    """
    if not root.is_dir():
        raise CommandError(f"there is no directory {root}", got="nothing there", do="name another")
    runs = list(runs_in(root))
    if json:
        for one in runs:
            told(_plain(one))
        return 0
    rows = [
        (
            str(one.root.relative_to(root.absolute()))
            if one.root != root.absolute()
            else str(root),
            one.status,
            str(one.epochs),
            "  ".join(f"{k} {v:.4g}" for k, v in one.scores.items() if k.endswith("/loss")),
            duration(one.seconds) if one.seconds == one.seconds else "",
            one.began,
        )
        for one in runs
    ]
    table(("run", "status", "epochs", "last", "took", "began"), rows)
    return 0


def show(directory: Path, /, *, json: Annotated[bool, Flag] = False) -> int:
    """Tell what there is of a run.

    Parameters
    ----------
    directory
        Of the run.
    json
        Print one JSON object.
    """
    recorded: Recorded = held(af.load_run(directory))
    one = listed(directory)
    best = recorded.best
    if json:
        told(
            {
                **_plain(one),
                "best": None
                if best is None
                else {"epoch": best.index, "scores": dict(best.scores)},
                "checkpoint": None if recorded.mark is None else recorded.mark.name,
                "artifacts": {name: sorted(at) for name, at in recorded.artifacts.items()},
            }
        )
        return 0
    about = facts(directory.absolute().name, recorded, one)
    table(("", ""), about.summary)
    if about.scores:
        said("")
        table(about.header, about.scores)
    if recorded.state is not None:
        said("")
        said(str(summary(recorded.state)))
    if recorded.artifacts:
        said("")
        table(
            ("artifact", "epochs"),
            [(name, ", ".join(map(str, sorted(at)))) for name, at in recorded.artifacts.items()],
        )
    return 0


def held(outcome: Any) -> Any:
    """What an outcome holds.

    Raises:
        Fault: it has failed.
    """
    failed = unsafe_perform_io(outcome.swap().value_or(None))
    if isinstance(failed, Fault):
        raise failed
    return unsafe_perform_io(outcome.unwrap())


def _plain(one: Listed) -> dict[str, Any]:
    return attrs.asdict(one)

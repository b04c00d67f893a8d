"""Page: runs as one file of HTML, which needs no network and no other file."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn.runs.faults import Fault
from artifact_fn.runs.listed import listed
from artifact_fn.runs.recorded import Recorded, read_run
from artifact_fn.runs.reports.curves import Chart, charts
from artifact_fn.runs.reports.drawn import Stroke, strokes, svg
from artifact_fn.runs.reports.facts import Facts, differing, facts
from artifact_fn.runs.reports.frames import strips
from artifact_fn.runs.storage import files

_HERE = Path(__file__).parent
_DIFFERENCES = 60
"""Rows of differing options that a page shows."""


def report(
    *directories: str | Path, out: str | Path | None = None, room: int = 1_200_000
) -> IOResult[Path, Fault]:
    """Write a page that shows a run, or compares several.

    What ran, on which data and versions; the curves of all scores with the best epoch and the end
    marked; tables; every artifact with a slider through its epochs. Needs the extra `report`.

    Args:
        directories: Of runs; they may be going on.
        out: The file; by default `report.html` in the directory of a single run, or in the one that
            several have in common.
        room: Bytes of pictures and tables of artifacts, about; of epochs for which there is no
            room the page says that they are left out.

    Returns:
        The file; or the fault: `Missing`, `Damaged`, `Storage`.

    Raises:
        ValueError: there are no directories.

    Example:
        >>> import tempfile
        >>> from artifact_fn.runs.run import run
        >>> from artifact_fn.testing import small_experiment
        >>> root = tempfile.mkdtemp() + "/run"
        >>> outcome = run(small_experiment(), root)
        >>> report(root).map(lambda page: page.name)
        <IOResult: <Success: report.html>>
    """
    if not directories:
        raise ValueError("a report is of one run or more; give their directories")
    roots = [Path(os.path.abspath(directory)) for directory in directories]
    try:
        runs = {name: read_run(root) for name, root in zip(_names(roots), roots, strict=True)}
        text = page(runs, room=room)
        path = Path(os.path.commonpath(roots)) / "report.html" if out is None else Path(out)
        files.make(path.absolute().parent)
        files.replace(path.absolute(), text.encode())
        return IOSuccess(path)
    except Fault as fault:
        return IOFailure(fault)


def page(runs: Mapping[str, Recorded], *, room: int) -> str:
    """The page of runs by name, as text.

    Args:
        runs: What their directories hold.
        room: As for `report`.
    """
    told = [facts(name, recorded, listed(recorded.root)) for name, recorded in runs.items()]
    drawn = charts({name: recorded.history for name, recorded in runs.items()})
    pens = strokes([(curve.run, curve.split) for chart in drawn for curve in chart.curves])
    best = {name: one.best.index if one.best else None for name, one in runs.items()}
    shown = [
        strip
        for name, recorded in runs.items()
        for strip in strips(name, recorded, room // len(runs))
    ]
    order = list(dict.fromkeys(strip.name for strip in shown))
    other = differing({name: recorded.experiment for name, recorded in runs.items()})
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    template = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return template.render(
        title=next(iter(runs)) if len(runs) == 1 else f"{len(runs)} runs",
        names=tuple(runs),
        facts=told,
        overview=_side_by_side(told),
        differing=other[:_DIFFERENCES],
        undisclosed=max(0, len(other) - _DIFFERENCES),
        charts=[_chart(chart, pens, best, several=len(runs) > 1) for chart in drawn],
        strips=sorted(shown, key=lambda strip: order.index(strip.name)),
        # What this package has written itself, and nothing else, is taken as it is.
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        allowed=Markup(
            f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
        ),
    )


def _names(roots: Sequence[Path]) -> list[str]:
    """The names of directories, or their whole paths where two have the same."""
    names = [root.name for root in roots]
    if len(set(names)) == len(names):
        return names
    numbered = [f"{root}" for root in roots]
    return [
        f"{name} ({i})" if numbered.count(name) > 1 else name for i, name in enumerate(numbered)
    ]


def _side_by_side(told: Sequence[Facts]) -> list[tuple[str, ...]]:
    """The summaries of runs, then their last scores, a column each."""
    tables = [{row[0]: row[1] for row in (*one.summary, *one.scores)} for one in told]
    keys = dict.fromkeys(key for table in tables for key in table)
    return [(key, *(table.get(key, "") for table in tables)) for key in keys]


def _chart(
    chart: Chart,
    pens: Mapping[tuple[str, str], Stroke],
    best: Mapping[str, int | None],
    *,
    several: bool,
) -> dict[str, Any]:
    document, logarithmic = svg(chart, pens, best)
    legend, told = [], []
    for curve in chart.curves:
        pen = pens[curve.run, curve.split]
        label = " · ".join([*([curve.run] if several else []), curve.split or chart.name])
        legend.append({"label": label, "colour": pen.colour, "dash": pen.dash})
        told.append(f"{label}: {curve.told()}")
    notes = ["Logarithmic scale."] if logarithmic else []
    if any(curve.low for curve in chart.curves):
        notes.append("The band spans the members, the line is their mean.")
    return {
        "name": chart.name,
        "image": f"data:image/svg+xml;base64,{base64.b64encode(document.encode()).decode()}",
        "alt": f"{chart.name} by epoch. {'; '.join(told)}.",
        "legend": legend,
        "note": " ".join(notes),
    }

"""Running: the commands that train."""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any

import attrs
import torch
from cyclopts import Parameter
from returns.io import IOResult

import artifact_fn as af
from artifact_fn.cli.target import Target
from artifact_fn.cli.told import Flag, chosen, said, told, value_of
from artifact_fn.errors import CommandError
from artifact_fn.folds.epoch import Epoch, Run
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.faults import Fault, Missing
from artifact_fn.runs.storage import files
from artifact_fn.training.experiment import SELECTED
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Stream

Settings = Annotated[list[str] | None, Parameter(name="--set", negative=(), consume_multiple=False)]

COMMAND = "command.json"
"""What was run, in the directory of a run that this command line has begun."""


def run(
    target: str,
    /,
    *,
    settings: Settings = None,
    epochs: int | None = None,
    device: str | None = None,
    out: Path | None = None,
    threads: int | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Train an experiment in a directory of its own.

    Parameters
    ----------
    target
        module:name or file.py:name, an experiment or a function that makes one.
    settings
        path=value: an argument of that function, or a field of the experiment by its path.
    epochs
        At most so many.
    device
        Where to train: cpu, cuda, ...
    out
        The directory; by default the first free one of runs/NAME-1, runs/NAME-2, ...
    threads
        Of torch; small models are faster with 1.
    json
        Print one JSON object and no progress.
    """
    given = Target(target, tuple(settings or ()), epochs, device)
    threads_of(threads)
    experiment = given.experiment()
    root = _free(target) if out is None else out
    if not Directory(root.absolute()).experiment.exists():
        files.make(root.absolute())
        files.replace((root / COMMAND).absolute(), _command(given, threads))
    return _ended(af.run(experiment, root, show=_shown(as_json=json)), root, as_json=json)


def resume(
    directory: Path,
    target: str | None = None,
    /,
    *,
    settings: Settings = None,
    epochs: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    allow: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)] = None,
    wait: Annotated[bool, Flag] = False,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Go on with a run where it was left, to the same bits.

    Parameters
    ----------
    directory
        Of the run.
    target
        The experiment, where the run was not begun by this command; imports code.
    settings
        path=value, as for run, on top of what it was begun with.
    epochs
        At most so many; together with --allow until.
    device
        Where to train.
    threads
        Of torch.
    allow
        A field of the experiment that may differ from then.
    wait
        Wait for another process that is at work there.
    json
        Print one JSON object and no progress.
    """
    begun = _begun(directory, target)
    given = attrs.evolve(
        begun[0],
        settings=(*begun[0].settings, *(settings or ())),
        epochs=begun[0].epochs if epochs is None else epochs,
        device=begun[0].device if device is None else device,
    )
    threads_of(begun[1] if threads is None else threads)
    outcome = af.resume(
        given.experiment(), directory, allow=set(allow or ()), wait=wait, show=_shown(as_json=json)
    )
    return _ended(outcome, directory, as_json=json)


def _command(given: Target, threads: int | None) -> bytes:
    return json.dumps({**attrs.asdict(given), "threads": threads}).encode()


def _begun(directory: Path, target: str | None) -> tuple[Target, int | None]:
    """What a directory was begun with by this command line."""
    if not Directory(directory.absolute()).experiment.exists():
        raise Missing(directory)
    path = directory / COMMAND
    if not path.exists():
        if target is not None:
            return Target(target), None
        raise CommandError(
            f"{directory} does not say which experiment it runs",
            got=f"no {COMMAND} in it",
            do="name it: artifact-fn resume DIR module:experiment",
        )
    try:
        said = json.loads(files.read(path.absolute()))
        threads = said.pop("threads")
        begun = Target(**{**said, "settings": tuple(said["settings"])})
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise CommandError(
            f"{path} is not what was written", got=str(cause), do="name the experiment yourself"
        ) from cause
    return (begun if target is None else attrs.evolve(begun, name=target)), threads


def _free(target: str) -> Path:
    name = target.rpartition(":")[0].removesuffix(".py").replace("/", ".").split(".")[-1]
    paths = (Path("runs") / f"{name}-{i}" for i in itertools.count(1))
    return next(path for path in paths if not path.exists())


def threads_of(threads: int | None) -> None:
    """Give torch so many threads, if it is said how many."""
    if threads is not None:
        if threads < 1:
            raise CommandError("torch has a thread at least", got=f"{threads}", do="give 1 or more")
        torch.set_num_threads(threads)


def _shown(*, as_json: bool) -> Any:
    def unseen(stream: Stream) -> Stream:
        return stream

    return unseen if as_json else af.progress


def _ended(outcome: IOResult[Run[TrainState], Fault], root: Path, *, as_json: bool) -> int:
    """Tell how a run has ended.

    Raises:
        Fault: it has failed.
    """
    run: Run[TrainState] = value_of(outcome)
    best = _best(run.answers.get(SELECTED))
    if as_json:
        told(
            {
                "directory": str(root),
                "epochs": run.last.index,
                "stop": run.stop.reason,
                "scores": dict(run.last.scores),
                "best": chosen(best),
            }
        )
        return 0
    said(f"{root}: {run.stop.reason}")
    if best is not None:
        said(
            f"best: epoch {best.index}  "
            + "  ".join(f"{k} {v:.4g}" for k, v in best.scores.items())
        )
    return 0


def _best(selected: Any) -> Epoch[TrainState] | None:
    first = selected[:1] if isinstance(selected, tuple) else (selected,)
    return next((epoch for epoch in first if isinstance(epoch, Epoch)), None)

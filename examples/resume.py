"""A run that is killed in the middle of an epoch, and goes on as if it had not been.

    python examples/resume.py [--epochs 4] [--eager] [--out DIR]

Trains once in peace. Trains again in another process, which sends itself SIGKILL in the middle
of an epoch, and takes that run up in a third. The last lines are both digests and `identical`.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import torch
import torch.nn.functional as F
from returns.io import IOFailure, IOResult
from torch import nn

import artifact_fn as af
from artifact_fn import random, tree
from artifact_fn.folds import Run
from artifact_fn.runs import Fault, Missing, Recorded, Saving, Show, then
from artifact_fn.training import Advance, Event, Stream, TrainState, eager


def network() -> nn.Module:
    """8 features to 3 classes."""
    return nn.Sequential(
        nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3)
    )


def table(rows: int, seed: int) -> af.Table:
    """Three classes that depend on two of the features."""
    x = random.normal(random.key(seed), (rows, 8))
    y = (x[:, 0] > 0).to(torch.int64) + (x[:, 1] > 0.3).to(torch.int64)
    return af.Table({"x": x, "y": y})


def experiment(epochs: int, *, compiled: bool) -> af.Experiment:
    """Everything that makes the run, as one value."""
    model = af.functional(network)
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    given = af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.adamw(af.optim.cosine(1e-2, steps=40 * epochs)),
        data={
            af.Split.TRAIN: af.Loader(table(1280, seed=1), 32),
            af.Split.VALIDATION: af.Loader(table(256, seed=2), 256),
        },
        routines=(af.evaluation("val", objective),),
        until=af.at_most(epochs) | af.patience("val/loss", 3),
        select=af.best("val/loss"),
        chunk=8,
    )
    return given if compiled else attrs.evolve(given, wrap=eager)


def begun_or_taken_up(
    given: af.Experiment, directory: Path, show: Show
) -> IOResult[Run[TrainState], Fault]:
    """Go on with the run in a directory, or begin it."""
    saving = Saving(epochs=1, steps=8)
    return af.resume(given, directory, saving=saving, show=show).lash(
        lambda fault: (
            af.run(given, directory, saving=saving, show=show)
            if isinstance(fault, Missing)
            else IOFailure(fault)
        )
    )


def seen(stream: Stream) -> Stream:
    """The stream as it is."""
    return stream


def killer(epoch: int, cursor: int) -> Show:
    """Looks at a stream up to a cut, and kills the process there."""

    def show(stream: Stream) -> Stream:
        def events() -> Iterator[Event]:
            for event in stream.events():
                yield event
                if event == Advance(epoch, cursor, 40):
                    print(f"killed in epoch {epoch} after {cursor} batches", flush=True)
                    os.kill(os.getpid(), signal.SIGKILL)

        return attrs.evolve(stream, events=events)

    return show


def main() -> None:
    """Train in peace, be killed, go on, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=4, help="at most so many (4)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--out", type=Path, help="where the runs go; a temporary directory")
    parser.add_argument("--die", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.run:
        given = experiment(options.epochs, compiled=not options.eager)
        show = killer(options.epochs // 2 + 1, 24) if options.die else seen
        begun_or_taken_up(given, options.run, show).unwrap()
        return
    root = options.out or Path(tempfile.mkdtemp(prefix="resume-"))
    child = [sys.executable, __file__, "--epochs", str(options.epochs)]
    child += ["--eager"] if options.eager else []
    subprocess.run([*child, "--run", str(root / "whole")], check=True)
    dead = subprocess.run([*child, "--run", str(root / "killed"), "--die"], check=False)
    assert dead.returncode == -signal.SIGKILL, dead
    subprocess.run([*child, "--run", str(root / "killed")], check=True)
    print(f"the runs are in {root}")
    then(af.load_run(root / "whole"), lambda whole: both(whole, root / "killed")).map(print)


def both(whole: Recorded, other: Path) -> IOResult[str, Fault]:
    """Digests of the two runs, one under the other."""
    return af.load_run(other).map(lambda found: told(whole, found))


def told(whole: Recorded, killed: Recorded) -> str:
    """What is said of two runs."""
    assert whole.best is not None
    assert killed.best is not None
    same = (
        tree.identical(whole.state, killed.state)
        and tree.identical(whole.best.state, killed.best.state)
        and whole.history.equals(killed.history)
    )
    lines = [f"{tree.digest(run.state)}  {run.root.name}" for run in (whole, killed)]
    return "\n".join([*lines, "identical" if same else "DIFFERENT"])


if __name__ == "__main__":
    main()

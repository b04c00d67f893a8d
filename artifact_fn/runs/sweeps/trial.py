"""Trial: one point of a space as a run in a directory of its own, told to Ray Tune.

This is what a worker does. A worker that dies, or that is started again, goes on with the run.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from returns.io import IOFailure, IOResult
from returns.unsafe import unsafe_perform_io

from artifact_fn.errors import ArtifactFnError, SweepError
from artifact_fn.folds.epoch import Epoch, Run
from artifact_fn.folds.members import is_member
from artifact_fn.folds.mode import Mode
from artifact_fn.runs.faults import Fault, Missing
from artifact_fn.runs.run import resume, run
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.storage import files
from artifact_fn.runs.sweeps.kernels import own_cache
from artifact_fn.runs.sweeps.places import Places, plain, told, write_record
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Event, Stream, check_reads

EPOCH = "epoch"
"""What a scheduler counts by: the epochs of the run, also where a worker has begun anew."""

Point = Mapping[str, Any]
Workflow = Callable[[Point], Experiment]
"""A point of the space to the experiment there."""

Report = Callable[[dict[str, float]], None]
"""Tells Tune of an epoch; does not return if the trial is to end."""


@attrs.frozen(eq=False)
class Trials:
    """What all trials of a sweep have in common.

    Attributes:
        workflow: A point to its experiment.
        root: Of the sweep.
        score: By which trials are compared.
        mode: Whether lower or higher is better.
        threads: Of torch, in a worker.
        saving: Of each run; a checkpoint that is due is on disk before Tune hears of its epoch.
    """

    workflow: Workflow
    root: Path
    score: str
    mode: Mode
    threads: int
    saving: Saving


def work(trials: Trials, name: str, point: Point, report: Report) -> None:
    """Begin the run of a trial, or go on with it.

    A fault of the run and a mistake in its experiment are written down; Tune is told the worst of
    all scores. Any other exception is the worker's end.

    Args:
        trials: The sweep.
        name: Of the trial.
        point: Where it is.
        report: To Tune.
    """
    torch.set_num_threads(trials.threads)
    where = Places(trials.root).trial(name)
    files.make(where)
    about = {"trial": name, "point": plain(point), "began": time.time(), "fault": None}
    if not told(where).exists():
        write_record(told(where), about)
    fault: ArtifactFnError | None
    try:
        with own_cache():
            outcome = _gone_on(trials, where, point, report)
        fault = unsafe_perform_io(outcome.swap().value_or(None))
    except ArtifactFnError as mistake:
        fault = mistake
    if fault is not None:
        write_record(told(where), {**about, "fault": f"{type(fault).__name__}: {fault}"})
        report({EPOCH: 0, trials.score: _worst(trials.mode)})


def _gone_on(
    trials: Trials, where: Path, point: Point, report: Report
) -> IOResult[Run[TrainState], Fault]:
    experiment = trials.workflow(point)
    if not isinstance(experiment, Experiment):
        raise SweepError(
            "a workflow makes an experiment of a point",
            got=type(experiment).__name__,
            do="answer an Experiment",
        )
    heard: list[int] = []

    def tell(epoch: Epoch[TrainState]) -> None:
        heard[:] = [epoch.index]
        if trials.score in epoch.scores:  # Tune refuses a result without it
            report(_reported(trials, epoch))

    def show(stream: Stream) -> Stream:
        check_reads(frozenset({trials.score}), stream.makes)
        return attrs.evolve(stream, events=lambda: _telling(stream, tell))

    def finished(run: Run[TrainState]) -> Run[TrainState]:
        if heard != [run.last.index]:  # the stream ends before it is told of its last epoch
            tell(run.last)
        return run

    # Signals are those of the worker, which is not ours.
    options: dict[str, Any] = {"show": show, "saving": trials.saving, "signals": ()}
    return (
        resume(experiment, where, wait=True, **options)
        .lash(
            lambda fault: (
                run(experiment, where, **options)
                if isinstance(fault, Missing)
                else IOFailure(fault)
            )
        )
        .map(finished)
    )


def _telling(stream: Stream, tell: Callable[[Epoch[TrainState]], None]) -> Iterator[Event]:
    """The same events; an epoch is told of when it has been written down and saved."""
    for event in stream.events():
        yield event
        if isinstance(event, Epoch):
            tell(event)


def _reported(trials: Trials, epoch: Epoch[TrainState]) -> dict[str, float]:
    """The scores of an epoch, without those of single members."""
    scores = {name: value for name, value in epoch.scores.items() if not is_member(name)}
    if math.isnan(scores[trials.score]):
        scores[trials.score] = _worst(trials.mode)  # which a searcher can compare
    return {EPOCH: epoch.index, **scores}


def _worst(mode: Mode) -> float:
    return math.inf if mode == "min" else -math.inf

"""Examined: an experiment under the doctor's hands."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import ArtifactFnError, CompileError
from artifact_fn.folds.stopping import at_most
from artifact_fn.runs.description import describe
from artifact_fn.runs.doctor import checks
from artifact_fn.runs.doctor.diagnosis import Diagnosis, Finding
from artifact_fn.runs.doctor.syncs import Syncs
from artifact_fn.training.compiled import Compiled, compiled, eager
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.loop import fit
from artifact_fn.training.preflight import check_finite, first_batch, tried
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import TRAIN

_KINDS = {
    "PurityError": "impure step",
    "DataError": "data",
    "MetricError": "metric",
    "ObjectiveError": "objective",
    "CompileError": "graph break",
}


def doctor(
    experiment: Experiment,
    *,
    steps: int = 60,
    compile: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> Diagnosis:
    """Examine an experiment: what is wrong with it, and what it will cost.

    Tries a step under guards and an epoch of two batches, both eagerly; takes many steps on one
    batch, whose loss should fall; compiles the step and times it. The experiment is not changed
    and nothing is written but the cache of compiled kernels.

    Args:
        experiment: What is examined.
        steps: On the one batch.
        compile: Whether the step is compiled, if the experiment does that.
        clock: Seconds.

    Returns:
        Its findings, notes and figures. A fault that ends the examination is a finding, and what
        could not be looked at any more is named.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> doctor(small_experiment()).findings
        ()
    """
    findings: list[Finding] = []
    measured: dict[str, float] = {}
    skipped: list[str] = []
    try:
        state, batch = experiment.state(), first_batch(experiment.data[TRAIN])
        findings += checks.dtypes(state, batch)
        step = eager(experiment.training_step())
        syncs = Syncs()
        try:
            with syncs:
                _, metrics = tried(step, state, batch)
            check_finite(metrics)
        finally:
            findings += syncs.found.values()
        findings += _asked(experiment, state, batch)
        findings += _epoch(experiment)
        losses, stuck = checks.overfit(step, state, batch, steps)
        findings += stuck
        measured |= {"overfit first loss": losses[0], "overfit last loss": losses[-1]}
        measured["state bytes"] = float(_bytes(state))
        if not compile:
            skipped.append("compiling: not asked for")
        elif findings:
            skipped.append("compiling: mend what was found first")
        else:
            for name, figure in _timed(experiment, state, batch, clock):
                measured[name] = figure
    except ArtifactFnError as error:
        findings += _told(error)
        skipped.append("everything after that")
    except Exception as error:  # the user's own: a finding, unless one explains it
        if not any(finding.kind == "dtype" for finding in findings):
            findings.append(
                Finding(
                    "exception",
                    "a step raises an exception on the first batch",
                    f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                    "mend it; without compiling, Python's traceback leads to the line",
                )
            )
        skipped.append("everything after that")
    notes = [] if skipped else checks.shapes(experiment)
    measured["peak memory bytes"] = _peak()
    return Diagnosis(tuple(dict.fromkeys(findings)), tuple(notes), measured, tuple(skipped))


def _asked(experiment: Experiment, state: TrainState, batch: Any) -> Iterator[Finding]:
    """What single calls of the objective show."""
    yield from checks.buffers(experiment, state, batch)
    yield from checks.unused(experiment, state, batch)
    yield from checks.ignored(experiment, state, batch)


def _epoch(experiment: Experiment) -> list[Finding]:
    """What an epoch of two batches leaves changed that no step may read."""
    few = {split: checks.Few(source, 2) for split, source in experiment.data.items()}
    short = attrs.evolve(experiment, data=few, wrap=eager, until=at_most(2))
    before = describe(experiment)
    fit(short.stream(clock=time.perf_counter), until=short.until)
    return list(checks.changing(before, describe(experiment)))


def _timed(
    experiment: Experiment,
    state: TrainState,
    batch: Any,
    clock: Callable[[], float],
) -> Iterator[tuple[str, float]]:
    """How long a step takes: eager, to compile, and compiled."""
    step = eager(experiment.training_step())
    yield "eager steps a second", _pace(step, state, batch, clock)
    wrapped = experiment.wrap(step)
    if isinstance(wrapped, Compiled):
        own = compiled(step, cache=wrapped.cache, chunk=1)
        began = clock()
        own(state, batch)
        yield "compile seconds", clock() - began
        yield "compiled steps a second", _pace(own, state, batch, clock)


def _pace(step: Any, state: TrainState, batch: Any, clock: Callable[[], float]) -> float:
    step(state, batch)
    began, count = clock(), 0
    while count < 200 and (count < 5 or clock() - began < 0.5):
        state, _ = step(state, batch)
        count += 1
    state.step.item()  # which waits for the device
    return count / max(clock() - began, 1e-9)


def _told(error: ArtifactFnError) -> Iterator[Finding]:
    kind = _KINDS.get(type(error).__name__, "contract")
    if kind == "impure step":
        for word, name in (("random numbers", "global randomness"), ("arguments", "mutated input")):
            kind = name if word in error.what else kind
    if isinstance(error, CompileError) and "one graph" not in error.what:
        kind = "compiler"
    yield Finding(kind, error.what, error.got, error.do)


def _bytes(state: TrainState) -> int:
    leaves = [leaf for leaf in tree.leaves(state) if isinstance(leaf, Tensor)]
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves)


def _peak() -> float:
    """Of this process so far; macOS counts in bytes, others in kilobytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)

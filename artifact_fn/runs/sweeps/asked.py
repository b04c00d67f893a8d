"""Asked: what a sweep is asked for, checked before anything is written or begun."""

from collections.abc import Mapping
from typing import Any

from artifact_fn.errors import SweepError


def check(
    workflow: Any, space: Any, *, trials: Any, retries: Any, cpus: float, gpus: float
) -> None:
    """Refuse arguments of `sweep` that mean nothing.

    Raises:
        SweepError: names the first.
    """
    if not callable(workflow):
        raise SweepError(
            "a workflow is a function of a point",
            got=type(workflow).__name__,
            do="pass a function that is given {'lr': 0.1} and answers an Experiment",
        )
    if not isinstance(space, Mapping) or not all(isinstance(name, str) for name in space):
        raise SweepError(
            "a space has names",
            got=type(space).__name__,
            do="pass e.g. {'lr': tune.loguniform(1e-4, 1e-1)}",
        )
    for name, count, least in (("trials", trials, 1), ("retries", retries, 0)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise SweepError(
                f"{name} is a whole number of at least {least}", got=repr(count), do="give that"
            )
    if not (cpus >= 0 and gpus >= 0 and cpus + gpus > 0):
        raise SweepError(
            "a trial needs a processor", got=f"cpus={cpus}, gpus={gpus}", do="give cpus=1"
        )


def check_scheduler(engine: Any, scheduler: Any) -> None:
    """Refuse a scheduler that changes points while they are tried.

    Args:
        engine: Ray's `tune`.
        scheduler: One of its schedulers, or None.

    Raises:
        SweepError: it names the scheduler.
    """
    kinds = engine.schedulers
    if isinstance(scheduler, kinds.PopulationBasedTraining | kinds.PopulationBasedTrainingReplay):
        raise SweepError(
            "a trial is one experiment from its beginning to its end",
            got=f"{type(scheduler).__name__}, which changes points and copies weights",
            do="take a scheduler that ends or pauses trials, such as ASHAScheduler",
        )

"""Sweep: the points of a space tried by Ray Tune, a run directory for each."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from returns.io import IOFailure, IOResult

from artifact_fn.folds.mode import Mode, mode_of
from artifact_fn.runs.faults import Fault, Missing, Occupied
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.sweeps.asked import check, check_scheduler
from artifact_fn.runs.sweeps.cluster import joined, quiet, tune
from artifact_fn.runs.sweeps.places import Places, plain, read_record, told, write_record
from artifact_fn.runs.sweeps.swept import Swept, load_sweep
from artifact_fn.runs.sweeps.trial import Trials, Workflow, work

SAVING = Saving(background=False)
"""A checkpoint is on disk before Tune hears of its epoch, and may end the worker."""


def sweep(
    workflow: Workflow,
    space: Mapping[str, Any],
    directory: str | Path,
    *,
    score: str,
    mode: Mode | None = None,
    trials: int = 8,
    scheduler: Any = None,
    searcher: Any = None,
    seed: int = 0,
    cpus: float = 1.0,
    gpus: float = 0.0,
    at_once: int | None = None,
    retries: int = 2,
    saving: Saving = SAVING,
    address: str | None = None,
    workers: int | None = None,
) -> IOResult[Swept, Fault]:
    """Try points of a space, each by an experiment in a run directory of its own.

    A trial is a run like any other: it has a journal and checkpoints, and `load_run` reads it. A
    worker that dies is started again, and goes on with the run; so does a trial that a scheduler
    has paused. When this process dies, `resume_sweep` goes on.

    Ray sends the workflow to its workers (by cloudpickle), and Tune keeps what it knows of the
    search in `tune/` in a form of its own. Neither is read by anything but `resume_sweep`.

    Args:
        workflow: A point, a dict of what `space` names, to the experiment there. An experiment
            made by `train_each` is an ensemble in each trial.
        space: By name what is tried: a domain of Tune's (`tune.loguniform(1e-4, 1e-1)`,
            `tune.choice([...])`, `tune.grid_search([...])`), or one value.
        directory: Where; it holds no other sweep. Workers on other machines must see it there.
        score: By which trials are compared, e.g. `"val/loss"`; Tune is told of the epochs that
            have it.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.
        trials: Points to draw; of a grid, how often all of it is tried.
        scheduler: Tune's, which ends trials early: `ASHAScheduler(time_attr="epoch", max_t=100)`.
            It is not told score and mode; this is done here.
        searcher: Tune's, which chooses points, such as `OptunaSearch(seed=0)` (extra `optuna`);
            None to draw them at random.
        seed: Of the random draws, where there is no searcher.
        cpus: Of a trial, whole ones being threads of torch.
        gpus: Of a trial.
        at_once: Trials at the same time, at most; None for as many as there is room for.
        retries: How often a trial whose worker has died is taken up again.
        saving: Of each run.
        address: Of a Ray cluster, e.g. `"auto"`. A cluster that this process is part of is used
            anyway; without one, one is started on this machine and ended afterwards.
        workers: CPUs of that one; None for all of the machine.

    Returns:
        What was tried, failed trials among them; or the fault: `Occupied`, `Locked`, `Storage`.

    Raises:
        SweepError: Ray is not installed, an argument is out of range, or the scheduler changes
            points while they are tried.
        FoldError: `mode` is left out where no loss is read.

    Example:
        swept = sweep(workflow, {"lr": tune.loguniform(1e-4, 1e-1)}, "sweeps/rates", score="val/loss")
    """
    check(workflow, space, trials=trials, retries=retries, cpus=cpus, gpus=gpus)
    about = {"score": score, "mode": mode_of(score, mode), "cpus": cpus, "gpus": gpus}
    engine = tune()
    check_scheduler(engine, scheduler)
    places = Places(Path(directory).absolute())
    drawn = searcher is None
    basic = engine.search.BasicVariantGenerator(max_concurrent=at_once or 0, random_state=seed)

    def tuner() -> Any:
        return engine.Tuner(
            _trainable(engine, workflow, places, about, saving),
            param_space=dict(space),
            tune_config=engine.TuneConfig(
                metric=score,
                mode=about["mode"],
                num_samples=trials,
                scheduler=scheduler,
                search_alg=basic if drawn else searcher,
                max_concurrent_trials=None if drawn else at_once,
                trial_dirname_creator=_name,
                reuse_actors=True,  # a worker that has imported torch does for the next trial too
            ),
            run_config=engine.RunConfig(
                name=places.tune.name,
                storage_path=str(places.root),
                failure_config=engine.FailureConfig(max_failures=retries),
                verbose=0,
            ),
        )

    try:
        if places.sweep.exists():
            raise Occupied(places.root)
        files.make(places.root)
        with locked(places.root), joined(address, workers), quiet():
            if places.sweep.exists():
                raise Occupied(places.root)
            write_record(places.sweep, {**about, "ended": False})
            _fitted(tuner(), places, about)
    except Fault as fault:
        return IOFailure(fault)
    return load_sweep(places.root)


def resume_sweep(
    workflow: Workflow,
    directory: str | Path,
    *,
    saving: Saving = SAVING,
    address: str | None = None,
    workers: int | None = None,
) -> IOResult[Swept, Fault]:
    """Go on with a sweep whose process was ended.

    Trials that were at work go on with their runs, those whose workers had died too often are
    taken up once more, and the rest of the points is tried. Space, scheduler and searcher are
    those the sweep was begun with, in the state in which Tune last wrote them down. That is read
    by pickle: take up no sweep of a directory that others can write to.

    Args:
        workflow: The one the sweep was begun with.
        directory: Of the sweep.
        saving: As in `sweep`.
        address: As in `sweep`.
        workers: As in `sweep`.

    Returns:
        As `sweep`; or the fault: `Missing`, `Locked`, `Damaged`, `Storage`.

    Raises:
        SweepError: Ray is not installed.

    Example:
        swept = resume_sweep(workflow, "sweeps/rates")
    """
    engine = tune()
    places = Places(Path(directory).absolute())
    try:
        about = read_record(places.sweep)
        with locked(places.root), joined(address, workers), quiet():
            if not engine.Tuner.can_restore(str(places.tune)):
                raise Missing(places.tune, got="nothing that Tune could go on with")
            trainable = _trainable(engine, workflow, places, about, saving)
            tuner = engine.Tuner.restore(
                str(places.tune), trainable=trainable, restart_errored=True
            )
            _fitted(tuner, places, about)
    except Fault as fault:
        return IOFailure(fault)
    return load_sweep(places.root)


def _trainable(
    engine: Any, workflow: Workflow, places: Places, about: Mapping[str, Any], saving: Saving
) -> Any:
    """What Tune calls in a worker, and what it needs there."""
    cpus, gpus = about["cpus"], about["gpus"]
    trials = Trials(workflow, places.root, about["score"], about["mode"], max(1, int(cpus)), saving)

    def train(config: dict[str, Any]) -> None:
        worker = tune()
        work(trials, worker.get_context().get_trial_id(), config, worker.report)

    return engine.with_resources(train, {"cpu": cpus, "gpu": gpus})


def _name(trial: Any) -> str:
    """Of the directory where Tune keeps what it knows of a trial."""
    return str(trial.trial_id)


def _fitted(tuner: Any, places: Places, about: Mapping[str, Any]) -> None:
    """Have Tune do its work, and write down which workers it has given up."""
    for result in tuner.fit():
        if result.error is not None:
            _given_up(places.trial(Path(result.path).name), result)
    write_record(places.sweep, {**about, "ended": True})


def _given_up(trial: Path, result: Any) -> None:
    said: dict[str, Any] = {
        "trial": trial.name,
        "point": plain(result.config),
        "began": time.time(),
    }
    if told(trial).exists():
        said = read_record(told(trial))
    files.make(trial)
    reason = f"{type(result.error).__name__}: {str(result.error).strip().splitlines()[-1]}"
    write_record(told(trial), {**said, "fault": reason})

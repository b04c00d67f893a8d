"""Shared: an experiment of one process as that of several."""

import attrs

from artifact_fn import tree
from artifact_fn.errors import ParallelError
from artifact_fn.optim.transform import Optimizer
from artifact_fn.runs.distributed.processes import Processes
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.parallel import data_parallel, gathered
from artifact_fn.training.step import TrainStep, train_step


def shared_experiment(
    experiment: Experiment, here: Processes, optimizer: Optimizer | None
) -> Experiment:
    """The same experiment, whose step is taken by all processes.

    Args:
        experiment: Of one process.
        here: This one among them.
        optimizer: The experiment's own with `sharded` around its rule, or None.

    Raises:
        ParallelError: the step cannot be shared, or the optimizer is another one.
    """
    step = experiment.training_step()
    if optimizer is not None:
        if not isinstance(step, TrainStep) or step.name is not None:
            raise ParallelError(
                "one optimizer is put in the place of another",
                got="a step of several, or one that train_step has not made",
                do="leave optimizer out, or share the step of a single optimizer",
            )
        step = train_step(
            step.objective,
            optimizer,
            only=step.only,
            accumulate=step.accumulate,
            clip_rows=step.clip_rows,
        )
    shared = attrs.evolve(
        experiment,
        optimizer=experiment.optimizer if optimizer is None else optimizer,
        step=data_parallel(step, here.mesh),
    )
    if optimizer is not None:
        own, whole = tree.paths(experiment.state()), tree.paths(gathered(shared.state(), here.mesh))
        path = next((p for p in (*own, *whole) if p not in own or p not in whole), None)
        if path is not None:
            raise ParallelError(
                "the optimizer in shards is the experiment's own",
                got=f"{path} in the state of only one of them",
                do="write it anew with sharded(rule, here.mesh) in the place of its rule",
            )
    return shared

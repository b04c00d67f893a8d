"""Member experiment: the experiment of one model, as that of all members of an ensemble."""

from collections.abc import Sequence
from typing import Any

import attrs

from artifact_fn.errors import EnsembleError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold
from artifact_fn.training.contracts import Source
from artifact_fn.training.control import together as in_order
from artifact_fn.training.control import unchanged
from artifact_fn.training.ensemble import Ensemble
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.member_folds import each_control, stop_each
from artifact_fn.training.routines import Routine
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import TRAIN

ENDS = "ends"
"""The answer of a run that tells when and why each member has ended."""


def train_each(
    together: Ensemble,
    experiment: Experiment,
    *,
    source: Source[Any] | Sequence[Source[Any]] | None = None,
    routines: Sequence[Routine] = (),
    select: Fold[Epoch[TrainState], Any, Any] | None = None,
) -> Experiment:
    """An experiment of one model as that of all members of an ensemble.

    It is run, saved and resumed like any other. Its stopper and its control are asked of each
    member by itself, and its run answers `ends`, when and why each has stopped, too.

    Args:
        together: Of the experiment's model and optimizer.
        experiment: Of one; what its routines and its selection look at is one model, so it has
            neither.
        source: What members read, as in `Ensemble.source`; the experiment's training data for
            all of them by default.
        routines: Such as `evaluate_each`.
        select: Such as `best_of_each`.

    Raises:
        EnsembleError: the experiment has routines or a selection, or there are neither as many
            sources as members nor as splits.
        DataError: sources do not fit together.

    Example:
        >>> import torch, torch.nn.functional as F
        >>> from artifact_fn import data
        >>> from artifact_fn.folds import at_most
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import Experiment, eager, ensemble, functional, supervised
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> rows = data.Table({"x": torch.eye(3), "y": torch.tensor([0, 1, 0])})
        >>> one = Experiment(
        ...     model=model,
        ...     objective=supervised(model, F.cross_entropy),
        ...     optimizer=optimizer,
        ...     data={"train": data.Loader(rows, 3)},
        ...     until=at_most(2),
        ...     wrap=eager,
        ... )
        >>> all = train_each(ensemble(model, optimizer, seeds=4), one)
        >>> all.fit().answers["ends"][3]
        (2, '2 epochs are done')
    """
    for name in ("routines", "select"):
        if getattr(experiment, name):
            raise EnsembleError(
                f"the {name} of one model cannot look at many",
                got=f"an experiment with {name}",
                do="leave them out of it, and give those of the members: "
                "train_each(..., routines=[evaluate_each(...)], select=best_of_each(...))",
            )
    members = len(together)
    stops = stop_each(experiment.until, members)
    steered = experiment.control is not unchanged
    control = (
        in_order(stops.control, each_control(experiment.control, members))
        if steered
        else stops.control
    )
    read = experiment.data[TRAIN] if source is None else source
    return attrs.evolve(
        experiment,
        begin=lambda: together.state,
        step=together.step(experiment.training_step()),
        data={**experiment.data, TRAIN: together.source(read)},
        routines=routines,
        select=select,
        until=stops.until,
        control=control,
        folds={**experiment.folds, ENDS: stops.ends},
    )

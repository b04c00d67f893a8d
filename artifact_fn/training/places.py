"""Places: what stands in the place of a source, a step or a state, refused where it is put."""

import inspect
from typing import Any

from artifact_fn.errors import DataError, ObjectiveError
from artifact_fn.training.contracts import Source
from artifact_fn.training.state import TrainState


def check_source(source: Any) -> None:
    """Refuse what batches cannot be read from.

    Raises:
        DataError: it is no source.
    """
    if not isinstance(source, Source):
        raise DataError(
            "batches come from a source, which has `steps` and `batches(key, epoch, start)`",
            got=f"a {type(source).__name__}",
            do="pass data.Loader(table, batch_size=64), or an adapter of artifact_fn.data",
        )


def check_step(step: Any) -> None:
    """Refuse what cannot be called with a state and a batch: a state, a model, an objective.

    Raises:
        ObjectiveError: it cannot.
    """
    described = f"a {type(step).__name__}"
    if callable(step):
        try:
            inspect.signature(step).bind(None, None)
            return
        except ValueError:  # a function without a signature
            return
        except TypeError:
            described = f"a function of {inspect.signature(step)}"
    raise ObjectiveError(
        "a step takes a state and a batch",
        got=described,
        do="make it by train_step(objective, optimizer), and give it before the state: "
        "epochs(step, state, source)",
    )


def check_state(state: Any) -> None:
    """Refuse what is no state of training: an epoch, a run, a dict of parameters.

    Raises:
        DataError: it is not.
    """
    if not isinstance(state, TrainState):
        raise DataError(
            "a state is a TrainState",
            got=f"a {type(state).__name__}",
            do="make one by TrainState.create(model, optimizer, seed=0); an epoch holds its own, "
            "such as run.answers['best'].state or run.last.state",
        )

"""Prediction: what a trained model answers for rows, targets or none."""

from typing import Any

import torch

from artifact_fn import random, tree
from artifact_fn.errors import DataError
from artifact_fn.training.batches import Inputs, check_inputs, selected
from artifact_fn.training.contracts import Batch, Model, Source
from artifact_fn.training.state import TrainState

PREDICTION = 0x707265
"""The purpose of the keys that a model is given here, if it draws (see `step.EVALUATION`)."""


def predict(
    model: Model[Any, Any, Any],
    state: TrainState,
    source: Source[Any],
    *,
    inputs: Inputs = "x",
    method: str = "forward",
) -> Any:
    """A model's outputs for all rows of a source, in evaluation mode, without gradients.

    Args:
        model: Of the state.
        state: Trained or not; `optim.averaged(state)` predicts with an average.
        source: Read once, in its rows' own order; needs no targets.
        inputs: The columns that the model takes, as in `supervised`.
        method: Of the module.

    Returns:
        The outputs of a batch, joined over all batches: a pytree of tensors [N, ...].

    Raises:
        DataError: the source yields nothing, or lacks a column.
        ObjectiveError: `inputs` names no columns.

    Example:
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> state = TrainState.create(model, sgd(0.1), seed=0)
        >>> predict(model, state, Loader(Table({"x": torch.ones(5, 3)}), batch_size=2)).shape
        torch.Size([5, 2])
    """
    check_inputs(inputs)
    key = random.fold_in(state.key, PREDICTION)

    def answered(batch: Batch, index: int) -> Any:
        outputs, _ = model.apply(
            state.params,
            state.buffers,
            selected(batch, inputs),
            key=random.fold_in(key, index),
            training=False,
            method=method,
        )
        return outputs

    with torch.no_grad():
        parts = [answered(batch, i) for i, batch in enumerate(source.batches(None, 1))]
    if not parts:
        raise DataError(
            "there is nothing to predict", got="a source without batches", do="add rows"
        )
    return tree.map(lambda *leaves: torch.cat(leaves), *parts)

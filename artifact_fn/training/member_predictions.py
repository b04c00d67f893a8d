"""Predictions: what the members of an ensemble answer, and what they answer together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import EnsembleError
from artifact_fn.training.contracts import Model
from artifact_fn.training.member_step import bare
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import EVALUATION


def predict_each(
    model: Model,
    state: TrainState,
    inputs: Any,
    *,
    members: Sequence[int] | None = None,
    method: str = "forward",
) -> Any:
    """What every member answers to the same inputs, in evaluation mode.

    Args:
        model: Of one member.
        state: Stacked.
        inputs: As `Model.apply` takes them: a tensor [B, ...], a tuple, a dict.
        members: Which; None for all.
        method: Of the module, to be called.

    Returns:
        Their outputs, a pytree of tensors [M, B, ...].

    Raises:
        EnsembleError: the state is not of an ensemble.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.ensemble import ensemble
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> together = ensemble(model, sgd(0.1), seeds=5)
        >>> predict_each(model, together.state, torch.ones(4, 3)).shape
        torch.Size([5, 4, 2])
    """
    alone = bare(state)
    read = (alone.params, alone.buffers, alone.key)
    if members is not None:
        chosen = torch.tensor(list(members), device=alone.key.device)
        read = tree.map(lambda leaf: leaf.index_select(0, chosen), read)

    def one(params: Any, buffers: Any, key: Tensor) -> Any:
        drawn = random.fold_in(key, EVALUATION)
        return model.apply(params, buffers, inputs, key=drawn, training=False, method=method)[0]

    with torch.no_grad():
        return torch.vmap(one)(*read)


def mixture(logits: Tensor) -> Tensor:
    """The probabilities of a deep ensemble: the mean of its members' own.

    Lakshminarayanan, Pritzel and Blundell: Simple and scalable predictive uncertainty estimation
    using deep ensembles; NeurIPS 2017.

    Args:
        logits: [M, B, C], or [M, B] of class 1 of two.

    Returns:
        [B, C], or [B].

    Raises:
        EnsembleError: the shape is another.

    Example:
        >>> mixture(torch.tensor([[[0.0, 0.0]], [[0.0, 100.0]]]))
        tensor([[0.2500, 0.7500]])
    """
    if logits.ndim == 2:
        return logits.sigmoid().mean(0)
    if logits.ndim == 3:
        return logits.softmax(-1).mean(0)
    raise EnsembleError(
        "logits of members are [M, B, C], or [M, B]",
        got=f"a tensor of shape {list(logits.shape)}",
        do="give what predict_each answers",
    )


def disagreement(logits: Tensor) -> Tensor:
    """How much of a deep ensemble's uncertainty is that its members disagree, in nats.

    The entropy of the mixture minus the mean entropy of the members: the mutual information of
    the class and the member. 0 where all say the same, high where each is sure of another.

    Args:
        logits: [M, B, C], or [M, B] of class 1 of two.

    Returns:
        [B], at least 0 to rounding.

    Raises:
        EnsembleError: the shape is another.

    Example:
        >>> disagreement(torch.tensor([[[100.0, 0.0]], [[0.0, 100.0]]]))
        tensor([0.6931])
    """
    together = mixture(logits)
    if logits.ndim == 2:
        own = logits.sigmoid()
        own, together = (torch.stack([p, 1 - p], -1) for p in (own, together))
    else:
        own = logits.softmax(-1)
    difference: Tensor = torch.special.entr(together).sum(-1) - torch.special.entr(own).sum(
        -1
    ).mean(0)
    return difference

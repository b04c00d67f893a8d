"""Precision: an objective computed in a narrower dtype than its parameters are kept in."""

import torch
from torch import Tensor

from artifact_fn.errors import ObjectiveError
from artifact_fn.training.contracts import Aux, Batch, Buffers, Objective, Params


def autocast(objective: Objective, dtype: torch.dtype = torch.bfloat16) -> Objective:
    """The same objective with matrix products and convolutions in `dtype`.

    Parameters, gradients and the optimizer's state stay as they are; `torch.autocast` decides
    what is computed narrowly (losses and normalisations are not).

    Raises:
        ObjectiveError: `dtype` is float16, whose gradients vanish without loss scaling, or no
            floating dtype.

    Example:
        >>> import torch.nn.functional as F
        >>> from artifact_fn import random
        >>> from artifact_fn.training import functional, supervised
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> objective = autocast(supervised(model, F.cross_entropy))
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> loss, aux = objective(*model.init(0), batch, random.key(0), True)
        >>> loss.dtype, aux.outputs.dtype
        (torch.float32, torch.bfloat16)
    """
    if dtype == torch.float16 or not dtype.is_floating_point:
        raise ObjectiveError(
            "mixed precision computes in a narrow dtype with the range of float32",
            got=str(dtype),
            do="use torch.bfloat16",
        )

    def narrow(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Aux]:
        device = next(iter(params.values())).device.type
        with torch.autocast(device, dtype=dtype):
            loss, aux = objective(params, buffers, batch, key, training)
        return loss.float(), aux

    return narrow

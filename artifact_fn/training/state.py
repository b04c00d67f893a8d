"""State: all that a training step reads and makes."""

from typing import Any

import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import ModelError
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training.contracts import Buffers, Model, Params


@tree.node
class TrainState:
    """Tensors, and nothing else. Steps make new states and leave old ones as they are.

    Attributes:
        step: int64 [], steps done.
        params: Trainable parameters by path.
        buffers: Everything else of the model by path.
        opt_state: Of the optimizer, a pytree of tensors.
        key: int32 [2]; never changes, the step counts with it.
    """

    step: Tensor
    params: Params
    buffers: Buffers
    opt_state: Any
    key: Tensor

    @classmethod
    def create(cls, model: Model, optimizer: Optimizer, *, seed: int) -> "TrainState":
        """The state before the first step.

        Args:
            model: Initialised from the seed.
            optimizer: Initialised from the model's parameters.
            seed: 0 <= seed < 2**64.

        Raises:
            KeyDataError: the seed is out of range.
            ModelError: the model has no parameter that requires a gradient.

        Example:
            >>> from artifact_fn.optim import sgd
            >>> from artifact_fn.training.functional import functional
            >>> model = functional(lambda: torch.nn.Linear(3, 2))
            >>> list(TrainState.create(model, sgd(0.1), seed=0).params)
            ['weight', 'bias']
        """
        key = random.key(seed)
        params, buffers = model.init(seed)
        if not params:
            raise ModelError(
                "there is nothing to train",
                got="a model without parameters that require gradients",
                do="leave requires_grad=True on what shall be trained",
            )
        step = torch.zeros((), dtype=torch.int64)
        return cls(step, params, buffers, optimizer.init(params), key)

    def __repr__(self) -> str:
        count = sum(param.numel() for param in self.params.values())
        return f"TrainState(step={self.step.item()}, {count:,} parameters)"

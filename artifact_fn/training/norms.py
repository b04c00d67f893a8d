"""Norms: batch normalisation that is written out, for many members at once.

Torch's rule for many models at once makes one normalisation of members times channels,
[B, M * C], and leaves it so: the rows of one member are far apart in memory, and the products that
follow walk over all of it for each member. Written out, each operation keeps [M, B, C].
"""

from typing import Any

import torch
from torch import Tensor, nn

Torchs = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


class BatchNorm(nn.Module):
    """An `nn.BatchNorm1d`, `2d` or `3d`, in operations whose vmap keeps the members apart.

    Args:
        inner: Holds parameters, buffers and options; they keep their names.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, inner: Torchs) -> None:
        super().__init__()
        for name, parameter in inner._parameters.items():
            self.register_parameter(name, parameter)
        for name, buffer in inner._buffers.items():
            self.register_buffer(name, buffer)
        assert inner.momentum is not None
        self.momentum, self.eps, self.kind = inner.momentum, inner.eps, type(inner)
        self.told: str = inner.extra_repr()  # type: ignore[no-untyped-call]

    def forward(self, input: Tensor) -> Tensor:
        """As the module of torch: [B, C], [B, C, L], ..."""
        self.kind._check_input_dim(self, input)  # type: ignore[arg-type]
        if self.training:
            self.num_batches_tracked.add_(1)
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )

    def _get_name(self) -> str:
        return self.kind.__name__

    def extra_repr(self) -> str:
        """As that of the module of torch."""
        return self.told


def normed(module: nn.Module) -> nn.Module | None:
    """The substitute for one of torch's batch normalisations; None for any other module."""
    # Not for what inherits from them: that computes something of its own.
    if type(module) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        return None
    known: Any = module
    return BatchNorm(known) if known.track_running_stats and known.momentum is not None else None


def batch_norm(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """As `F.batch_norm`, to rounding.

    Args:
        input: [B, C, ...].
        running_mean: [C], written into when training.
        running_var: [C], likewise; of the unbiased variance.
        weight: [C].
        bias: [C].
        training: Whether the batch's own statistics are used.
        momentum: Of the new ones in the running ones.
        eps: Added to the variance.

    Example:
        >>> import torch.nn.functional as F
        >>> x, mean, var = torch.arange(12.0).reshape(4, 3), torch.zeros(3), torch.ones(3)
        >>> ours = batch_norm(x, mean, var, None, None, True, 0.1, 1e-5)
        >>> torch.allclose(ours, F.batch_norm(x, None, None, training=True)), mean
        (True, tensor([0.4500, 0.5500, 0.6500]))
    """
    over = [0, *range(2, input.ndim)]
    shape = [1, -1, *[1] * (input.ndim - 2)]
    half = input.dtype in (torch.float16, torch.bfloat16)
    x = input.float() if half else input
    if training:
        count = input.numel() // input.shape[1]
        if count < 2:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        var, mean = torch.var_mean(x, over, correction=0)
        with torch.no_grad():
            free = var * (count / (count - 1))
            running_mean.copy_(momentum * mean + (1 - momentum) * running_mean)
            running_var.copy_(momentum * free + (1 - momentum) * running_var)
    else:
        mean, var = running_mean, running_var
    out = (x - mean.reshape(shape)) * torch.rsqrt(var + eps).reshape(shape)
    if weight is not None:
        out = out * weight.reshape(shape)
    if bias is not None:
        out = out + bias.reshape(shape)
    return out.to(input.dtype) if half else out

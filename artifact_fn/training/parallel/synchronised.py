"""Synchronised: BatchNorm over the rows of all processes."""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn.training.parallel.mesh import Mesh, summing

M = TypeVar("M", bound=nn.Module)

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def synchronised(module: M, mesh: Mesh) -> M:
    """A module whose BatchNorms, in training, normalise over the rows of all processes.

    With it a `data_parallel` step of k processes is that of one process, to rounding; it costs two
    messages a layer. Paths and values are the same with and without it, so a state fits both.

    Args:
        module: Copied, and left as it is.
        mesh: Who takes part.

    Example:
        >>> import artifact_fn as af
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        >>> model = af.functional(lambda: synchronised(net, Mesh(0, 1)))
        >>> list(model.init(0)[1])
        ['1.running_mean', '1.running_var', '1.num_batches_tracked']
    """
    if mesh.size == 1:
        return module
    made = copy.deepcopy(module)
    if type(made) in _KINDS:
        return SynchronisedNorm(made, mesh)  # type: ignore[return-value, arg-type]
    for parent in list(made.modules()):
        for name, child in parent.named_children():
            if type(child) in _KINDS:
                setattr(parent, name, SynchronisedNorm(child, mesh))  # type: ignore[arg-type]
    return made


class SynchronisedNorm(nn.Module):
    """A BatchNorm with the parameters and buffers of another.

    Args:
        norm: Of torch.
        mesh: Who takes part.
    """

    def __init__(self, norm: nn.BatchNorm1d, mesh: Mesh) -> None:
        super().__init__()
        self.eps, self.momentum, self.summed = norm.eps, norm.momentum, summing(mesh)
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.train(norm.training)

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] to the same."""
        if not self.training and self.running_mean is not None:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        over = [0, *range(2, x.ndim)]
        width = x.shape[1]
        wide = x.to(torch.float32) if x.dtype in (torch.float16, torch.bfloat16) else x
        # Centred around this process's own mean: a difference of large squares loses digits.
        own = wide.mean(over)
        spread = (wide - _along(own, x)).square().sum(over)
        count = torch.full((1,), x.numel() // width, dtype=wide.dtype, device=x.device)
        if not self.training:
            mean, var, every = own, spread / count, count
        else:
            told = self.summed(torch.cat([own * count, count]))
            every = told[-1:]
            mean = told[:-1] / every
            var = self.summed(spread + count * (own - mean).square()) / every
        if self.training and self.running_mean is not None:
            self._track(mean.detach(), (var * every / (every - 1)).detach())
        scale = torch.rsqrt(var + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return (wide * _along(scale, x) + _along(shift, x)).to(x.dtype)

    def _track(self, mean: Tensor, var: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = (
            1 / self.num_batches_tracked.to(mean.dtype) if self.momentum is None else self.momentum
        )
        for held, new in ((self.running_mean, mean), (self.running_var, var)):
            held.mul_(1 - share).add_(share * new)


def _along(values: Tensor, x: Tensor) -> Tensor:
    """[C] as it is broadcast over [B, C, ...]."""
    return values.reshape(1, -1, *(1 for _ in range(x.ndim - 2)))

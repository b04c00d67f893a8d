"""Clipping: transforms that bound gradients."""

from typing import Any

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.transform import Grads, Params, Transform


def global_norm(grads: Grads) -> Tensor:
    """The 2-norm of all gradients together: a tensor [] of their dtype; 0 of none.

    Args:
        grads: By path, of any shapes.

    Example:
        >>> global_norm({"a": torch.tensor([3.0]), "b": torch.tensor([4.0])})
        tensor(5.)
    """
    if not grads:
        return torch.zeros(())
    norms = [torch.linalg.vector_norm(grad) for grad in grads.values()]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def clip_by_global_norm(max_norm: float) -> Transform:
    """Scale all gradients so that their global norm is at most `max_norm`.

    The arithmetic of `torch.nn.utils.clip_grad_norm_` (Pascanu, Mikolov and Bengio, ICML 2013):
    gradients times min(1, max_norm / (norm + 1e-6)).

    Raises:
        OptimError: `max_norm` is not positive.

    Example:
        >>> clip = clip_by_global_norm(1.0)
        >>> clip.update({"w": torch.tensor([3.0, 4.0])}, clip.init({}), {})[0]
        {'w': tensor([0.6000, 0.8000])}
    """
    _positive("a norm to clip to", max_norm)

    def update(grads: Grads, state: tuple[()], params: Params) -> tuple[Grads, tuple[()]]:
        scale = torch.clamp(max_norm / (global_norm(grads) + 1e-6), max=1.0)
        return {name: grad * scale.to(grad.dtype) for name, grad in grads.items()}, state

    return Transform(_stateless, update, elementwise=True)


def clip_by_norm(max_norm: float) -> Transform:
    """Scale the gradient of each parameter by itself so that its norm is at most `max_norm`.

    Raises:
        OptimError: `max_norm` is not positive.

    Example:
        >>> clip = clip_by_norm(1.0)
        >>> grads = {"w": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.5])}
        >>> clip.update(grads, clip.init({}), {})[0]
        {'w': tensor([0.6000, 0.8000]), 'b': tensor([0.5000])}
    """
    _positive("a norm to clip to", max_norm)

    def clipped(grad: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(grad)
        return grad * torch.clamp(max_norm / (norm + 1e-6), max=1.0).to(grad.dtype)

    def update(grads: Grads, state: tuple[()], params: Params) -> tuple[Grads, tuple[()]]:
        return {name: clipped(grad) for name, grad in grads.items()}, state

    return Transform(_stateless, update)


def clip_by_value(limit: float) -> Transform:
    """Clamp every element of every gradient to [-limit, limit].

    Raises:
        OptimError: `limit` is not positive.

    Example:
        >>> clip = clip_by_value(1.0)
        >>> clip.update({"w": torch.tensor([3.0, -0.5])}, clip.init({}), {})[0]
        {'w': tensor([ 1.0000, -0.5000])}
    """
    _positive("a value to clip to", limit)

    def update(grads: Grads, state: tuple[()], params: Params) -> tuple[Grads, tuple[()]]:
        return {name: grad.clamp(-limit, limit) for name, grad in grads.items()}, state

    return Transform(_stateless, update, elementwise=True)


def _stateless(params: Params) -> Any:
    return ()


def _positive(what: str, value: float) -> None:
    if not value > 0:
        raise OptimError(f"{what} is positive", got=repr(value), do="give a number above 0")

"""Place: pytrees on a device."""

from typing import Any, TypeVar

import torch
from torch import Tensor

from artifact_fn import tree as trees

T = TypeVar("T")


def place(tree: T, device: str | torch.device) -> T:
    """The same tree with every tensor on `device`: a state, a batch, a table.

    Example:
        >>> place({"x": torch.zeros(2)}, "cpu")
        {'x': tensor([0., 0.])}
    """

    def move(leaf: Any) -> Any:
        return leaf.to(device) if isinstance(leaf, Tensor) else leaf

    placed: T = trees.map(move, tree)
    return placed

"""Kept: what a step keeps of one module's outputs or gradients, and the tensors it is kept in."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.training.reducers import Reducer
from artifact_fn.training.statistics import Join, Statistic, joins, neutral

HELD = "_artifact_fn_watched_"
"""How the buffers begin in which a watched module finds the tensors of `tensors`."""


@attrs.frozen(eq=False)
class Site:
    """One reduction of the outputs of one module, or of the gradient at them.

    Attributes:
        name: Of the result, e.g. `activations/body.0/std`.
        path: Of the module.
        reducer: What is kept.
        gradient: Whether of the gradient.
        kinds: Of each field of the statistic: how it is joined, its shape and dtype.
        build: The statistic of its fields.
    """

    name: str
    path: str
    reducer: Reducer
    gradient: bool
    kinds: tuple[tuple[Join, tuple[int, ...], torch.dtype], ...]
    build: Callable[[Iterator[Tensor]], Any]

    @classmethod
    def of(
        cls, name: str, path: str, reducer: Reducer, gradient: bool, example: Statistic
    ) -> "Site":
        """A site from a statistic that its reducer has answered."""
        leaves, spec = tree.flatten(example)
        kinds = zip(joins({"": example}), leaves, strict=True)
        shaped = tuple((way, tuple(leaf.shape), leaf.dtype) for way, leaf in kinds)
        return cls(name, path, reducer, gradient, shaped, tree.builder(spec))

    def size(self) -> int:
        """Numbers in the statistic."""
        return sum(math.prod(shape) for _, shape, _ in self.kinds)


def room(sites: Sequence[Site]) -> dict[str, int]:
    """How many numbers are kept of the gradients at each module, by path."""
    found: dict[str, int] = {}
    for site in sites:
        if site.gradient:
            found[site.path] = found.get(site.path, 0) + site.size()
    return found


def tensors(sites: Sequence[Site], rooms: Mapping[str, Tensor], key: Tensor) -> dict[str, Tensor]:
    """Room for what one step keeps, by its slot in the module.

    Args:
        sites: What is kept.
        rooms: For each path of `room`, zeros float64 [numbers] to be derived by.
        key: int32 [2], for reducers that draw.
    """
    made: dict[str, Tensor] = {}
    for path, packed in rooms.items():
        made[f"{_at(path)}{HELD}gradient"] = packed
    for i, site in enumerate(sites):
        at = f"{_at(site.path)}{HELD}{i}"
        made[f"{at}_key"] = random.fold_in(key, i) if site.reducer.draws else key
        if not site.gradient:
            for j, kind in enumerate(site.kinds):
                made[f"{at}_{j}"] = neutral(*kind, key.device)
    return made


def kept(sites: Sequence[Site], given: Mapping[str, Tensor]) -> dict[str, Statistic]:
    """What has been kept of outputs, after the step."""
    found: dict[str, Statistic] = {}
    for i, site in enumerate(sites):
        if not site.gradient:
            at = f"{_at(site.path)}{HELD}{i}"
            leaves = [given[f"{at}_{j}"] for j in range(len(site.kinds))]
            found[site.name] = site.build(leaf.clone() for leaf in leaves)
    return found


def unpacked(sites: Sequence[Site], rooms: Mapping[str, Tensor]) -> dict[str, Statistic]:
    """What has been kept of gradients, from the gradients of the rooms."""
    found: dict[str, Statistic] = {}
    used = dict.fromkeys(rooms, 0)
    for site in sites:
        if site.gradient:
            leaves = []
            for _, shape, kind in site.kinds:
                start, size = used[site.path], math.prod(shape)
                leaves.append(
                    rooms[site.path][start : start + size].reshape(shape).to(kind).clone()
                )
                used[site.path] = start + size
            found[site.name] = site.build(iter(leaves))
    return found


def _at(path: str) -> str:
    return f"module.{path}." if path else "module."

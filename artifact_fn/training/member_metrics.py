"""Member metrics: one statistic of each of many models, that is told as a score of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.folds.members import score_of


@tree.node
class OfMembers:
    """The statistics of M members.

    Attributes:
        statistic: Theirs, every leaf [M, ...].
        told: bool [M], whose are to be told: a member that has stopped has none any more.
    """

    joins: ClassVar[Mapping[str, Literal["sum", "min", "max"]]] = {"told": "max"}
    statistic: Any
    told: Tensor

    def answer(self) -> Tensor:
        """Those of all members, [M, ...]."""
        found: Tensor = torch.vmap(lambda one: one.answer())(self.statistic)
        return found

    def told_as(self, name: str) -> dict[str, Tensor]:
        """Answers by name.

        Of a scalar, `name` is the mean over the members that are told, and `name[3]` that of
        member 3, NaN where it is not told. Of an array, `name` holds those of all members, [M, ...].
        """
        found = self.answer()
        if found.ndim > 1:
            return {name: found}
        value = found.to(torch.float64)
        hidden = torch.where(self.told, value, torch.nan)
        mean = torch.where(self.told, value, 0).sum() / self.told.sum()
        each = {score_of(name, i): one for i, one in enumerate(hidden.unbind())}
        return {name: mean, **each}

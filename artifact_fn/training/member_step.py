"""Member step: a step of one model, taken by many of them at once.

The vmap of the step over stacked states. A member that has stopped comes out as it went in.
"""

# Annotations stay strings: Dynamo cannot evaluate `tuple[X, Y]` where a function is defined
# inside a compiled step.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import EnsembleError
from artifact_fn.training.compiled import Compiled
from artifact_fn.training.contracts import Step
from artifact_fn.training.member_batches import Each
from artifact_fn.training.member_metrics import OfMembers
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics


@tree.node
class Members:
    """The optimizer's part of a stacked state.

    Attributes:
        inner: Its states, stacked.
        running: bool [M], who is still trained.
    """

    inner: Any
    running: Tensor


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of one structure as one, whose leaves are [M, ...]."""
    return tree.map(lambda *leaves: torch.stack(leaves), *trees)


def bare(state: TrainState) -> TrainState:
    """A stacked state with nothing in it but the members' own states.

    Raises:
        EnsembleError: the state is not of an ensemble.
    """
    if not isinstance(state.opt_state, Members):
        raise EnsembleError(
            "members have a state together",
            got="a state of one model",
            do="begin with the state that ensemble(...) has made",
        )
    return tree.replace(state, opt_state=state.opt_state.inner)


def member_of(state: TrainState, member: int) -> TrainState:
    """One member's own state, copied.

    Raises:
        EnsembleError: the state is not of an ensemble.
    """
    one: TrainState = tree.map(lambda leaf: leaf[member].clone(), bare(state))
    return one


@attrs.frozen(eq=False)
class MembersStep:
    """A step of many members.

    Attributes:
        step: Of one.
        members: How many there are.
        at_once: How many of them are worked on at the same time; None for all.

    Raises:
        EnsembleError: the step is compiled.
    """

    step: Step[TrainState, Any]
    members: int
    at_once: int | None = None

    def __attrs_post_init__(self) -> None:
        if isinstance(self.step, Compiled):
            raise EnsembleError(
                "members share a step that is compiled as a whole",
                got="a compiled step",
                do="compile the step of the members: compiled(together.step(train_step(...)))",
            )

    def __call__(self, state: TrainState, batch: Any, /) -> tuple[TrainState, Metrics]:
        """The next states, and the metrics `OfMembers`.

        Raises:
            EnsembleError: the state is not of an ensemble.
        """
        alone = bare(state)
        running: Tensor = state.opt_state.running
        own = isinstance(batch, Each)
        given = batch.apart(self.members) if own else batch
        whole = (alone, given if own else None, running)
        size = min(self.at_once or self.members, self.members)
        parts = []
        for at in range(0, self.members, size):
            some, rows, on = whole if size == self.members else _slice(whole, at, at + size)
            parts.append(_taken(self.step, some, rows if own else batch, on, own))
        kept = parts[0][2]
        after, told = parts[0][:2]
        if len(parts) > 1:
            after, told = tree.map(lambda *leaves: torch.cat(leaves), *(part[:2] for part in parts))
        # What a step hands through it hands through here: no program need copy it.
        leaves, spec = tree.flatten(after)
        before = tree.leaves(tree.map(lambda _, old: old, after, alone))
        leaves = [old if same else new for new, old, same in zip(leaves, before, kept, strict=True)]
        after = tree.unflatten(leaves, spec)
        return tree.replace(after, opt_state=Members(after.opt_state, running)), {
            name: OfMembers(statistic, running.clone()) for name, statistic in told.items()
        }


def _slice(stacked: Any, start: int, stop: int) -> Any:
    return tree.map(lambda leaf: None if leaf is None else leaf[start:stop], stacked)


def _taken(
    step: Step[TrainState, Any], state: TrainState, batch: Any, running: Tensor, own: bool
) -> tuple[TrainState, Metrics, list[bool]]:
    """Next states, metrics, and which leaves of the state the step has handed through."""
    kept: list[bool] = []

    def one(state: TrainState, batch: Any, running: Tensor) -> tuple[TrainState, Metrics]:
        after, told = step(state, batch)
        leaves, spec = tree.flatten(after)
        before = tree.leaves(tree.map(lambda _, old: old, after, state))
        kept[:] = [new is old for new, old in zip(leaves, before, strict=True)]
        chosen = [
            new if new is old else torch.where(running, new, old)
            for new, old in zip(leaves, before, strict=True)
        ]
        return tree.unflatten(chosen, spec), told

    after, told = torch.vmap(one, in_dims=(0, 0 if own else None, 0))(state, batch, running)
    return after, told, kept

"""Member folds: early stopping and the best epoch, for each member of an ensemble by itself."""

import math
from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.members import Ended, all_ended, check_members, each, ended, score_of
from artifact_fn.folds.mode import Mode, improves
from artifact_fn.folds.stopping import Stopper
from artifact_fn.training.control import Control, check_control
from artifact_fn.training.member_step import Members, bare, member_of, stacked
from artifact_fn.training.state import TrainState


@attrs.frozen
class EachStops:
    """A stopper that is asked of each member by itself.

    Attributes:
        control: Freezes those that have ended; for `epochs(..., control=...)`.
        until: Ends the run when all have ended; for `fit(..., until=...)`.
        ends: Answers when and why each has ended, as (epoch, reason) or None; for `fit` too.
    """

    control: Control
    until: Stopper[Epoch[Any]]
    ends: Fold[Epoch[Any], Any, tuple[Ended | None, ...]]


def stop_each(stopper: Stopper[Epoch[Any]], members: int) -> EachStops:
    """Early stopping of each member by itself.

    A member that has ended keeps its state to the bit while the others go on, and what training
    tells of it is NaN; it is evaluated as before.

    Args:
        stopper: E.g. `patience("val/loss", 5)`; it reads a member's own `val/loss`.
        members: How many there are, `len(ensemble)`.

    Raises:
        FoldError: `stopper` is none, or `members` is below 1.

    Example:
        >>> from artifact_fn.folds import patience, run
        >>> stops = stop_each(patience("val/loss", 1), members=2)
        >>> losses = [(0.5, 0.5), (0.6, 0.4)]
        >>> seen = [
        ...     Epoch(i, None, {"val/loss[0]": a, "val/loss[1]": b}) for i, (a, b) in enumerate(losses, 1)
        ... ]
        >>> run(stops.ends, seen)
        ((2, 'val/loss has not improved on 0.5 for 1 evaluations'), None)
    """
    ends = ended(stopper, members)
    return EachStops(ends.map(_freeze), all_ended(stopper, members), ends)


def _freeze(ends: tuple[Ended | None, ...]) -> Callable[[TrainState], TrainState]:
    def freeze(state: TrainState) -> TrainState:
        if all(end is None for end in ends):
            return state
        bare(state)  # which refuses what is not of an ensemble
        held: Members = state.opt_state
        still = [end is None for end in ends]
        running = torch.tensor(still, device=held.running.device) & held.running
        return tree.replace(state, opt_state=tree.replace(held, running=running))

    return freeze


@tree.node
class BestOfEach:
    """The best epoch of each member.

    Attributes:
        epoch: int64 [M], its index; 0 where the score was never a number.
        score: float64 [M], its value; NaN where it was never a number.
        state: Stacked: that of its best epoch for each member, of the first one for those
            without; None before the first epoch that has the score.
    """

    epoch: Tensor
    score: Tensor
    state: TrainState | None


def best_of_each(
    score: str, members: int, *, mode: Mode = "min"
) -> Fold[Epoch[TrainState], BestOfEach, BestOfEach]:
    """The best epoch of each member by its own score, as `folds.best` for one.

    Of equal values the earlier epoch is better; NaN is never kept.

    Args:
        score: Its plain name, e.g. `"val/loss"`.
        members: How many there are, `len(ensemble)`.
        mode: Whether lower ("min") or higher ("max") is better.

    Raises:
        FoldError: an argument is out of range.

    Example:
        >>> from artifact_fn.folds import Epoch
        >>> fold = best_of_each("val/loss", members=2)
        >>> epochs = [
        ...     Epoch(i, None, {"val/loss": (a + b) / 2, "val/loss[0]": a, "val/loss[1]": b})
        ...     for i, (a, b) in enumerate([(0.5, 0.3), (0.4, 0.6)], 1)
        ... ]
        >>> fold.reads <= epochs[0].scores.keys()
        True
    """
    better = improves(mode)
    check_members(members)

    def init() -> BestOfEach:
        none = torch.full((members,), math.nan, dtype=torch.float64)
        return BestOfEach(torch.zeros(members, dtype=torch.int64), none, None)

    def step(kept: BestOfEach, epoch: Epoch[TrainState]) -> BestOfEach:
        if score_of(score, 0) not in epoch.scores:
            return kept
        values = [epoch.scores[score_of(score, i)] for i in range(members)]
        known = kept.score.tolist()
        won = [
            not math.isnan(new) and (math.isnan(old) or better(new, old))
            for new, old in zip(values, known, strict=True)
        ]
        state = epoch.state
        if kept.state is not None and not all(won):
            mask = torch.tensor(won, device=state.step.device)
            state = kept.state if not any(won) else tree.map(_chosen(mask), state, kept.state)
        now = torch.tensor(won)
        return BestOfEach(
            torch.where(now, epoch.index, kept.epoch),
            torch.where(now, torch.tensor(values, dtype=torch.float64), kept.score),
            state,
        )

    return Fold(init, step, lambda kept: kept, frozenset({score_of(score, 0)}))


def _chosen(mask: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    def chosen(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(mask.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return chosen


def each_control(control: Control, members: int) -> Control:
    """A control of each member by itself, e.g. `optim.reduce_on_plateau("val/loss")`.

    What has stopped is left alone: beside a `stop_each`, which says what has, give its control
    first, `control.together(stops.control, each_control(...))`.

    Args:
        control: Reads a member's own scores and answers what is done to its state.
        members: How many there are, `len(ensemble)`.

    Raises:
        FoldError: `control` is no fold, or `members` is below 1.

    Example:
        >>> from artifact_fn.optim import reduce_on_plateau
        >>> control = each_control(reduce_on_plateau("val/loss"), members=2)
        >>> callable(control.extract(control.init()))
        True
    """
    check_control(control)

    def steer(changes: tuple[Callable[[TrainState], TrainState], ...]) -> Any:
        def steered(state: TrainState) -> TrainState:
            before = [member_of(state, i) for i in range(members)]
            held: Members = state.opt_state
            after = [
                change(one) if running else one
                for change, one, running in zip(changes, before, held.running.tolist(), strict=True)
            ]
            if all(new is old for new, old in zip(after, before, strict=True)):
                return state
            found: TrainState = stacked(after)
            return tree.replace(found, opt_state=tree.replace(held, inner=found.opt_state))

        return steered

    return each(control, members).map(steer)

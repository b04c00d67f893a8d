"""Members: the epochs of many models that are trained together, seen one model at a time.

A score of one member has its number behind its name: `val/loss[3]`; `val/loss` is the mean.
"""

import re
from typing import Any

import pandas as pd

from artifact_fn.errors import FoldError
from artifact_fn.folds.epoch import SECONDS, Epoch, Stop
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.stopping import Stopper

_MEMBER = re.compile(r"(.+)\[(\d+)\]")

Ended = tuple[int, str]
"""The epoch after which a member was stopped, and why."""


def score_of(name: str, member: int) -> str:
    """The name of a member's score.

    Example:
        >>> score_of("val/loss", 3)
        'val/loss[3]'
    """
    return f"{name}[{member}]"


def is_member(name: str) -> bool:
    """Whether a score is that of one member.

    Example:
        >>> is_member("val/loss[3]"), is_member("val/loss")
        (True, False)
    """
    return _MEMBER.fullmatch(name) is not None


def members_of(epoch: Epoch[Any], members: int) -> list[Epoch[None]]:
    """An epoch as each member sees it: its own scores by their plain names, and no state."""
    scores: list[dict[str, float]] = [{} for _ in range(members)]
    for name, value in epoch.scores.items():
        found = _MEMBER.fullmatch(name)
        if found and int(found[2]) < members:
            scores[int(found[2])][found[1]] = value
    return [Epoch(epoch.index, None, own, {}, epoch.seconds) for own in scores]


def each(fold: Fold[Epoch[Any], Any, Any], members: int) -> Fold[Epoch[Any], Any, tuple[Any, ...]]:
    """One fold for each member, over its own scores; answers the tuple of their answers.

    Args:
        fold: Over epochs; it reads scores, never the state.
        members: How many, at least 1.

    Raises:
        FoldError: `members` is below 1.

    Example:
        >>> from artifact_fn.folds import patience, run
        >>> lost = [Epoch(i, None, {"val/loss[0]": x, "val/loss[1]": -x}) for i, x in enumerate((1, 2))]
        >>> run(each(patience("val/loss", 1).fold, 2), lost)
        (Stop(reason='val/loss has not improved on 1 for 1 evaluations'), None)
    """
    check_members(members)
    return Fold(
        lambda: tuple(fold.init() for _ in range(members)),
        lambda carry, epoch: tuple(
            fold.step(part, own)
            for part, own in zip(carry, members_of(epoch, members), strict=True)
        ),
        lambda carry: tuple(fold.extract(part) for part in carry),
        _reads(fold.reads),
    )


def ended(
    stopper: Stopper[Epoch[Any]], members: int
) -> Fold[Epoch[Any], Any, tuple[Ended | None, ...]]:
    """When and why a stopper has ended each member; None for those that still run.

    A member that has ended stays so, whatever its scores do afterwards.

    Args:
        stopper: Asked of each member by itself.
        members: How many, at least 1.

    Raises:
        FoldError: `members` is below 1, or `stopper` is none.

    Example:
        >>> from artifact_fn.folds import Epoch, reached, run
        >>> epochs = [Epoch(1, None, {"val/loss": 0.3, "val/loss[0]": 0.1, "val/loss[1]": 0.5})]
        >>> run(ended(reached("val/loss", 0.2), members=2), epochs)
        ((1, 'val/loss has reached 0.2 (0.1)'), None)
    """
    if not isinstance(stopper, Stopper):
        raise FoldError(
            "members end when a stopper says so",
            got=type(stopper).__name__,
            do="pass e.g. patience('val/loss', 5)",
        )
    check_members(members)
    fold = stopper.fold

    def step(carry: tuple[Any, ...], epoch: Epoch[Any]) -> tuple[Any, ...]:
        after = []
        for (part, end), own in zip(carry, members_of(epoch, members), strict=True):
            if end is None:
                part = fold.step(part, own)
                stop = fold.extract(part)
                end = None if stop is None else (epoch.index, stop.reason)
            after.append((part, end))
        return tuple(after)

    return Fold(
        lambda: tuple((fold.init(), None) for _ in range(members)),
        step,
        lambda carry: tuple(end for _, end in carry),
        _reads(fold.reads),
    )


def all_ended(stopper: Stopper[Epoch[Any]], members: int) -> Stopper[Epoch[Any]]:
    """Stops when a stopper has ended every member.

    Args:
        stopper: Asked of each member by itself.
        members: How many, at least 1.

    Raises:
        FoldError: as `ended`.

    Example:
        >>> from artifact_fn.folds import Epoch, at_most, run
        >>> run(all_ended(at_most(1), members=2).fold, [Epoch(1, None)])
        Stop(reason=...)
    """

    def stop(ends: tuple[Ended | None, ...]) -> Stop | None:
        if any(end is None for end in ends):
            return None
        return Stop(f"all {members} members have stopped")

    return Stopper(ended(stopper, members).map(stop))


def member_history(history: pd.DataFrame, member: int) -> pd.DataFrame:
    """One member's columns of a history, by their plain names.

    Raises:
        FoldError: there are none.

    Example:
        >>> frame = pd.DataFrame({"val/loss": [0.5], "val/loss[0]": [0.4], "val/loss[1]": [0.6]})
        >>> member_history(frame, 1)
           val/loss
        0       0.6
    """
    names = {name: found[1] for name in history.columns if (found := _of(name, member))}
    if not names:
        raise FoldError(
            f"the history holds no scores of a member {member}",
            got=f"columns {', '.join(map(str, history.columns[:5]))}, ...",
            do="give the number of a member, from 0, and the history of an ensemble",
        )
    return history[list(names)].rename(columns=names)


def columns_of(history: pd.DataFrame, score: str) -> pd.DataFrame:
    """One score of every member: a column a member, by its number.

    Raises:
        FoldError: there is none.
    """
    names = {
        name: int(found[2])
        for name in history.columns
        if (found := _MEMBER.fullmatch(str(name))) and found[1] == score
    }
    if not names:
        raise FoldError(
            f"the history holds no {score!r} of members",
            got=f"columns {', '.join(map(str, history.columns[:5]))}, ...",
            do="name a score without a number, and give the history of an ensemble",
        )
    return history[list(names)].rename(columns=names)


def _of(name: object, member: int) -> re.Match[str] | None:
    found = _MEMBER.fullmatch(str(name))
    return found if found and int(found[2]) == member else None


def check_members(members: int) -> None:
    """Refuse what counts no members.

    Raises:
        FoldError: it is below 1, or no int.
    """
    if isinstance(members, bool) or not isinstance(members, int) or members < 1:
        raise FoldError(
            "there is at least 1 member", got=f"members={members!r}", do="give their number"
        )


def _reads(names: frozenset[str]) -> frozenset[str]:
    """What a fold for each member cannot do without."""
    return frozenset(name if name == SECONDS else score_of(name, 0) for name in names)

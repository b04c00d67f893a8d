"""Epoch: what the stream of a run yields, and what is left when it ends."""

import html
import math
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from artifact_fn.folds.fold import C, Fold, R

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

SECONDS = "seconds"
"""The name under which a fold says that it reads `Epoch.seconds`."""


@attrs.frozen(eq=False)
class Epoch(Generic[S_co]):
    """One completed pass over the training data; generic in the state.

    Attributes:
        index: Completed passes, from 1.
        state: The state after the pass. It is never changed afterwards.
        scores: Floats by `split/name`, e.g. `val/loss`; absent where nothing was due.
        artifacts: Everything computed that is not a float, by `split/name`.
        seconds: Since the run began, by the clock the stream was given; NaN without a clock.

    Example:
        >>> Epoch(3, None, {"val/loss": 0.5}).scores["val/loss"]
        0.5
    """

    index: int
    state: S_co = attrs.field(repr=False)
    scores: Mapping[str, float] = attrs.field(factory=dict)
    artifacts: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    seconds: float = math.nan


@attrs.frozen
class Stop:
    """What a stopper answers when it is time; None before.

    Attributes:
        reason: For people, e.g. `"val/loss has not improved for 5 evaluations"`.

    Example:
        >>> Stop("3 epochs are done").reason
        '3 epochs are done'
    """

    reason: str


@attrs.frozen(eq=False, repr=False)
class Run(Generic[S_co]):
    """What is left when a stream has been folded. Notebooks and rich show it as a table.

    Attributes:
        last: The last epoch.
        stop: Why it ended.
        answers: The answer of each named fold.

    Example:
        >>> Run(Epoch(2, None, {"train/loss": 0.25}), Stop("2 epochs are done"), {"history": None})
        Run(2 epochs, '2 epochs are done', train/loss=0.25, answers: history)
    """

    last: Epoch[S_co]
    stop: Stop
    answers: Mapping[str, Any]

    def __repr__(self) -> str:
        """How long, why no longer, how good, and what is to be asked."""
        losses = [f"{name}={value:.4g}" for name, value in _losses(self.last)]
        answers = f"answers: {', '.join(self.answers) or 'none'}"
        return f"Run({', '.join([_count(self.last), repr(self.stop.reason), *losses, answers])})"

    def __rich_repr__(self) -> Iterator[Any]:
        """The same, for rich."""
        yield "epochs", self.last.index
        yield "stop", self.stop.reason
        yield "scores", {name: float(f"{value:.4g}") for name, value in self.last.scores.items()}
        yield "answers", list(self.answers)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{value:.4g}</td></tr>"
            for name, value in self.last.scores.items()
        )
        why, names = html.escape(self.stop.reason), html.escape(", ".join(self.answers) or "none")
        return (
            f"<p><b>Run</b> of {_count(self.last)}: {why}. Answers: {names}.</p>"
            f"<table><tbody>{rows}</tbody></table>"
        )


def _count(epoch: Epoch[Any]) -> str:
    return f"{epoch.index} epoch{'' if epoch.index == 1 else 's'}"


def _losses(epoch: Epoch[Any]) -> list[tuple[str, float]]:
    """The scores that are shown where there is room for few."""
    losses = [(name, value) for name, value in epoch.scores.items() if name.endswith("/loss")]
    return losses or list(epoch.scores.items())[:2]


def watch(score: str, fold: Fold[float, C, R]) -> Fold[Epoch[Any], C, R]:
    """A fold over numbers, made to read one score of each epoch.

    Epochs without the score are passed over, so the fold counts evaluations, not epochs.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> lowest = Fold(lambda: math.inf, min, lambda carry: carry)
        >>> epochs = [Epoch(1, None, {"val/loss": 0.5}), Epoch(2, None), Epoch(3, None, {"val/loss": 0.4})]
        >>> run(watch("val/loss", lowest), epochs)
        0.4
    """

    def step(carry: C, epoch: Epoch[Any]) -> C:
        return fold.step(carry, epoch.scores[score]) if score in epoch.scores else carry

    return Fold(fold.init, step, fold.extract, fold.reads | {score})

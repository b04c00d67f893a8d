"""Progress: a display of a stream of epochs while somebody else reads it."""

import time
from collections.abc import Callable, Iterator

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from artifact_fn.errors import FoldError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.mode import Mode
from artifact_fn.folds.selection import Kept, top_k
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Advance, Event, Stream, check_reads


def progress(
    stream: Stream,
    *,
    best: str | None = None,
    mode: Mode | None = None,
    console: Console | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Stream:
    """The same stream, shown as it is read.

    On a terminal the current epoch is one line that moves, with the scores of the last one and
    the finished ones above it; elsewhere each epoch prints one line. The pace is that of the
    training steps alone. What is read is not changed by being shown.

    Args:
        stream: Of `epochs`.
        best: A score whose best value so far is shown, e.g. `"val/loss"`.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.
        console: Where to print; standard output by default.
        clock: Seconds, for the steps a second.

    Raises:
        FoldError: `stream` is no stream of `epochs`, or `mode` is left out where `best` is no loss.
        ScoreError: nothing in the stream makes the score `best`.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import TrainState, epochs, functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> objective = supervised(model, F.cross_entropy)
        >>> rows = {"x": torch.eye(3), "y": torch.tensor([0, 1, 0])}
        >>> source = Loader(Table(rows), batch_size=2)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> step = train_step(objective, optimizer)
        >>> stream = progress(epochs(step, state, source), best="train/loss")
        >>> [epoch.index for epoch, _ in zip(stream, range(1))]
        epoch 1  step 2  train/loss ...
        [1]
    """
    if not isinstance(stream, Stream):
        raise FoldError(
            "what is shown is a stream of epochs",
            got=f"a {type(stream).__name__}",
            do="pass what epochs(step, state, source) answers",
        )
    shown = console or Console()
    selection = None if best is None else top_k(best, 1, mode=mode)
    check_reads(frozenset() if selection is None else selection.reads, stream.makes)

    def events() -> Iterator[Event]:
        kept: Kept = ()
        shown_so_far: list[str] = []
        began, steps, taken = clock(), 0, 0.0
        with Live(console=shown, auto_refresh=False, transient=True) as live:
            for event in stream.events():
                if isinstance(event, Advance):
                    steps, taken = event.cursor, clock() - began
                    if shown.is_terminal:
                        now = f"epoch {event.epoch}  step {event.cursor}/{event.steps or '?'}"
                        line = "  ".join([now, *shown_so_far, _pace(steps, taken)])
                        live.update(Text(line, style="dim"), refresh=True)
                else:
                    kept = selection.step(kept, event) if selection else ()
                    shown_so_far = _scores(event, kept, best)
                    place = [f"epoch {event.index}", f"step {event.state.steps}"]
                    if shown.is_terminal:
                        live.update("", refresh=True)
                    shown.print(
                        Text("  ".join([*place, *shown_so_far, _pace(steps, taken)])),
                        soft_wrap=True,
                    )
                yield event
                if isinstance(event, Epoch):
                    began, steps = clock(), 0

    return attrs.evolve(stream, events=events)


def _pace(steps: int, seconds: float) -> str:
    return f"{steps / seconds:,.0f} steps/s" if seconds > 0 else ""


def _scores(epoch: Epoch[TrainState], kept: Kept, best: str | None) -> list[str]:
    scores = epoch.scores
    losses = [name for name in scores if name.endswith("/loss")]
    parts = [f"{name} {scores[name]:.4g}" for name in losses]
    if "train/lr" in scores:
        parts.append(f"lr {scores['train/lr']:.3g}")
    if kept and best is not None:
        parts.append(f"best {best} {kept[0].scores[best]:.4g} (epoch {kept[0].index})")
    return parts

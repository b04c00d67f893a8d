"""Progress: a display of a stream of epochs while somebody else reads it."""

import time
from collections.abc import Callable, Iterator

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.selection import Kept, top_k
from artifact_fn.folds.stopping import Mode
from artifact_fn.training.loop import Advance, Event, Stream
from artifact_fn.training.state import TrainState


def progress(
    stream: Stream,
    *,
    best: str | None = None,
    mode: Mode = "min",
    console: Console | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Stream:
    """The same stream, shown as it is read.

    On a terminal the current epoch is one line that moves, with the finished ones above it;
    elsewhere each epoch prints one line. What is read is not changed by being shown.

    Args:
        stream: Of `epochs`.
        best: A score whose best value so far is shown, e.g. `"val/loss"`.
        mode: Whether lower ("min") or higher ("max") is better.
        console: Where to print; standard output by default.
        clock: Seconds, for the steps a second.

    Example:
        run = fit(progress(stream, best="val/loss"), until=at_most(100))
    """
    shown = console or Console()
    selection = None if best is None else top_k(best, 1, mode=mode)

    def events() -> Iterator[Event]:
        kept: Kept = ()
        line = Text()
        began, steps = clock(), 0
        with Live(console=shown, auto_refresh=False, transient=True) as live:
            for event in stream.events():
                if isinstance(event, Advance):
                    if shown.is_terminal:
                        pace = _pace(event.cursor, clock() - began)
                        place = f"epoch {event.epoch}  step {event.cursor}/{event.steps or '?'}"
                        live.update(Text(f"{place}  {pace}", style="dim"), refresh=True)
                    steps = event.cursor
                else:
                    kept = selection.step(kept, event) if selection else ()
                    line = Text("  ".join(_parts(event, kept, best)))
                    line.append(f"  {_pace(steps, clock() - began)}", style="dim")
                    shown.print(line, soft_wrap=True)
                yield event
                if isinstance(event, Epoch):
                    began, steps = clock(), 0

    return attrs.evolve(stream, events=events)


def _pace(steps: int, seconds: float) -> str:
    return f"{steps / seconds:,.0f} steps/s" if seconds > 0 else ""


def _parts(epoch: Epoch[TrainState], kept: Kept, best: str | None) -> list[str]:
    scores = epoch.scores
    losses = [name for name in scores if name.endswith("/loss")]
    parts = [f"epoch {epoch.index}", f"step {epoch.state.step.item()}"]
    parts += [f"{name} {scores[name]:.4g}" for name in losses]
    if "train/lr" in scores:
        parts.append(f"lr {scores['train/lr']:.3g}")
    if kept and best is not None:
        parts.append(f"best {best} {kept[0].scores[best]:.4g} (epoch {kept[0].index})")
    return parts

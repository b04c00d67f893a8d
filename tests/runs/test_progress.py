"""Progress: what is shown, and that showing changes nothing."""

import io
import itertools

from rich.console import Console

from artifact_fn import tree
from artifact_fn.folds import at_most, last
from artifact_fn.runs import progress
from artifact_fn.training import epochs, evaluation, fit
from tests.training.examples import loader, parts


def shown(*, terminal: bool) -> tuple[str, str]:
    p = parts()
    routines = [evaluation("val", p.objective, loader(8, 4))]
    stream = epochs(p.step, p.state, loader(12, 4), routines=routines, chunk=1)
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200)
    ticks = itertools.count()
    seen = progress(stream, best="val/loss", console=console, clock=lambda: float(next(ticks)))
    run = fit(seen, until=at_most(3), last=last())
    plain = fit(stream, until=at_most(3), last=last())
    assert seen.makes == stream.makes
    assert tree.digest(run.last.state) == tree.digest(plain.last.state)
    return output.getvalue(), f"{run.last.scores['val/loss']:.4g}"


def test_without_a_terminal_each_epoch_is_one_line() -> None:
    text, loss = shown(terminal=False)
    lines = text.strip().splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3  step 9  train/loss ")
    assert f"val/loss {loss}  lr 0.01  best val/loss " in lines[2]
    assert "(epoch " in lines[2]
    assert "\x1b" not in text


def test_on_a_terminal_the_line_moves_within_an_epoch() -> None:
    text, _ = shown(terminal=True)
    assert "epoch 2  step 2/3" in text
    assert "\x1b" in text

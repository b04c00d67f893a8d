"""Law 11: what is watched does not change what is trained."""

import io
import time

from rich.console import Console

from artifact_fn import tree
from artifact_fn.folds import at_most, best, diverged, history, last, patience, top_k
from artifact_fn.runs import progress
from artifact_fn.training import epochs, evaluation, fit
from tests.training.examples import loader, parts


def test_routines_folds_displays_and_clocks_change_no_bit() -> None:
    p, train = parts(), loader(22, 4)
    bare = fit(epochs(p.step, p.state, train), until=at_most(4))
    watched = epochs(
        p.step,
        p.state,
        train,
        routines=[
            evaluation("val", p.objective, loader(10, 4)),
            evaluation("again", p.objective, train, every=2),
        ],
        chunk=1,
        clock=time.perf_counter,
    )
    run = fit(
        progress(watched, best="val/loss", console=Console(file=io.StringIO())),
        until=at_most(4) | patience("val/loss", 99) | diverged(),
        history=history(),
        best=best("val/accuracy", mode="max"),
        top=top_k("again/loss", 2),
        last=last(),
    )
    assert tree.digest(run.last.state) == tree.digest(bare.last.state)

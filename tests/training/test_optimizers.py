"""Guarded and averaging optimizers in a whole run, step by step and by chunks."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from artifact_fn import optim, tree
from artifact_fn.data import Loader, Table
from artifact_fn.errors import NonFiniteError, OptimError
from artifact_fn.folds import Epoch, at_most, history
from artifact_fn.training import (
    TrainState,
    compiled,
    epochs,
    evaluate,
    evaluation,
    fit,
    functional,
    minimise,
    train_step,
)
from tests.training.examples import columns, loader, parts


def source(bad: range) -> Loader:
    """40 rows in 10 batches; the loss of the batches `bad` is divided by zero."""
    rows = columns(40)
    scale = torch.ones(40)
    scale[4 * bad.start : 4 * bad.stop] = 0.0
    return Loader(Table({**rows, "scale": scale}), 4, shuffle=False)


def pieces(optimizer: Any) -> Any:
    model = functional(lambda: torch.nn.Linear(4, 3))
    objective = minimise(
        model,
        lambda out, batch: (
            F.cross_entropy(out, batch["y"], reduction="none") / batch["scale"]
        ).mean(),
        inputs="x",
    )
    return train_step(objective, optimizer), TrainState.create(model, optimizer, seed=0)


GUARDED = optim.ema(optim.skip_nonfinite(optim.adamw(0.1), in_a_row=3), 0.9)


def test_skipped_steps_are_counted_and_a_row_of_them_ends_the_run() -> None:
    step, state = pieces(GUARDED)
    epoch = next(iter(epochs(step, state, source(range(4, 6)))))
    assert epoch.scores["train/skipped"] == 2.0
    assert int(epoch.state.step) == 10
    assert int(epoch.state.opt_state.inner.inner.count) == 8
    assert all(param.isfinite().all() for param in epoch.state.params.values())
    with pytest.raises(NonFiniteError, match=r"3 updates in a row .* of weight at step 7; lower"):
        next(iter(epochs(step, state, source(range(4, 8)))))
    events = epochs(step, state, source(range(4, 8)), chunk=2).events()
    assert [next(events).cursor for _ in range(3)] == [2, 4, 6]  # type: ignore[union-attr]
    with pytest.raises(NonFiniteError):
        next(events)


def test_chunks_skip_and_average_alike() -> None:
    step, state = pieces(GUARDED)
    wrapped = compiled(step, check=False)
    ours = next(iter(epochs(wrapped, state, source(range(4, 6)))))
    theirs = next(iter(epochs(step, state, source(range(4, 6)))))
    assert ours.scores["train/skipped"] == 2.0
    torch.testing.assert_close(tree.paths(ours.state), tree.paths(theirs.state))
    with pytest.raises(NonFiniteError, match=r"3 updates in a row .* of weight at step 7"):
        next(iter(epochs(wrapped, state, source(range(4, 8)))))


def test_an_evaluation_reads_the_average_beside_the_parameters() -> None:
    p, val = parts(optim.ema(optim.adamw(0.05), 0.9)), loader(16, 16)
    both = [
        evaluation("val", p.objective, val),
        evaluation("mean", p.objective, val, of=optim.averaged),
    ]
    stream = epochs(p.step, p.state, loader(24, 4), routines=both)
    run = fit(stream, until=at_most(3), history=history())
    scores = run.last.scores
    state: TrainState = run.last.state
    assert scores["val/loss"] == evaluate(p.objective, state, val)["loss"]
    assert scores["mean/loss"] == evaluate(p.objective, optim.averaged(state), val)["loss"]
    assert scores["mean/loss"] != scores["val/loss"]
    plain = epochs(p.step, p.state, loader(24, 4))
    found: Epoch[Any] = list(itertools.islice(plain, 3))[-1]
    assert tree.identical(found.state, state), "evaluating changes no state"


def test_an_average_that_nobody_keeps_is_refused_before_training() -> None:
    p = parts(optim.sgd(0.1))
    routine = evaluation("val", p.objective, loader(16, 16), of=optim.averaged)
    with pytest.raises(OptimError, match="an average is read where one is kept"):
        epochs(p.step, p.state, loader(24, 4), routines=[routine])

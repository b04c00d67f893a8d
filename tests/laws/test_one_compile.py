"""Law 3: one compile for each batch shape, and none after the first epoch."""

import itertools
from typing import Any

import torch
import torch._dynamo.config
from torch import Tensor
from torch._dynamo.utils import counters

from artifact_fn import optim
from artifact_fn.folds import at_most, best, history, patience
from artifact_fn.training import compiled, epochs, evaluation, fit
from artifact_fn.training.statistics import Metrics
from tests.training.examples import loader, parts


def test_fifty_epochs_with_a_schedule_and_a_short_last_batch() -> None:
    p = parts(
        optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(optim.cosine(1e-2, steps=120)))
    )
    train, val = loader(40, 16), loader(16, 16)
    stream = epochs(
        compiled(p.step), p.state, train, routines=[evaluation("val", p.objective, val)]
    )
    counters.clear()
    graphs: dict[int, int] = {}

    def noted() -> int:
        return int(counters["stats"]["unique_graphs"])

    with torch._dynamo.config.patch(error_on_recompile=True):
        for epoch in itertools.islice(stream, 50):
            graphs[epoch.index] = noted()
        run = fit(
            stream,
            until=patience("val/loss", 60) | at_most(3),
            history=history(),
            best=best("val/loss"),
        )
    assert run.last.index == 3
    assert graphs[1] == 3, "two shapes of training batch, one of evaluation"
    assert set(graphs.values()) == {3}
    assert noted() == 3, "a second fit of the same stream compiles nothing"
    assert not counters["graph_break"]


def test_the_count_sees_a_shape_that_changes() -> None:
    """A broken build: a source whose every batch has another length."""
    step = compiled(lambda state, batch: (state + batch["x"].sum(), {}))
    state = torch.zeros(())
    counters.clear()
    for rows in (4, 5):
        batch = next(loader(rows, rows).batches(None, 1))
        state, _ = step(state, batch)
    assert counters["stats"]["unique_graphs"] == 2


def test_a_number_that_a_step_closes_over_is_frozen() -> None:
    rate = [0.5]

    def step(state: Tensor, batch: Any) -> tuple[Tensor, Metrics]:
        return state * rate[0], {}

    wrapped = compiled(step)
    state, _ = wrapped(torch.ones(3), {})
    rate[0] = 0.25
    state, _ = wrapped(state, {})
    assert state.tolist() == [0.25] * 3

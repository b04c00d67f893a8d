"""Training: what every source is for, and what resumes exactly."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from artifact_fn import random, tree
from artifact_fn.data import (
    Loader,
    Table,
    from_batches,
    from_npy,
    from_torch,
    prefetched,
    resumable,
)
from artifact_fn.errors import CursorError
from artifact_fn.folds import at_most, history
from artifact_fn.optim import adam
from artifact_fn.training import (
    TrainState,
    compiled,
    cuts,
    epochs,
    eval_step,
    evaluate,
    evaluation,
    fit,
    functional,
    minimise,
    predict,
    train_step,
)
from artifact_fn.training.contracts import Batch, Source
from artifact_fn.training.statistics import answers, merge
from tests.data.test_from_torch import Counting
from tests.data.test_sources import SOURCES, drawn
from tests.training.examples import loader, parts


def mean_square(outputs: Tensor, batch: Batch) -> Tensor:
    loss: Tensor = (outputs[:, 0] - batch["y"].float()).square().mean()
    return loss


MODEL = functional(lambda: nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.3), nn.Linear(4, 1)))
OPTIMIZER = adam(0.01)
OBJECTIVE = minimise(MODEL, mean_square, inputs="x")
STEP = train_step(OBJECTIVE, OPTIMIZER)

FLAT = {name: made for name, made in SOURCES.items() if name != "nested"}


def state() -> TrainState:
    return TrainState.create(MODEL, OPTIMIZER, seed=0)


@pytest.mark.parametrize("made", FLAT.values(), ids=FLAT.keys())
def test_an_epoch_taken_up_at_a_cut_goes_on_bit_for_bit(
    made: Callable[[Path], Source], tmp_path: Path
) -> None:
    source = made(tmp_path)
    whole = list(cuts(STEP, state(), source, epoch=2, chunk=2))
    for done in whole[:-1]:
        rest = [done, *cuts(STEP, done.state, source, epoch=2, start=done.cursor, chunk=2)]
        assert tree.identical(rest[-1].state, whole[-1].state)


def test_any_source_trains_and_is_evaluated() -> None:
    for source in (
        from_batches(lambda key, epoch: list(drawn(key, epoch))),
        from_torch(Counting(), 4),
        prefetched(from_batches(drawn, deterministic=True)),
    ):
        stream = epochs(STEP, state(), source, routines=[evaluation("val", OBJECTIVE, source)])
        run = fit(stream, until=at_most(2), history=history())
        assert run.answers["history"][["train/loss", "val/loss"]].notna().all(axis=None)


def test_the_middle_of_an_epoch_that_cannot_come_again_is_refused_before_training() -> None:
    source = from_torch(Counting(), 4)
    assert not resumable(source)
    with pytest.raises(CursorError, match="go on from the end of an epoch"):
        next(cuts(STEP, state(), source, start=2, chunk=1))


def test_nested_batches_are_gathered_in_compiled_chunks() -> None:
    x = random.normal(random.key(1), (24, 2))
    table = Table({"in": {"x": x, "pair": (x[:, 0], x[:, 1])}})

    def product(outputs: Tensor, batch: Batch) -> Tensor:
        left, right = batch["in"]["pair"]
        loss: Tensor = (outputs[:, 0] - left * right).square().mean()
        return loss

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, batch: dict[str, dict[str, Tensor]]) -> Tensor:
            answer: Tensor = self.linear(batch["in"]["x"])
            return answer

    model = functional(Deep)
    step = train_step(minimise(model, product, inputs=None), OPTIMIZER)
    first = TrainState.create(model, OPTIMIZER, seed=0)
    loader = Loader(table, 4)
    eager = list(cuts(step, first, loader))[-1].state
    chunked = list(cuts(compiled(step, chunk=6), first, loader))[-1].state
    for name, value in eager.params.items():
        assert torch.allclose(chunked.params[name], value, rtol=1e-4, atol=1e-5)


def test_files_train_like_tables() -> None:
    x = random.normal(random.key(1), (30, 2)).numpy()
    y = x[:, 0] * 2
    table = Loader(Table({"x": x, "y": y}), 7)
    mapped = prefetched(from_npy({"x": x, "y": y}, 7))
    ends = [list(cuts(STEP, state(), source))[-1].state for source in (table, mapped)]
    assert tree.identical(*ends)


def test_a_row_is_evaluated_whatever_the_loader_drops() -> None:
    p = parts()
    dropping, whole = loader(22, 4, drop_last=True), loader(22, 4)
    assert len(predict(p.model, p.state, dropping)) == 22
    assert evaluate(p.objective, p.state, dropping) == evaluate(p.objective, p.state, whole)
    step = compiled(eval_step(p.objective))
    found = merge([cut.metrics for cut in cuts(step, p.state, dropping, shuffled=False)])
    expected = evaluate(p.objective, p.state, whole)
    assert answers(found)[0] == pytest.approx(expected, rel=1e-5)
    trained = merge([cut.metrics for cut in cuts(p.step, p.state, dropping)])
    assert trained["loss"].weight.item() == 20  # type: ignore[attr-defined]

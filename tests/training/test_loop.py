"""Loop: cuts, epochs and fit."""

import itertools
import math
from typing import Any

import pytest
import torch

from artifact_fn import tree
from artifact_fn.errors import DataError, FoldError, ScoreError
from artifact_fn.folds import (
    Epoch,
    at_most,
    best,
    every,
    history,
    last,
    patience,
    reached,
    within,
)
from artifact_fn.training import Advance, cuts, epochs, eval_step, evaluate, evaluation, fit
from artifact_fn.training.metrics import accuracy
from artifact_fn.training.statistics import answers, merge
from tests.folds.epochs import of_scores
from tests.training.examples import columns, loader, parts


def ticking() -> Any:
    """A clock that counts its readings."""
    readings = itertools.count()
    return lambda: float(next(readings))


def test_an_epoch_is_cut_on_a_fixed_grid() -> None:
    p, source = parts(), loader(22, 4)
    found = list(cuts(p.step, p.state, source, chunk=4))
    assert [cut.cursor for cut in found] == [4, 6]
    assert [int(cut.state.step) for cut in found] == [4, 6]
    assert [cut.metrics["lr"].answer() is not None for cut in found] == [True, True]
    weights = [cut.metrics["loss"].weight.item() for cut in found]  # type: ignore[attr-defined]
    assert weights == [16, 6]


@pytest.mark.parametrize("chunk", [1, 2, 5, 128])
def test_an_epoch_taken_up_at_any_cut_ends_the_same(chunk: int) -> None:
    p, source = parts(), loader(22, 4)
    whole = list(cuts(p.step, p.state, source, epoch=3, chunk=chunk))
    for i, cut in enumerate(whole):
        rest = (
            list(cuts(p.step, cut.state, source, epoch=3, start=cut.cursor, chunk=chunk))
            if cut.cursor % chunk == 0
            else []
        )
        if rest:
            assert tree.identical(rest, whole[i + 1 :])
    ends = [tree.digest(cut.state) for cut in cuts(p.step, p.state, source, epoch=3)]
    assert ends[-1] == tree.digest(whole[-1].state), "where an epoch is cut changes no state"


@pytest.mark.parametrize(("chunk", "start"), [(0, 0), (-1, 0), (4, 2)])
def test_impossible_grids_are_refused(chunk: int, start: int) -> None:
    p = parts()
    with pytest.raises(DataError, match=rf"got chunk={chunk}, start={start}; give chunk"):
        next(cuts(p.step, p.state, loader(22, 4), chunk=chunk, start=start))
    if not start:
        with pytest.raises(DataError, match=rf"got chunk={chunk}"):
            epochs(p.step, p.state, loader(22, 4), chunk=chunk)


def test_a_source_that_runs_dry_is_refused_when_it_does() -> None:
    class Once:
        steps = None

        def __init__(self) -> None:
            self.left = iter([None, *loader(12, 4).batches(None, 1)])

        def batches(self, key: Any, epoch: int, start: int = 0) -> Any:
            return iter([columns(4)]) if next(self.left, "dry") is None else self.left

    p = parts()
    stream = iter(epochs(p.step, p.state, Once()))
    assert next(stream).index == 1
    with pytest.raises(DataError, match=r"epoch 2 has no batches; got .*; give a source"):
        next(stream)


def test_gradients_are_not_recorded_and_the_callers_mode_is_left_alone() -> None:
    p = parts()
    for cut in cuts(p.step, p.state, loader(8, 4), chunk=1):
        assert torch.is_grad_enabled()
        assert not any(leaf.requires_grad for leaf in tree.leaves(cut.state))


def test_epochs_by_hand_are_the_epochs_of_the_stream() -> None:
    """The loop unrolled on one screen."""
    p, train, val = parts(), loader(22, 4), loader(10, 4)
    state, rows = p.state, []
    for epoch in (1, 2, 3):
        parts_of_epoch = []
        for cut in cuts(p.step, state, train, epoch=epoch):
            parts_of_epoch.append(cut.metrics)
        state = cut.state
        scores, _ = answers(merge(parts_of_epoch))
        rows.append((tree.digest(state), scores, evaluate(p.objective, state, val)))

    stream = epochs(p.step, p.state, train, routines=[evaluation("val", p.objective, val)])
    for row, found in zip(rows, stream, strict=False):
        digest, train_scores, val_scores = row
        assert tree.digest(found.state) == digest
        assert found.scores == {
            **{f"train/{k}": v for k, v in train_scores.items()},
            **{f"val/{k}": v for k, v in val_scores.items()},
        }


def test_a_stream_unfolds_anew_each_time() -> None:
    p = parts()
    stream = epochs(p.step, p.state, loader(12, 4))
    first, second = ([tree.digest(e.state) for e in itertools.islice(stream, 3)] for _ in "ab")
    assert first == second


def test_a_stream_taken_up_after_an_epoch_goes_on_the_same() -> None:
    p, source = parts(), loader(12, 4)
    whole = list(itertools.islice(epochs(p.step, p.state, source), 5))
    for k in range(1, 5):
        stream = epochs(p.step, whole[k - 1].state, source, completed=k)
        rest = list(itertools.islice(stream, 5 - k))
        assert [e.index for e in rest] == [e.index for e in whole[k:]]
        assert [e.scores for e in rest] == [e.scores for e in whole[k:]]
        assert tree.identical([e.state for e in rest], [e.state for e in whole[k:]])


def test_a_routine_runs_when_it_is_due_and_says_nothing_otherwise() -> None:
    p = parts()
    routines = [evaluation("val", p.objective, loader(10, 4), every=2)]
    stream = epochs(p.step, p.state, loader(12, 4), routines=routines)
    found = list(itertools.islice(stream, 4))
    assert ["val/loss" in e.scores for e in found] == [False, True, False, True]
    assert ["val/confusion" in e.artifacts for e in found] == [False, True, False, True]
    assert found[1].artifacts["val/confusion"].sum() == 10
    assert stream.makes == {
        "train/loss", "train/accuracy", "train/lr", "train/grad_norm", "val/loss", "val/accuracy",
    }  # fmt: skip


def test_an_evaluation_takes_a_number_or_a_cadence() -> None:
    p, val = parts(), loader(10, 4)
    for given in (3, every(3)):
        due = evaluation("val", p.objective, val, every=given).due
        assert [i for i in range(1, 8) if due(i)] == [3, 6]
    with pytest.raises(FoldError, match="a cadence counts epochs from 1"):
        evaluation("val", p.objective, val, every=0)


def test_two_makers_of_a_score_are_refused() -> None:
    p, val = parts(), loader(10, 4)
    twice = [evaluation("val", p.objective, val), evaluation("val", p.objective, val)]
    with pytest.raises(DataError, match=r"one maker; got two of val/accuracy, val/loss; give"):
        epochs(p.step, p.state, val, routines=twice)


def test_fit_folds_until_the_stopper_says_so() -> None:
    p = parts()
    stream = epochs(p.step, p.state, loader(12, 4), clock=ticking())
    run = fit(stream, until=at_most(3), history=history(), last=last(), best=best("train/loss"))
    assert run.stop.reason == "3 epochs are done"
    assert run.last.index == 3
    assert run.answers["last"] is run.last
    assert list(run.answers["history"].index) == [1, 2, 3]
    assert run.answers["best"].scores["train/loss"] == run.answers["history"]["train/loss"].min()


def test_the_best_state_stays_as_it_was() -> None:
    p = parts()
    stream = epochs(p.step, p.state, loader(12, 4))
    digests = {}

    def noted(epoch: Epoch[Any]) -> Epoch[Any]:
        digests[epoch.index] = tree.digest(epoch.state)
        return epoch

    run = fit(
        stream,
        until=at_most(6),
        best=best("train/loss", mode="max").premap(noted),
    )
    assert tree.digest(run.answers["best"].state) == digests[run.answers["best"].index]


def test_seconds_come_from_the_clock_that_was_given() -> None:
    p = parts()
    timed = epochs(p.step, p.state, loader(12, 4), clock=ticking())
    assert [e.seconds for e in itertools.islice(timed, 3)] == [1.0, 2.0, 3.0]
    assert fit(timed, until=within(2.0)).last.index == 2
    untimed = epochs(p.step, p.state, loader(12, 4))
    assert math.isnan(next(iter(untimed)).seconds)
    with pytest.raises(ScoreError, match=r"reads the time, .*; pass epochs\(..., clock=time.perf"):
        fit(untimed, until=within(2.0))


@pytest.mark.parametrize(
    ("until", "folds", "message"),
    [
        (patience("val/lloss", 2), {}, r"nothing makes the score 'val/lloss'; .*d 'val/loss' ins"),
        (
            at_most(2) | reached("test/auc", 1.0, mode="max"),
            {},
            r"'test/auc'; got a fold that reads it; made are train/accuracy, train/grad_norm, "
            r"train/loss, train/lr, val/accuracy, val/loss; add a routine that makes it",
        ),
        (at_most(2), {"best": best("val/f1", mode="max")}, r"nothing makes the score 'val/f1'"),
    ],
)
def test_a_score_that_nobody_makes_is_refused_before_the_first_step(
    until: Any, folds: Any, message: str
) -> None:
    p = parts()
    stream = epochs(
        p.step, p.state, loader(12, 4), routines=[evaluation("val", p.objective, loader(8, 4))]
    )
    with pytest.raises(ScoreError, match=message):
        fit(stream, until=until, **folds)


def test_fit_reads_any_iterable_of_epochs() -> None:
    run = fit(of_scores("val/loss", [0.5, 0.6, 0.7]), until=patience("val/loss", 5), last=last())
    assert run.stop.reason == "the stream has ended"
    assert run.last.index == 3
    with pytest.raises(DataError, match=r"at least one epoch; got an empty stream; give epochs"):
        fit([], until=at_most(1))


def test_events_tell_how_far_an_epoch_has_got() -> None:
    p = parts()
    stream = epochs(p.step, p.state, loader(22, 4), chunk=4)
    events = list(itertools.islice(stream.events(), 3))
    assert events[:2] == [Advance(1, 4, 6), Advance(1, 6, 6)]
    assert isinstance(events[2], Epoch)


def test_evaluation_does_not_depend_on_the_batch_size() -> None:
    p = parts()
    scores = [evaluate(p.objective, p.state, loader(23, size)) for size in (23, 7, 1)]
    for other in scores[1:]:
        assert other == pytest.approx(scores[0], rel=1e-6)
    _, metrics = eval_step(p.objective)(p.state, loader(23, 23).table.columns)
    assert answers(metrics)[0]["accuracy"] == scores[0]["accuracy"]
    assert accuracy().name in scores[0]

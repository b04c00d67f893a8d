"""Ensemble: a member is the single run with its seed, its hyperparameters and its rows."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import optim, tree
from artifact_fn.data import Loader, Table
from artifact_fn.data.cross_validation import cross_validation
from artifact_fn.errors import DataError, EnsembleError, NonFiniteError
from artifact_fn.folds import Epoch, Run, Stopper, at_most, best, history, patience
from artifact_fn.folds.members import member_history
from artifact_fn.optim import Optimizer
from artifact_fn.training import (
    TrainState,
    compiled,
    cuts,
    epochs,
    evaluate,
    evaluation,
    fit,
    functional,
    metrics,
    supervised,
    train_step,
)
from artifact_fn.training.ensemble import Ensemble, ensemble
from artifact_fn.training.footprint import footprint
from artifact_fn.training.member_batches import of_each
from artifact_fn.training.member_evaluation import evaluate_each
from artifact_fn.training.member_folds import best_of_each, each_control, stop_each
from artifact_fn.training.member_predictions import disagreement, mixture, predict_each
from artifact_fn.training.statistics import Sum
from tests.training.examples import columns, loader, mlp

TRAIN, VAL = loader(50, 16), loader(24, 24)


def net() -> nn.Module:
    """`examples.mlp` without the bias before its BatchNorm.

    That bias has no true gradient, and an adaptive rule makes whole steps of its rounding.
    """
    return nn.Sequential(
        nn.Linear(4, 8, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(8, 3),
    )


MODEL = functional(net)
OBJECTIVE = supervised(MODEL, F.cross_entropy, metrics=[metrics.accuracy(), metrics.confusion(3)])


def adamw(lr: float = 1e-2) -> Optimizer:
    return optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(lr))


STEP = train_step(OBJECTIVE, adamw())
SINGLE = TrainState.create(MODEL, adamw(), seed=0)


def close(ours: Any, theirs: Any, *, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    assert tree.paths(ours).keys() == tree.paths(theirs).keys()
    for path, leaf in tree.paths(ours).items():
        other = tree.paths(theirs)[path]
        if leaf.is_floating_point():
            torch.testing.assert_close(leaf, other, rtol=rtol, atol=atol, msg=path)
        else:
            assert torch.equal(leaf, other), path


def trained(
    together: Ensemble,
    optimizer: Optimizer,
    *,
    wrap: Callable[[Any], Any] = lambda step: step,
    stopper: Stopper[Epoch[Any]] | None = None,
    most: int = 3,
    train: Loader = TRAIN,
    **folds: Any,
) -> Run[TrainState]:
    stops = stop_each(stopper or at_most(most), len(together))
    stream = epochs(
        wrap(together.step(train_step(OBJECTIVE, optimizer))),
        together.state,
        together.source(train),
        routines=[evaluate_each(together, "val", OBJECTIVE, VAL)],
        control=stops.control,
    )
    return fit(
        stream, until=stops.until | at_most(most), history=history(), ends=stops.ends, **folds
    )


def alone(
    seed: int,
    optimizer: Optimizer,
    *,
    stopper: Stopper[Epoch[Any]] | None = None,
    most: int = 3,
    train: Loader = TRAIN,
    val: Loader = VAL,
) -> Run[TrainState]:
    state = TrainState.create(MODEL, optimizer, seed=seed)
    step = train_step(OBJECTIVE, optimizer)
    stream = epochs(step, state, train, routines=[evaluation("val", OBJECTIVE, val)])
    until = at_most(most) if stopper is None else stopper | at_most(most)
    return fit(stream, until=until, history=history(), best=best("val/loss"))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    "mode", ["eager", "in parts", pytest.param("compiled", marks=pytest.mark.campaign)]
)
def test_a_member_is_the_single_run(mode: str) -> None:
    wrap = {
        "eager": lambda step: step,
        "in parts": lambda step: step,
        "compiled": lambda step: compiled(step, check=False),
    }[mode]
    at_once = 2 if mode == "in parts" else None
    # Compiled, batches of one shape, as each is a program.
    train = loader(48, 16) if mode == "compiled" else TRAIN
    together = ensemble(MODEL, adamw(), seeds=[3, 1], grid={"lr": [1e-2, 3e-2]}, at_once=at_once)
    run = trained(together, adamw(), wrap=wrap, train=train)
    for i, point in enumerate(together.points):
        single = alone(int(point["seed"]), adamw(point["lr"]), train=train)
        close(together.member(run.last.state, i), single.last.state)
        own = member_history(run.answers["history"], i)
        theirs = single.answers["history"]
        assert sorted(own.columns) == sorted(theirs.columns)
        torch.testing.assert_close(
            torch.tensor(own[theirs.columns].to_numpy()),
            torch.tensor(theirs.to_numpy()),
            rtol=1e-4,
            atol=1e-6,
        )
    assert run.stop.reason.startswith("all 4 members have stopped")


def test_a_compiled_step_of_all_members_is_the_eager_one() -> None:
    """Whole runs are compared by the campaign."""
    together = ensemble(MODEL, adamw(), seeds=[3, 1])
    step, batch = together.step(STEP), next(TRAIN.batches(None, 1))
    state, told = step(together.state, batch)
    found, said = compiled(step)(together.state, batch)
    close(found, state)
    close(said["loss"].answer(), told["loss"].answer())


def test_masks_and_orders_are_those_of_the_single_run_to_the_bit() -> None:
    def draws() -> nn.Module:
        class Mask(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(torch.ones(()))
                self.drop = nn.Dropout(0.5)

            def forward(self, x: Tensor) -> Tensor:
                out: Tensor = self.drop(torch.ones_like(x)) * self.scale
                return out

        return Mask()

    model = functional(draws)

    def seen(outputs: Tensor, batch: Any) -> Sum:
        # A number for each row, where it was read and what was dropped in it.
        place = torch.arange(1, len(outputs) + 1)
        kept = (outputs != 0).to(torch.int64) @ torch.tensor([1, 2, 4, 8])
        return Sum(torch.stack([batch["row"] * place, kept * place]))

    objective = supervised(
        model,
        lambda outputs, y: outputs.square().mean(),
        metrics=[metrics.metric("seen", seen)],
    )
    table = {**columns(32), "row": torch.arange(32)}
    train = Loader(Table(table), 8)
    step = train_step(objective, optim.sgd(0.0))
    together = ensemble(model, optim.sgd(0.0), seeds=3)
    for wrap in (lambda step: step, compiled):
        # A cut a step: what each batch held and what was dropped in it.
        found = cuts(wrap(together.step(step)), together.state, together.source(train), chunk=2)
        whole = [cut.metrics["seen"].answer() for cut in found]
        for i in range(3):
            state = TrainState.create(model, optim.sgd(0.0), seed=i)
            single = [cut.metrics["seen"].answer() for cut in cuts(step, state, train, chunk=2)]
            assert all(torch.equal(a[i], b) for a, b in zip(whole, single, strict=True))


def test_members_of_other_seeds_differ_and_of_the_same_seed_begin_alike() -> None:
    together = ensemble(MODEL, adamw(), seeds=2, grid={"lr": [1e-2, 1e-3]})
    weight = together.state.params["0.weight"]
    assert torch.equal(weight[0], weight[2])
    assert not torch.equal(weight[0], weight[1])
    assert [p["lr"] for p in together.points] == [1e-2, 1e-2, 1e-3, 1e-3]
    assert together.where(lr=1e-3) == [2, 3]
    assert together.where(seed=1) == [1, 3]


def test_each_member_stops_by_itself_and_keeps_its_best() -> None:
    stopper = patience("val/loss", 1)
    rates = [1e-3, 0.3]
    together = ensemble(MODEL, adamw(), seeds=2, grid={"lr": rates})
    run = trained(
        together, adamw(), stopper=stopper, most=6, best=best_of_each("val/loss", len(together))
    )
    ends, kept = run.answers["ends"], run.answers["best"]
    for i, point in enumerate(together.points):
        single = alone(int(point["seed"]), adamw(point["lr"]), stopper=stopper, most=6)
        close(together.member(run.last.state, i), single.last.state)
        ended = single.stop.reason != "6 epochs are done"
        assert ends[i] == ((single.last.index, ends[i][1]) if ended else None)
        first = single.answers["best"]
        assert kept.epoch[i] == first.index
        assert kept.score[i].item() == pytest.approx(first.scores["val/loss"], rel=1e-4)
        close(together.member(kept.state, i), first.state)
    assert len({end and end[0] for end in ends}) > 1, "they end at different epochs"
    first_end = min(end[0] for end in ends if end)
    told = run.answers["history"].loc[first_end + 1 :]
    stopped = next(i for i, end in enumerate(ends) if end and end[0] == first_end)
    assert told[f"train/loss[{stopped}]"].isna().all()
    assert told[f"val/loss[{stopped}]"].nunique() == 1
    assert told["train/loss"].notna().all()


def test_a_cross_validation_is_its_runs() -> None:
    table = Table(columns(53))
    splits = [
        (Loader(train, 16), Loader(val, 16))
        for train, val in cross_validation(table, 3, stratify="y")
    ]
    together = ensemble(MODEL, adamw(), seeds=[5], splits=3)
    train, val = [a for a, _ in splits], [b for _, b in splits]
    stream = epochs(
        together.step(train_step(OBJECTIVE, adamw())),
        together.state,
        together.source(train),
        routines=[evaluate_each(together, "val", OBJECTIVE, val)],
    )
    run = fit(stream, until=at_most(2), history=history())
    for i, point in enumerate(together.points):
        split = int(point["split"])
        single = alone(5, adamw(), most=2, train=train[split], val=val[split])
        close(together.member(run.last.state, i), single.last.state)
        told = member_history(run.answers["history"], i)["val/loss"]
        assert told.tolist() == pytest.approx(single.answers["history"]["val/loss"].tolist(), 1e-4)


def guarded(lr: float = 1e-2) -> Optimizer:
    inner = optim.chain(optim.clip_by_global_norm(0.5), optim.adamw(lr))
    return optim.ema(optim.skip_nonfinite(inner, in_a_row=50), decay=0.8)


def test_averages_clipping_and_skipped_updates_are_each_members_own() -> None:
    # One member's gradients overflow, and no other's.
    together = ensemble(MODEL, guarded(), seeds=3)
    params = {n: p.clone() for n, p in together.state.params.items()}
    params["4.weight"][1] = 1e38
    state = tree.replace(together.state, params=params)
    step = together.step(train_step(OBJECTIVE, guarded()))
    singles = [together.member(state, i) for i in range(3)]
    single_step = train_step(OBJECTIVE, guarded())
    skipped = torch.zeros(3)
    for batch in TRAIN.batches(None, 1):
        state, told = step(state, batch)
        found = told["skipped"].answer()
        skipped += found
        for i, one in enumerate(singles):
            singles[i], _ = single_step(one, batch)
    for i, one in enumerate(singles):
        close(together.member(state, i), one)
    assert skipped.tolist() == [0, 4, 0]

    averages = evaluate_each(together, "val", OBJECTIVE, VAL, of=optim.averaged)
    prepared = averages.prepare(lambda step: step, state)
    scores, _ = prepared.run(state)
    expected = evaluate(OBJECTIVE, optim.averaged(singles[2]), VAL)["loss"]
    assert scores["val/loss[2]"] == pytest.approx(expected, rel=1e-5)


def test_a_member_with_too_many_skips_is_named() -> None:
    rule = optim.skip_nonfinite(optim.sgd(0.1), in_a_row=2)
    together = ensemble(MODEL, rule, seeds=3)
    params = {n: p.clone() for n, p in together.state.params.items()}
    params["4.weight"][1] = torch.nan
    state = tree.replace(together.state, params=params)
    step = together.step(train_step(OBJECTIVE, rule))
    for batch in TRAIN.batches(None, 1):
        state, _ = step(state, batch)
    with pytest.raises(NonFiniteError, match=r"in the gradient of .* at step 2 of member 1;"):
        optim.check_skips(state.opt_state)


def test_a_control_of_each_member_lowers_its_own_rate() -> None:
    control = each_control(optim.reduce_on_plateau("val/loss", patience=0), 2)
    together = ensemble(MODEL, optim.sgd(0.5), seeds=2)
    seen: list[Epoch[TrainState]] = [
        Epoch(i, together.state, {"val/loss[0]": a, "val/loss[1]": b})
        for i, (a, b) in enumerate([(1.0, 1.0), (2.0, 0.5)], 1)
    ]
    carry = control.init()
    for epoch in seen:
        carry = control.step(carry, epoch)
    after = control.extract(carry)(together.state)
    rates = after.opt_state.inner.hyper["lr"]
    torch.testing.assert_close(rates, torch.tensor([0.05, 0.5], dtype=torch.float64))


def test_predictions_are_the_members_and_their_mixture() -> None:
    together = ensemble(MODEL, adamw(), seeds=3)
    x = columns(10)["x"]
    found = predict_each(MODEL, together.state, x)
    assert found.shape == (3, 10, 3)
    for i in range(3):
        one = together.member(together.state, i)
        own, _ = MODEL.apply(one.params, one.buffers, x, key=one.key, training=False)
        torch.testing.assert_close(found[i], own)
    assert torch.equal(predict_each(MODEL, together.state, x, members=[2, 0]), found[[2, 0]])
    torch.testing.assert_close(mixture(found), found.softmax(-1).mean(0))
    assert (disagreement(found) >= -1e-6).all()
    assert disagreement(found[:1]).abs().max() < 1e-6
    assert mixture(found[..., 0]).shape == (10,)
    with pytest.raises(
        EnsembleError, match=r"logits of members are .*; got a tensor of shape \[4\]"
    ):
        mixture(torch.zeros(4))


def test_of_a_batch_that_all_share_each_takes_all_of_it() -> None:
    together = ensemble(MODEL, adamw(), seeds=2)
    batch = next(TRAIN.batches(None, 1))
    after, _ = together.step(STEP)(together.state, batch)
    for i in range(2):
        close(together.member(after, i), STEP(together.member(together.state, i), batch)[0])


def test_sources_that_are_not_in_memory_are_read_side_by_side() -> None:
    @attrs.frozen
    class Batches:
        source: Loader
        steps: int | None

        def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Any:
            return self.source.batches(key, epoch, start)

    together = ensemble(MODEL, adamw(), seeds=2)
    key = together.state.key
    plain = list(together.source(TRAIN).batches(key, 1))
    for steps in (TRAIN.steps, None):
        slow = list(together.source(Batches(TRAIN, steps)).batches(key, 1))
        assert len(slow) == len(plain) == 4
        assert all(tree.identical(a, b) for a, b in zip(slow, plain, strict=True))
    assert tree.identical(list(together.source(TRAIN).batches(key, 1, 2)), plain[2:])


def test_what_a_step_hands_through_is_handed_through() -> None:
    together = ensemble(MODEL, adamw(), seeds=2)
    after, _ = together.step(STEP)(together.state, next(TRAIN.batches(None, 1)))
    assert after.key is together.state.key
    assert repr(after) == "TrainState(step=[1, 1], 150 parameters)"


def test_it_says_what_it_will_use() -> None:
    whole = ensemble(MODEL, adamw(), seeds=8)
    used = footprint(whole, STEP, TRAIN)
    assert used.members == used.at_once == 8
    assert used.state == sum(leaf.nbytes for leaf in tree.leaves(whole.state))
    assert used.working > 0
    some = footprint(attrs.evolve(whole, at_once=2), STEP, TRAIN)
    assert some.working == pytest.approx(used.working / 4, rel=0.01)
    assert "8 members, 2 at once: " in str(some)


def test_a_bound_on_members_bounds_what_is_alive() -> None:
    batch = columns(2000)

    def peak(at_once: int | None) -> int:
        from artifact_fn.training.footprint import peak_bytes

        together = ensemble(MODEL, adamw(), seeds=8, at_once=at_once)
        step = together.step(STEP)
        return peak_bytes(lambda: step(together.state, batch))

    assert peak(2) < 0.4 * peak(None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: ensemble(functional(mlp()), adamw(), seeds=2), "has one beginning, whatever the seed; got 2 seeds"),
        (lambda m: ensemble(m, adamw(), seeds=[]), "an ensemble has members; got no seeds"),
        (lambda m: ensemble(m, adamw(), seeds=0), "an ensemble has members; got no seeds"),
        (lambda m: ensemble(m, adamw(), grid={"lr": []}), "a grid holds the values of each hyperparameter; got lr="),
        (lambda m: ensemble(m, adamw(), grid={"lr": [torch.nan]}), "a grid holds the values of each hyperparameter; got lr="),
        (lambda m: ensemble(m, adamw(), grid={"dropout": [0.1]}), "no rule of the optimizer has a hyperparameter 'dropout'; got rules with lr, "),
        (lambda m: ensemble(m, optim.sgd(optim.cosine(0.1, steps=9)), grid={"lr": [0.1]}), "follows a schedule, which the members share; got a grid of lr; give lr_scale"),
        (lambda m: ensemble(m, optim.sgd(0.1), grid={"weight_decay": [0.1]}), "a hyperparameter that is 0 is left out"),
        (lambda m: ensemble(m, adamw(), splits=0), "splits is a whole number of at least 1; got 0"),
        (lambda m: ensemble(m, adamw(), at_once=0), "at_once is a whole number of at least 1; got 0"),
        (lambda m: ensemble(m, adamw()).step(compiled(STEP)), "compiled as a whole; got a compiled step"),
        (lambda m: ensemble(m, adamw()).member(SINGLE, 0), "have a state together; got a state of one model"),
        (lambda m: ensemble(m, adamw()).member(SINGLE, 1), "there is no member 1; got an ensemble of 1"),
        (lambda m: ensemble(m, adamw(), seeds=3).source([TRAIN, TRAIN]), "one for all, one a split, or one a member; got 2 of them for 3 members and 1 splits"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_together_is_refused(make: Any, message: str) -> None:
    with torch.random.fork_rng(), pytest.raises(EnsembleError, match=message):
        make(MODEL)


def test_sources_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="each member reads a source; got a int"):
        of_each([TRAIN, 3])  # type: ignore[list-item]
    with pytest.raises(DataError, match="batches of one size; got epochs of"):
        of_each([TRAIN, loader(20, 16)])
    with pytest.raises(DataError, match=r"batches of one size; got \(rows, rows a batch\) of"):
        of_each([TRAIN, loader(51, 16)])
    two = of_each([TRAIN, TRAIN])
    with pytest.raises(DataError, match=r"keys of shape \[2\] for 2 members"):
        next(two.batches(SINGLE.key, 1))


def test_a_grid_under_a_schedule_scales_its_rate() -> None:
    rule = optim.sgd(optim.constant(0.1))
    together = ensemble(MODEL, rule, grid={"lr_scale": [1.0, 0.5]})
    step = together.step(train_step(OBJECTIVE, rule))
    _, told = step(together.state, next(TRAIN.batches(None, 1)))
    torch.testing.assert_close(told["lr"].answer(), torch.tensor([0.1, 0.05]).double())

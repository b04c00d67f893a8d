"""Member experiment: an ensemble is an experiment, run, saved and resumed like any other."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import torch.nn.functional as F

from artifact_fn import optim, tree
from artifact_fn.errors import EnsembleError
from artifact_fn.folds import at_most, best, patience
from artifact_fn.runs import Missing, Saving, load_run, resume, run
from artifact_fn.runs.storage.checkpoint import marks
from artifact_fn.training import (
    Ensemble,
    Experiment,
    best_of_each,
    eager,
    ensemble,
    evaluate_each,
    evaluation,
    functional,
    supervised,
    train_each,
)
from tests.runs.examples import cut_back, done, fault
from tests.training.examples import loader, mlp

TRAIN, VAL = loader(22, 4), loader(10, 4)
MODEL = functional(mlp)
OBJECTIVE = supervised(MODEL, F.cross_entropy)
SGD = optim.sgd(0.1)


def one(**changes: Any) -> Experiment:
    """22 rows in batches of 4: 6 steps an epoch, a cut after every second one."""
    options: dict[str, Any] = {
        "model": MODEL,
        "objective": OBJECTIVE,
        "optimizer": SGD,
        "data": {"train": TRAIN, "val": VAL},
        "until": at_most(4) | patience("val/loss", 1),
        "wrap": eager,
        "chunk": 2,
    }
    return Experiment(**{**options, **changes})


def made(**changes: Any) -> tuple[Ensemble, Experiment]:
    together = ensemble(MODEL, SGD, seeds=2, grid={"lr": [0.05, 1.0]})
    return together, train_each(
        together,
        one(**changes),
        routines=[evaluate_each(together, "val", OBJECTIVE, VAL)],
        select=best_of_each("val/loss", len(together)),
    )


def test_a_member_is_the_run_of_its_experiment() -> None:
    together, experiment = made(control=optim.reduce_on_plateau("val/loss", patience=0))
    whole = experiment.fit()
    for i, point in enumerate(together.points):
        single = one(
            optimizer=optim.sgd(point["lr"]),
            seed=int(point["seed"]),
            routines=[evaluation("val", OBJECTIVE)],
            control=optim.reduce_on_plateau("val/loss", patience=0),
            select=best("val/loss"),
        ).fit()
        own, theirs = together.member(whole.last.state, i), single.last.state
        assert tree.paths(own).keys() == tree.paths(theirs).keys()
        for path, leaf in tree.paths(own).items():
            torch.testing.assert_close(leaf, tree.paths(theirs)[path], rtol=1e-4, atol=1e-5)
        assert whole.answers["ends"][i][0] == single.last.index
        assert whole.answers["selected"].epoch[i] == single.answers["selected"].index
    assert len({end[0] for end in whole.answers["ends"]}) > 1, "they end at different epochs"


def test_it_is_resumed_to_the_bit_at_every_checkpoint(tmp_path: Path) -> None:
    _, experiment = made()
    often = Saving(steps=2, keep_last=99, background=False)
    whole = done(run(experiment, tmp_path / "whole", saving=often))
    there = marks(tmp_path / "whole" / "checkpoints")
    assert len(there) > 6
    for i, mark in enumerate([None, *there]):
        copy = tmp_path / str(i)
        cut_back(tmp_path / "whole", copy, mark)
        again = done(resume(made()[1], copy, saving=often))
        assert tree.identical(again.last.state, whole.last.state)
        assert tree.identical(again.answers["selected"], whole.answers["selected"])
        assert again.answers["ends"] == whole.answers["ends"]
        assert again.answers["history"].equals(whole.answers["history"])
    recorded = done(load_run(tmp_path / "whole"))
    assert tree.identical(recorded.state, whole.last.state)
    assert tree.identical(recorded.selected, whole.answers["selected"])


def test_other_members_are_another_experiment(tmp_path: Path) -> None:
    _, experiment = made()
    done(run(experiment, tmp_path))
    other = train_each(ensemble(MODEL, SGD, seeds=4), one(until=at_most(1)))
    assert "begin" in fault(resume(other, tmp_path)).fields
    assert isinstance(fault(resume(other, tmp_path / "nothing")), Missing)


def test_members_read_what_they_are_given() -> None:
    together = ensemble(MODEL, SGD, seeds=2)
    given = [loader(22, 4), loader(22, 4)]
    experiment = train_each(together, one(until=at_most(1)), source=given)
    assert experiment.fit().last.index == 1
    with pytest.raises(EnsembleError, match="one for all, one a split, or one a member"):
        train_each(together, one(until=at_most(1)), source=[TRAIN] * 3)


def test_what_looks_at_one_model_is_refused() -> None:
    together = ensemble(MODEL, SGD, seeds=2)
    looking: dict[str, Any] = {
        "routines": [evaluation("val", OBJECTIVE)],
        "select": best("val/loss"),
    }
    for name, value in looking.items():
        experiment = attrs.evolve(one(), **{name: value})
        with pytest.raises(EnsembleError, match=f"the {name} of one model cannot look at many"):
            train_each(together, experiment)

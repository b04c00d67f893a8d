"""Law 4: a run taken up at any cut is the run that was never left."""

from pathlib import Path
from typing import Any

import pytest

from artifact_fn import optim, tree
from artifact_fn.folds import Run, at_most, best, diverged, patience, top_k
from artifact_fn.runs import Saving, resume, run
from artifact_fn.runs.storage.checkpoint import marks
from artifact_fn.training import evaluation, train_step
from tests.runs.examples import cut_back, done, experiment, left, story
from tests.training.examples import loader, parts

DATA = {"train": loader(40, 4), "val": loader(10, 10)}  # 10 steps an epoch


def accumulating() -> dict[str, Any]:
    p = parts()
    return {"step": train_step(p.objective, p.optimizer, accumulate=2)}


VARIANTS: dict[str, Any] = {
    "dropout and BatchNorm": {},
    "schedule": {"optimizer": optim.adamw(optim.cosine(1e-2, steps=40))},
    "averaged": {"optimizer": optim.asgd(1e-2, t0=5.0)},
    "momentum": {"optimizer": optim.chain(optim.clip_by_value(0.1), optim.sgd(0.1, momentum=0.9))},
    "early stop": {"until": patience("val/accuracy", 2, mode="max") | at_most(4) | diverged()},
    "best": {"select": best("val/accuracy", mode="max"), "folds": {"top": top_k("val/loss", 2)}},
    "accumulation": accumulating(),
    "averaged apart": {"optimizer": optim.ema(optim.sgd(0.1, momentum=0.9), 0.9)},
    "plateau": {"control": optim.reduce_on_plateau("val/accuracy", mode="max", patience=0)},
    "no shuffle": {"data": {**DATA, "train": loader(38, 4, shuffle=False)}},
}

MORE = ("averaged", "momentum", "no shuffle")
"""Taken up at every fourth step after the first epoch: nothing of theirs is kept elsewhere than in the others."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_resume_at_every_step_of_four_epochs_of_ten(variant: str, tmp_path: Path) -> None:
    p = parts()
    given = experiment(
        **{
            "data": DATA,
            "until": at_most(4),
            "chunk": 1,
            "routines": [evaluation("val", p.objective)],
            **VARIANTS[variant],
        }
    )
    saving = Saving(steps=1, keep_last=1000, background=False)
    whole = done(run(given, tmp_path / "whole", saving=saving))
    expected = left(given.fit())
    assert left(whole) == expected
    found = marks(tmp_path / "whole" / "checkpoints")
    epochs = whole.last.index
    assert len(found) == 10 * epochs  # the last cut of an epoch is saved with the epoch
    rest = found[10 :: 4 if variant in MORE else 1]
    for mark in [None, *found[:10], *rest]:
        at = tmp_path / f"{mark.name if mark else 'none'}"
        cut_back(tmp_path / "whole", at, mark)
        resumed = done(resume(given, at, saving=Saving(epochs=100, background=False)))
        assert left(resumed) == expected, mark
        assert story(at) == story(tmp_path / "whole"), mark
        assert top(resumed) == top(whole)


def top(run: Run[Any]) -> list[tuple[int, str]]:
    return [(e.index, tree.digest(e.state)) for e in run.answers.get("top", ())]

"""A mode is said, or that of a loss; nobody keeps the worst epoch by default."""

import re
from typing import Any

import pytest

from artifact_fn import optim
from artifact_fn.errors import FoldError
from artifact_fn.folds import best, patience, reached, run, top_k
from artifact_fn.folds.mode import mode_of
from artifact_fn.runs import progress
from artifact_fn.training.stream import Stream
from tests.folds.epochs import of_scores

READERS = {
    "best": lambda score, **mode: best(score, **mode),
    "top_k": lambda score, **mode: top_k(score, 2, **mode),
    "patience": lambda score, **mode: patience(score, 2, **mode),
    "reached": lambda score, **mode: reached(score, 0.5, **mode),
    "reduce_on_plateau": lambda score, **mode: optim.reduce_on_plateau(score, **mode),
    "progress": lambda score, **mode: progress(
        Stream(lambda: iter(()), frozenset({score})), best=score, **mode
    ),
}


@pytest.mark.parametrize("make", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("score", ["val/accuracy", "val/loss_ratio", "loss/val"])
def test_of_a_score_that_is_no_loss_the_mode_is_said(make: Any, score: str) -> None:
    message = rf"of {re.escape(repr(score))} it is not known .*; got no mode, .*; say mode='max'"
    with pytest.raises(FoldError, match=message):
        make(score)
    make(score, mode="max")
    make(score, mode="min")


@pytest.mark.parametrize("make", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("score", ["val/loss", "loss", "val/t_loss", "critic/loss", "val/LOSS"])
def test_a_loss_is_best_at_its_lowest(make: Any, score: str) -> None:
    make(score)
    assert mode_of(score, None) == "min"
    assert mode_of(score, "max") == "max"


def test_the_best_of_an_accuracy_is_its_highest() -> None:
    epochs = of_scores("val/accuracy", [0.6, 0.9, 0.8])
    chosen = run(best("val/accuracy", mode="max"), epochs)
    assert chosen is epochs[1]

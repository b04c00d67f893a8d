"""Experiments: the small one learns, is the same each time, and is run and resumed like any."""

from pathlib import Path

import pytest
from returns.unsafe import unsafe_perform_io

from artifact_fn import tree
from artifact_fn.errors import FoldError
from artifact_fn.runs import resume, run
from artifact_fn.testing import small_experiment


def test_it_learns_and_is_the_same_each_time() -> None:
    one, other = small_experiment(epochs=20).fit(), small_experiment(epochs=20).fit()
    losses = one.answers["history"]["train/loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]
    assert tree.identical(one.last.state, other.last.state)
    assert not tree.identical(one.last.state, small_experiment(epochs=20, seed=1).fit().last.state)


def test_it_is_run_and_resumed(tmp_path: Path) -> None:
    run(small_experiment(epochs=1), tmp_path / "run").unwrap()
    again = resume(small_experiment(epochs=3), tmp_path / "run", allow={"until"})
    whole = small_experiment(epochs=3).fit()
    assert tree.identical(unsafe_perform_io(again.unwrap()).last.state, whole.last.state)


def test_it_has_an_epoch_at_least() -> None:
    with pytest.raises(FoldError, match="the number of epochs is a whole number of at least 1"):
        small_experiment(epochs=0)

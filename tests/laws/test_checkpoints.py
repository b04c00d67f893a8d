"""Law 8: what is saved comes back as it was, for states and for every fold's carry."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn import optim, tree
from artifact_fn.folds import (
    Epoch,
    Fold,
    at_most,
    best,
    diverged,
    history,
    last,
    named,
    patience,
    reached,
    run,
    top_k,
    within,
)
from artifact_fn.runs.storage import checkpoint
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.training import TrainState
from tests.runs.storage.values import same
from tests.training.examples import parts

FOLDS: dict[str, Fold[Any, Any, Any]] = {
    "at_most": at_most(5).fold,
    "patience": patience("val/loss", 3).fold,
    "either": (at_most(5) | diverged("val/loss")).fold,
    "both": (reached("val/loss", 0.0, mode="min") & within(3.0)).fold,
    "history": history(),
    "best": best("val/loss"),
    "top_k": top_k("val/loss", 3, mode="max"),
    "last": last(),
}
EVERY = named(FOLDS)
STATE = parts().state

scores = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=6)


def epochs(values: list[float | None]) -> list[Epoch[Any]]:
    return [
        Epoch(
            i,
            tree.replace(STATE, step=STATE.step + i),
            {} if value is None else {"val/loss": value},
            {},
            float(i),
        )
        for i, value in enumerate(values, 1)
    ]


@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_every_fold_goes_on_from_what_it_has_saved(
    tmp_path_factory: pytest.TempPathFactory, before: list[float | None], after: list[float | None]
) -> None:
    root = tmp_path_factory.mktemp("checkpoints")
    stream = epochs([*before, *after])
    carry = EVERY.init()
    for epoch in stream[: len(before)]:
        carry = EVERY.step(carry, epoch)
    checkpoint.save(root, Mark(1, 1), carry)
    restored = checkpoint.load(root, Mark(1, 1))
    assert same(restored, carry)
    for epoch in stream[len(before) :]:
        restored = EVERY.step(restored, epoch)
    assert same(EVERY.extract(restored), run(EVERY, stream))


@pytest.mark.parametrize(
    "optimizer",
    [
        optim.adamw(1e-2),
        optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(0.1, momentum=0.9)),
        optim.by_path({"0/*": optim.adam(0.1), "*": optim.sgd(0.1)}),
        optim.adagrad(1e-2),
    ],
)
def test_a_state_comes_back_as_it_was(optimizer: Any, tmp_path: Path) -> None:
    state = parts(optimizer).state
    checkpoint.save(tmp_path, Mark(0, 0), {"state": state})
    found = checkpoint.load(tmp_path, Mark(0, 0))["state"]
    assert type(found) is TrainState
    assert tree.identical(found, state)
    assert all(leaf.data_ptr() % 16 == 0 for leaf in tree.leaves(found) if leaf.numel())

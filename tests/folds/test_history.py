"""History: one row an epoch."""

import numpy as np
import pandas as pd

from artifact_fn.folds import Epoch, history, run


def test_a_row_an_epoch_and_nan_where_a_score_was_absent() -> None:
    frame = run(
        history(),
        [
            Epoch(1, None, {}),
            Epoch(2, None, {"train/loss": 0.5}),
            Epoch(3, None, {"train/loss": 0.25, "val/loss": 0.75}),
        ],
    )
    expected = pd.DataFrame(
        {"train/loss": [np.nan, 0.5, 0.25], "val/loss": [np.nan, np.nan, 0.75]},
        index=pd.Index([1, 2, 3], name="epoch"),
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_no_epochs_are_an_empty_frame() -> None:
    frame = run(history(), [])
    assert frame.shape == (0, 0)
    assert frame.index.name == "epoch"


def test_the_index_is_the_epochs_own() -> None:
    assert list(run(history(), [Epoch(7, None, {"a": 1.0})]).index) == [7]

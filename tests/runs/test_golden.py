"""Old runs are read for ever: directories that earlier versions have written."""

from pathlib import Path

import torch

from artifact_fn import tree
from artifact_fn.runs import load_run
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.position import of_value
from artifact_fn.runs.storage import checkpoint
from artifact_fn.runs.storage.checkpoint import Mark
from tests.runs.examples import done, experiment

GOLDEN = Path(__file__).parent / "golden"


def test_format_1() -> None:
    """Two epochs of the small experiment, with a stopper of two parts and the two best epochs."""
    root = GOLDEN / "format-1"
    found = done(load_run(root))
    assert tree.digest(found.state) == DIGEST
    assert found.mark == Mark(2, 12)
    assert found.stop.reason == "2 epochs are done"
    assert list(found.history.index) == [1, 2]
    assert found.history["val/accuracy"].tolist() == [0.3, 0.5]
    assert found.best.index == 2
    assert tree.digest(found.best.state) == DIGEST
    assert found.artifact("val/confusion", 2).sum() == 10
    position = of_value(checkpoint.load(Directory(root).checkpoints, Mark(2, 12)))
    assert [epoch.index for epoch in position.carry["top"]] == [2, 1]
    assert position.carry["until"] == (2, (found.history["val/loss"][2], 0))
    given = experiment()
    batch = next(given.data["train"].batches(None, 1))
    after, _ = given.training_step()(found.state, batch)
    assert torch.isfinite(after.params["0.weight"]).all()
    assert after.step == 13


DIGEST = "dcc3cf50ad2d57fba51e2059fbaab5c1331df86b3ff0d6e8e4459f645dd2ae71"

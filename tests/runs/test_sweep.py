"""Sweeps: trials are runs, whatever happens to their workers. What needs Ray is in test_ray.py."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifact_fn import tree
from artifact_fn.errors import FoldError, SweepError
from artifact_fn.runs import Damaged, Missing, Saving, load_run, run
from artifact_fn.runs.sweeps import Swept, load_sweep, resume_sweep, sweep
from artifact_fn.runs.sweeps.places import Places, write_record
from artifact_fn.runs.sweeps.trial import Trials, Workflow, work
from tests.runs.examples import done, fault
from tests.runs.sweeping import EPOCHS, many, one, spoilt

NOW = Saving(background=False)


def trials(root: Path, workflow: Workflow = one, **changes: Any) -> Trials:
    given = {"score": "val/loss", "mode": "min", "threads": 1, "saving": NOW, **changes}
    return Trials(workflow, root, **given)


class Told(list[dict[str, float]]):
    """What Tune would be told; it ends the trial after so many epochs, as Tune does."""

    def __init__(self, most: int = 99, look: Callable[[], Any] = lambda: None) -> None:
        self.most, self.look = most, look

    def __call__(self, result: dict[str, float]) -> None:
        self.append(result)
        self.look()
        if len(self) == self.most:
            sys.exit(0)


def begun(root: Path, *, ended: bool = False, mode: str = "min") -> None:
    root.mkdir(exist_ok=True)
    about = {"score": "val/loss", "mode": mode, "cpus": 1.0, "gpus": 0.0, "ended": ended}
    write_record(Places(root).sweep, about)


def test_a_trial_is_the_run_of_its_experiment(tmp_path: Path) -> None:
    told = Told()
    work(trials(tmp_path), "a", {"lr": 0.1}, told)
    alone = done(run(one({"lr": 0.1}), tmp_path / "alone"))
    there = done(load_run(tmp_path / "trials" / "a"))
    assert tree.identical(there.state, alone.last.state)
    assert there.history.equals(alone.answers["history"])
    assert [result["epoch"] for result in told] == [1, 2, 3, 4, 5, 6]
    assert [r["val/loss"] for r in told] == alone.answers["history"]["val/loss"].tolist()


def test_an_epoch_is_told_of_when_it_is_on_disk(tmp_path: Path) -> None:
    seen: list[int] = []
    told = Told(look=lambda: seen.append(done(load_run(tmp_path / "trials" / "a")).mark.epoch))
    work(trials(tmp_path), "a", {"lr": 0.1}, told)
    assert seen == [result["epoch"] for result in told]


def test_a_worker_that_is_ended_anywhere_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    work(trials(tmp_path), "whole", {"lr": 0.1}, Told())
    for most in range(1, EPOCHS + 1):
        name, first, second = f"cut {most}", Told(most), Told()
        with pytest.raises(SystemExit):
            work(trials(tmp_path), name, {"lr": 0.1}, first)
        work(trials(tmp_path), name, {"lr": 0.1}, second)
        # An end that nobody may have heard of is told again.
        again = [EPOCHS] if most == EPOCHS else range(most + 1, EPOCHS + 1)
        assert [result["epoch"] for result in second] == list(again)
        there, whole = (done(load_run(tmp_path / "trials" / name)) for name in (name, "whole"))
        assert tree.identical(there.state, whole.state)
        assert there.history.equals(whole.history)
        assert there.stop == whole.stop


def test_a_trial_may_be_an_ensemble(tmp_path: Path) -> None:
    told = Told()
    work(trials(tmp_path, many), "a", {"lr": 0.1}, told)
    assert all("train/loss" in result and "val/loss[0]" not in result for result in told)
    there = done(load_run(tmp_path / "trials" / "a"))
    assert {"val/loss", "val/loss[2]"} <= {*there.history.columns}
    assert there.selected.epoch.shape == (3,)
    assert there.best is None
    alone = done(run(many({"lr": 0.1}), tmp_path / "b"))
    assert tree.identical(alone.last.state, there.state)
    assert tree.identical(alone.answers["selected"], there.selected)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mistake", "ScoreError: nothing makes the score 'val/loss'"),
        ("no experiment", "SweepError: a workflow makes an experiment of a point; got int"),
        ("nan", "NotFinite: "),
    ],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_goes_wrong_in_a_trial_is_written_down(
    tmp_path: Path, kind: str, message: str, mode: str
) -> None:
    begun(tmp_path, ended=True, mode=mode)
    told = Told()
    work(trials(tmp_path, spoilt, mode=mode), "a", {"kind": kind, "lr": 0.1}, told)
    assert told[-1] == {"epoch": 0, "val/loss": math.inf if mode == "min" else -math.inf}
    (trial,) = done(load_sweep(tmp_path)).trials
    assert trial.status == "failed"
    assert trial.reason.startswith(message)


def test_a_bug_ends_the_worker(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        work(trials(tmp_path, spoilt), "a", {"kind": "bug"}, Told())


def swept(root: Path, *, ended: bool) -> Swept:
    """Two trials that have ended, one that was stopped, one that never began."""
    begun(root, ended=ended)
    for name, rate, most in (("a", 0.01, 99), ("b", 0.3, 99), ("c", 0.1, 2)):
        try:
            work(trials(root), name, {"lr": rate, "net": len}, Told(most))
        except SystemExit:
            assert name == "c"
    found: Swept = done(load_sweep(root))
    return found


@pytest.mark.parametrize("ended", [True, False])
def test_a_sweep_is_read_from_its_directory(tmp_path: Path, ended: bool) -> None:
    found = swept(tmp_path, ended=ended)
    assert found.ended == ended
    assert [trial.name for trial in found.trials] == ["a", "b", "c"]
    assert [trial.status for trial in found.trials] == [
        "ended",
        "ended",
        "stopped" if ended else "left",
    ]
    assert [trial.epochs for trial in found.trials] == [EPOCHS, EPOCHS, 2]
    assert found.best is not None
    assert found.best.score == min(trial.score for trial in found.trials)
    there = done(load_run(found.best.directory))
    assert there.best.index == found.best.epoch
    assert there.best.scores["val/loss"] == found.best.score
    table = found.table
    assert list(table.columns) == ["lr", "net", "status", "epochs", "val/loss", "epoch"]
    assert table.index.name == "trial"
    assert table.loc["b", "lr"] == 0.3
    assert table.loc["a", "net"] == "<built-in function len>"


def test_of_no_scores_there_is_no_best(tmp_path: Path) -> None:
    begun(tmp_path)
    assert done(load_sweep(tmp_path)).best is None
    assert done(load_sweep(tmp_path)).table.empty
    work(trials(tmp_path, spoilt), "a", {"kind": "mistake", "lr": 0.1}, Told())
    assert done(load_sweep(tmp_path)).best is None


def test_what_is_no_sweep_is_a_fault(tmp_path: Path) -> None:
    assert isinstance(fault(load_sweep(tmp_path)), Missing)
    begun(tmp_path)
    work(trials(tmp_path), "a", {"lr": 0.1}, Told())
    path = tmp_path / "trials" / "a" / "trial.json"
    path.write_text(path.read_text().replace("0.1", "0.2"))
    assert fault(load_sweep(tmp_path)).path == path
    assert isinstance(fault(load_sweep(tmp_path)), Damaged)
    json.loads(path.read_text())  # it is text of a common format all the same


def test_without_ray_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    message = r"a sweep needs Ray Tune, .*; pip install 'artifact-fn\[ray\]'"
    with pytest.raises(SweepError, match=message):
        sweep(one, {"lr": 0.1}, tmp_path / "s", score="val/loss")
    with pytest.raises(SweepError, match=message):
        resume_sweep(one, tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workflow": 3}, "a workflow is a function of a point; got int"),
        ({"space": [0.1]}, "a space has names; got list"),
        ({"space": {3: 0.1}}, "a space has names; got dict"),
        ({"trials": 0}, "trials is a whole number of at least 1; got 0"),
        ({"trials": True}, "trials is a whole number of at least 1; got True"),
        ({"retries": -1}, "retries is a whole number of at least 0; got -1"),
        ({"cpus": 0.0}, r"a trial needs a processor; got cpus=0.0, gpus=0.0"),
    ],
)
def test_impossible_sweeps_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"workflow": one, "space": {"lr": 0.1}, "score": "val/loss"}
    with pytest.raises(SweepError, match=message):
        sweep(directory=tmp_path, **{**given, **changes})


def test_of_a_score_that_is_no_loss_the_mode_is_asked(tmp_path: Path) -> None:
    with pytest.raises(FoldError, match="whether lower or higher is better"):
        sweep(one, {"lr": 0.1}, tmp_path, score="val/accuracy")

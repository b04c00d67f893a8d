"""Listed: how runs stand, told from their journals and the kernel's locks."""

import shutil
from pathlib import Path

import pytest

from artifact_fn.folds import at_most
from artifact_fn.optim import sgd
from artifact_fn.runs import Missing, NotFinite, resume, run
from artifact_fn.runs.listed import listed, runs_in
from artifact_fn.runs.storage.journal import read
from artifact_fn.runs.storage.lock import holder, locked
from tests.runs.examples import done, experiment, fault
from tests.runs.patients import blind
from tests.runs.patients import experiment as small


def test_how_runs_stand(tmp_path: Path) -> None:
    done(run(experiment(until=at_most(2)), tmp_path / "b" / "ended"))
    assert isinstance(fault(run(small(loss=blind, optimizer=sgd(1e30)), tmp_path / "c")), NotFinite)
    shutil.copytree(tmp_path / "b" / "ended", tmp_path / "damaged")
    (tmp_path / "damaged" / "experiment.json").write_bytes(b"{}")
    shutil.copytree(tmp_path / "b" / "ended", tmp_path / "left")
    journal = tmp_path / "left" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:1]))
    resumed = experiment(until=at_most(2))
    shutil.copytree(tmp_path / "b" / "ended", tmp_path / "resumed")
    done(resume(resumed, tmp_path / "resumed"))  # of what has ended, nothing is run
    again = read(tmp_path / "resumed" / "journal.jsonl").records
    assert [record["kind"] for record in again][-2:] == ["stop", "resumed"]
    (tmp_path / "no run").mkdir()
    found = {str(one.root.relative_to(tmp_path)): one for one in runs_in(tmp_path)}
    assert {name: one.status for name, one in found.items()} == {
        "b/ended": "ended",
        "c": "failed",
        "damaged": "damaged",
        "left": "left",
        "resumed": "ended",
    }
    assert found["b/ended"].reason == "2 epochs are done"
    assert found["b/ended"].scores["val/loss"] > 0
    assert found["b/ended"].began.endswith("Z")
    assert "has become NaN or infinite" in found["c"].reason
    assert "experiment.json is damaged" in found["damaged"].reason
    assert found["left"].epochs == 1
    assert [one.root for one in runs_in(tmp_path / "left")] == [tmp_path / "left"]
    with pytest.raises(Missing):
        listed(tmp_path / "no run")


def test_a_run_at_work_is_running(tmp_path: Path) -> None:
    done(run(experiment(until=at_most(1)), tmp_path / "a"))
    with locked(tmp_path / "a"):
        assert listed(tmp_path / "a").status == "running"
        assert str(holder(tmp_path / "a")).startswith("pid ")
    assert holder(tmp_path / "a") is None
    assert listed(tmp_path / "a").status == "ended"

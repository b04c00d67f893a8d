"""Runs: what a directory holds, what is refused, and how a run is taken up."""

import itertools
import json
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from returns.io import IOFailure

from artifact_fn import optim, tree
from artifact_fn.errors import DataError, FoldError, OptimError, ScoreError
from artifact_fn.folds import Fold, at_most, best, patience, top_k
from artifact_fn.optim import sgd, skip_nonfinite
from artifact_fn.runs import (
    Changed,
    Damaged,
    Interrupted,
    Locked,
    Missing,
    NotFinite,
    Occupied,
    Saving,
    load_run,
    resume,
    run,
)
from artifact_fn.runs.storage.checkpoint import Mark, marks
from artifact_fn.runs.storage.journal import read
from artifact_fn.runs.storage.lock import locked
from artifact_fn.training import Routine, epochs, fit, functional, supervised, train_step
from artifact_fn.training.routines import Prepared
from tests.runs.examples import cut_back, done, experiment, fault, left, story
from tests.training.examples import loader, parts

NOW = Saving(background=False)


def drawing(every: int = 1) -> Routine:
    """Makes an artifact of every kind."""

    def made(state: Any) -> Any:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], [0, float(state.step)])
        return {"val/odd": float("nan")}, {
            "val/curve": figure,
            "val/array": np.arange(3.0),
            "val/arrays": {"a/b": np.zeros((0, 2)), "../c": np.ones(1)},
            "val/values": {"n": 1, "x": [0.5, float("inf")]},
            "../escape": torch.ones(2, dtype=torch.bfloat16),
        }

    prepared = Prepared(frozenset({"val/odd"}), made)
    return Routine("drawing", lambda index: index % every == 0, lambda wrap, state: prepared)


def test_a_run_is_the_run_in_memory_and_its_directory_tells_of_it(tmp_path: Path) -> None:
    given = experiment()
    outcome = done(run(given, tmp_path / "a" / "run"))
    assert left(outcome) == left(given.fit())
    found = done(load_run(tmp_path / "a" / "run"))
    assert found.stop == outcome.stop
    assert found.history.equals(outcome.answers["history"])
    assert tree.identical(found.state, outcome.last.state)
    assert found.mark == Mark(3, 18)
    chosen = outcome.answers["selected"]
    assert found.best.index == chosen.index
    assert tree.identical(found.best.state, chosen.state)
    assert found.best.artifacts["val/confusion"].sum() == 10
    assert found.artifact("val/confusion", 2).sum() == 10
    assert found.experiment["seed"] == "0"
    assert found.environment["bits"]["threads"] == torch.get_num_threads()
    assert os.listdir(tmp_path / "a") == ["run"]


def test_the_small_program_and_an_experiment_are_one(tmp_path: Path) -> None:
    given, p = experiment(routines=[]), parts()
    small = fit(epochs(p.step, p.state, loader(22, 4), chunk=2), until=at_most(3))
    other = attrs.evolve(given, select=best("train/loss"))
    assert tree.identical(done(run(other, tmp_path / "r")).last.state, small.last.state)


def test_artifacts_of_every_kind_are_files_that_cannot_escape(tmp_path: Path) -> None:
    given = experiment(routines=[drawing()], select=None, until=at_most(2))
    done(run(given, tmp_path / "run"))
    found = done(load_run(tmp_path / "run"))
    assert set(found.artifacts) == {
        "train/confusion", "val/curve", "val/array", "val/arrays", "val/values", "../escape",
    }  # fmt: skip
    assert found.artifact("val/curve", 1)[:4] == b"\x89PNG"
    assert found.artifact("val/array", 2).tolist() == [0.0, 1.0, 2.0]
    arrays = found.artifact("val/arrays", 1)
    assert list(arrays) == ["a/b", "../c"]
    assert arrays["a/b"].shape == (0, 2)
    assert found.artifact("val/values", 1) == {"n": 1, "x": [0.5, float("inf")]}
    assert found.artifact("../escape", 1).tolist() == [1.0, 1.0]
    assert found.history["val/odd"].isna().all()
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert "run/artifacts/val/curve/000001.png" in files
    assert all(name.startswith("run/") for name in files)
    path = tmp_path / "run" / found.artifacts["val/array"][1]["file"]
    path.write_bytes(b"x")
    with pytest.raises(Damaged, match="other bytes than were written"):
        found.artifact("val/array", 1)


def test_an_artifact_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    bad = Prepared(frozenset(), lambda state: ({}, {"val/x": object()}))
    given = experiment(
        routines=[Routine("bad", lambda _: True, lambda wrap, state: bad)], select=None
    )
    with pytest.raises(DataError, match=r"the artifact 'val/x' cannot be saved; got a object; ans"):
        run(given, tmp_path / "run")


def test_where_a_run_is_none_is_begun_and_where_none_is_none_is_taken_up(tmp_path: Path) -> None:
    given = experiment()
    nothing = fault(resume(given, tmp_path / "run"))
    assert isinstance(nothing, Missing)
    assert "holds no run; got no experiment.json in it; begin one with run" in str(nothing)
    assert isinstance(fault(load_run(tmp_path / "run")), Missing)
    assert not (tmp_path / "run").exists()
    done(run(given, tmp_path / "run"))
    again = fault(run(given, tmp_path / "run"))
    assert isinstance(again, Occupied)
    assert "take it up with resume(experiment, ...), or name another" in str(again)


def test_a_mistake_in_an_experiment_is_raised_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="nothing makes the score 'val/los'"):
        done(run(experiment(until=patience("val/los", 3, mode="min")), tmp_path / "a"))
    lists: Fold[Any, Any, Any] = Fold(lambda: {1}, lambda carry, _: carry, lambda carry: carry)
    with pytest.raises(DataError, match=r"it\['carry'\]\['odd'\] cannot be saved; got a set"):
        run(experiment(folds={"odd": lists}), tmp_path / "b")
    assert os.listdir(tmp_path) == []


def test_a_run_that_has_ended_answers_again_without_training(tmp_path: Path) -> None:
    given = experiment(folds={"top": top_k("val/loss", 2)})
    whole = done(run(given, tmp_path / "run"))
    size = (tmp_path / "run" / "journal.jsonl").stat().st_size
    again = done(resume(given, tmp_path / "run", show=refuse_to_train))
    assert left(again) == left(whole)
    assert again.last.scores == whole.last.scores
    assert [e.index for e in again.answers["top"]] == [e.index for e in whole.answers["top"]]
    assert story(tmp_path / "run")[-1] == {
        "kind": "stop",
        "epoch": 3,
        "reason": "3 epochs are done",
    }
    assert (tmp_path / "run" / "journal.jsonl").stat().st_size > size  # that it was taken up


def refuse_to_train(stream: Any) -> Any:
    def events() -> Any:
        raise AssertionError("it has trained")
        yield

    return attrs.evolve(stream, events=events)


def test_a_changed_experiment_is_refused_with_what_differs(tmp_path: Path) -> None:
    given = experiment()
    done(run(given, tmp_path / "run"))
    other = attrs.evolve(given, seed=1, until=at_most(5), optimizer=optim.adamw(2e-2))
    changed = fault(resume(other, tmp_path / "run", allow={"until"}))
    assert isinstance(changed, Changed)
    assert changed.fields == {"seed", "optimizer"}
    assert changed.differences["seed"] == ("0", "1")
    assert "seed: 0 then, 1 now" in str(changed) or "and " in str(changed)
    assert "accept it by name: allow={" in str(changed)
    rows = attrs.evolve(given, data={**given.data, "train": loader(21, 4)})
    assert fault(resume(rows, tmp_path / "run")).fields == {"data"}
    same = experiment()
    assert left(done(resume(same, tmp_path / "run"))) == left(given.fit())


def test_an_accepted_change_is_as_if_it_had_been_so(tmp_path: Path) -> None:
    """The stopper counts over the epochs of the journal that another stopper has let pass."""
    short, long = (
        experiment(until=at_most(2)),
        experiment(until=patience("val/loss", 2) | at_most(5)),
    )
    done(run(short, tmp_path / "run"))
    extended = done(resume(long, tmp_path / "run", allow={"until"}))
    assert left(extended) == left(long.fit())
    stops = [r for r in story(tmp_path / "run") if r["kind"] == "stop"]
    assert [r["epoch"] for r in stops] == [2, 5]
    more = attrs.evolve(long, folds={"low": top_k("val/loss", 2).map(indices)})
    found = done(resume(more, tmp_path / "run", allow={"until", "folds"}))
    assert found.answers["low"] == indices(long.fit().answers["selected"], 2, long)


def indices(kept: Any, k: int = 2, given: Any = None) -> list[int]:
    if given is not None:
        history = given.fit().answers["history"]["val/loss"]
        return [int(i) for i in history.sort_values(kind="stable").index[:k]]
    return [epoch.index for epoch in kept]


def test_another_environment_is_told_of_and_gone_on_with(tmp_path: Path) -> None:
    given = experiment(until=at_most(1))
    done(run(given, tmp_path / "run"))
    torch.set_num_threads(2)
    try:
        with pytest.warns(UserWarning, match=r"its last bits may differ: threads 1 then, 2 now"):
            done(resume(given, tmp_path / "run"))
    finally:
        torch.set_num_threads(1)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(tmp_path: Path) -> None:
    given = experiment()
    whole = done(run(given, tmp_path / "whole", saving=Saving(keep_last=9)))
    for name in ("value.json", "tensors.safetensors", "manifest.json"):
        root = tmp_path / name
        cut_back(tmp_path / "whole", root, Mark(2, 12))
        shutil.copytree(
            tmp_path / "whole" / "checkpoints" / Mark(1, 6).name,
            root / "checkpoints" / Mark(1, 6).name,
        )
        path = root / "checkpoints" / Mark(2, 12).name / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.warns(UserWarning, match=rf"{name} is damaged; got .*an earlier checkpoint"):
            assert done(load_run(root)).mark == Mark(1, 6)
        with pytest.warns(UserWarning, match=rf"{name} is damaged"):
            assert left(done(resume(given, root, saving=NOW))) == left(whole)
        assert story(root) == story(tmp_path / "whole")
        assert (root / "checkpoints" / f"{Mark(2, 12).name}.unused").is_dir()


def test_a_checkpoint_ahead_of_its_journal_is_not_taken(tmp_path: Path) -> None:
    given = experiment()
    whole = done(run(given, tmp_path / "run", saving=Saving(keep_last=9)))
    lines = (tmp_path / "run" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / "journal.jsonl").write_bytes(lines[0])
    assert left(done(resume(given, tmp_path / "run", saving=NOW))) == left(whole)
    assert [r.get("epoch") for r in story(tmp_path / "run")] == [1, 2, 3, 3]


def test_a_damaged_journal_or_experiment_is_a_fault(tmp_path: Path) -> None:
    given = experiment()
    for name in ("journal.jsonl", "experiment.json"):
        root = tmp_path / name
        done(run(given, root))
        data = bytearray((root / name).read_bytes())
        data[100] ^= 1
        (root / name).write_bytes(data)
        for outcome in (resume(given, root), load_run(root)):
            damaged = fault(outcome)
            assert isinstance(damaged, Damaged)
            assert damaged.path == root / name


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    given = experiment()
    done(run(given, tmp_path / "run"))
    with locked(tmp_path / "run"):
        taken = fault(resume(given, tmp_path / "run"))
        assert done(load_run(tmp_path / "run")).stop is not None  # readers need no lock
    assert isinstance(taken, Locked)
    assert taken.holder.startswith(f"pid {os.getpid()} on ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_at_the_next_cut_saved(number: int, tmp_path: Path) -> None:
    given = experiment()
    before = signal.getsignal(number)
    for event in range(1, 12):
        root = tmp_path / str(event)

        def sent(stream: Any, at: int = event) -> Any:
            def events() -> Any:
                for i, found in enumerate(stream.events(), 1):
                    if i == at:
                        signal.raise_signal(signal.Signals(number))
                    yield found

            return attrs.evolve(stream, events=events)

        ended = fault(run(given, root, show=sent, saving=Saving(epochs=None)))
        assert isinstance(ended, Interrupted)
        assert ended.exit_code == 128 + number
        assert f"interrupted by {signal.Signals(number).name}; got epoch" in str(ended)
        assert signal.getsignal(number) is before
        place = {"epoch": ended.epoch, "cursor": ended.cursor}
        record = read(root / "journal.jsonl").records[-1]
        assert record == {"kind": "interrupted", "signal": number, **place}
        assert place == {"epoch": 1 + event // 4, "cursor": event % 4 * 2}
        assert left(done(resume(given, root))) == left(given.fit())


def test_off_the_main_thread_a_run_runs(tmp_path: Path) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run(experiment(), tmp_path / "run")))
    thread.start()
    thread.join()
    assert left(done(found[0])) == left(experiment().fit())


def exploding(at: int) -> Any:
    """A step whose parameters become NaN at one step of the run."""
    p = parts()

    def step(state: Any, batch: Any) -> Any:
        after, metrics = train_step(p.objective, p.optimizer)(state, batch)
        bad = torch.where(after.step == at, torch.nan, 0.0)
        params = {**after.params, "4.weight": after.params["4.weight"] + bad}
        return tree.replace(after, params=params), metrics

    return step


@pytest.mark.parametrize("at", [2, 6, 9, 12])
def test_numbers_that_are_none_end_a_run_and_are_never_saved(at: int, tmp_path: Path) -> None:
    given = experiment(step=exploding(at))
    bad = fault(run(given, tmp_path / "run", saving=Saving(steps=2, keep_last=99)))
    assert isinstance(bad, NotFinite)
    assert (bad.leaf, bad.step) == ("params/4.weight", at)
    assert "params/4.weight has become NaN or infinite; got its first such value at step" in str(
        bad
    )
    assert "the last good checkpoint is" in str(bad)
    kept = marks(tmp_path / "run" / "checkpoints")
    assert all(mark.step < at for mark in kept)
    assert (bad.good is None) == (not kept)
    again = fault(resume(given, tmp_path / "run"))
    assert (again.leaf, again.step) == (bad.leaf, bad.step)


def test_too_many_skipped_updates_end_a_run_too(tmp_path: Path) -> None:
    def spoilt(outputs: Any, targets: Any) -> Any:
        # The root of 0 is 0, and its slope infinite: a finite loss without a finite gradient.
        return torch.nn.functional.cross_entropy(outputs, targets) + (0 * outputs).sum().sqrt()

    p = parts()
    rule = skip_nonfinite(sgd(0.1), in_a_row=3)
    given = experiment(optimizer=rule, objective=supervised(p.model, spoilt), routines=[], select=None)  # fmt: skip
    bad = fault(run(given, tmp_path / "run"))
    assert isinstance(bad, NotFinite)
    assert "3 updates in a row had no finite gradient; got NaN or infinity in the gradient" in (
        str(bad)
    )
    assert bad.leaf in p.state.params
    assert bad.step == 3
    last = read(tmp_path / "run" / "journal.jsonl").records[-1]
    assert (last["kind"], last["what"]) == ("fault", bad.what)


def test_what_is_infinite_from_the_beginning_is_meant_to_be(tmp_path: Path) -> None:
    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)
            self.register_buffer("mask", torch.full((2, 2), -torch.inf))

        def forward(self, x: Any) -> Any:
            return self.linear(x)

    model = functional(Masked)
    given = experiment(
        model=model, objective=supervised(model, F.cross_entropy), routines=[], select=None
    )
    assert done(run(given, tmp_path / "run")).last.index == 3


def test_a_cadence_by_seconds_follows_the_clock(tmp_path: Path) -> None:
    ticks = itertools.count()
    saving = Saving(epochs=None, seconds=1e9, keep_last=99, background=False)
    done(run(experiment(), tmp_path / "never", saving=saving))
    assert marks(tmp_path / "never" / "checkpoints") == [Mark(3, 18)]  # the end is saved anyway
    often = attrs.evolve(saving, seconds=1.0)
    done(run(experiment(), tmp_path / "often", saving=often, clock=lambda: float(next(ticks))))
    assert len(marks(tmp_path / "often" / "checkpoints")) == 9


def test_the_best_and_every_so_many_are_kept(tmp_path: Path) -> None:
    given = experiment(until=at_most(5), select=best("val/loss", mode="max"))
    whole = done(run(given, tmp_path / "run", saving=Saving(keep_last=1, keep_every=3)))
    kept = {mark.epoch for mark in marks(tmp_path / "run" / "checkpoints")}
    assert kept == {whole.answers["selected"].index, 3, 5}


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"keep_last": 0}, {"steps": 1.5}, {"epochs": True}]
)
def test_impossible_savings_are_refused(options: Any) -> None:
    with pytest.raises(DataError, match=r"counts from 1; got \w+=.*; give 1 or more"):
        Saving(**options)
    with pytest.raises(DataError, match=r"a time is positive; got seconds=0; give more"):
        Saving(seconds=0)


def test_resuming_is_composed_with_beginning(tmp_path: Path) -> None:
    given = experiment()
    for _ in range(2):
        outcome = resume(given, tmp_path / "run").lash(
            lambda why: run(given, tmp_path / "run") if isinstance(why, Missing) else IOFailure(why)
        )
        assert left(done(outcome)) == left(given.fit())


def test_the_journal_is_readable_by_anybody(tmp_path: Path) -> None:
    done(run(experiment(), tmp_path / "run"))
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    records = [json.loads(line)["record"] for line in lines]
    assert [r["kind"] for r in records] == ["epoch", "epoch", "epoch", "stop"]
    assert set(records[0]) == {"kind", "epoch", "step", "scores", "artifacts", "seconds"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": {"val": loader(4, 4)}}, DataError, r"data to train on; got data of val; pass"),
        ({"data": loader(4, 4)}, DataError, r"data to train on; got Loader"),
        ({"routines": [len]}, DataError, r"a tuple of Routine; got builtin_function_or_method"),
        (
            {"data": {"train": loader(4, 4)}},
            DataError,
            r"'val' needs data of that split; got data of",
        ),
        ({"until": 3}, FoldError, r"when a stopper says so; got until=int"),
        ({"select": 3}, FoldError, r"selected is a fold over epochs; got int"),
        ({"folds": {"history": best("val/loss")}}, FoldError, r"not called 'history'"),
        ({"optimizer_": 1}, OptimError, r"several optimizers need a step"),
    ],
)
def test_an_impossible_experiment_is_refused(changes: Any, error: Any, message: str) -> None:
    if "optimizer_" in changes:
        given = experiment()
        with pytest.raises(error, match=message):
            attrs.evolve(given, optimizer={"a": optim.sgd(0.1)})
        return
    with pytest.raises(error, match=message):
        experiment(**changes)

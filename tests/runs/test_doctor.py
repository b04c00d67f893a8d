"""Doctor: it names what is wrong, where, and the cure; and leaves the healthy alone."""

import re
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from artifact_fn import tree
from artifact_fn.data import Loader, Table
from artifact_fn.folds import at_most
from artifact_fn.optim import sgd
from artifact_fn.runs.doctor import Diagnosis, doctor
from artifact_fn.training import Experiment, compiled, functional, sequence, supervised, train_step
from tests.runs import examples
from tests.runs.patients import PATIENTS, Net, experiment
from tests.training.examples import columns


@pytest.mark.parametrize("name", PATIENTS)
def test_each_fault_is_named_with_its_place_and_cure(name: str) -> None:
    build, kind, said, cure = PATIENTS[name]
    found = doctor(build(), steps=20)
    kinds = {finding.kind for finding in found.findings}
    assert kinds == {kind}, found.findings
    (first, *_) = found.findings
    assert re.search(said, str(first)), str(first)
    assert re.search(cure, first.do), first.do
    assert not found.well


@pytest.mark.parametrize("make", [experiment, examples.experiment])
def test_the_healthy_are_well(make: Any) -> None:
    found = doctor(make())
    assert found.well, found.findings
    assert not found.skipped
    assert found.measured["overfit last loss"] < found.measured["overfit first loss"]
    assert found.measured["eager steps a second"] > 1
    assert found.measured["state bytes"] > 100
    assert found.measured["peak memory bytes"] > 1e6


def test_nothing_is_changed_by_looking() -> None:
    patient = examples.experiment()
    before = tree.digest(patient.state())
    numpy, python = repr(np.random.get_state()), torch.get_rng_state()
    doctor(patient, steps=3)
    assert tree.digest(patient.state()) == before
    assert repr(np.random.get_state()) == numpy
    assert torch.equal(torch.get_rng_state(), python)
    assert tree.identical(patient.fit().last.state, examples.experiment().fit().last.state)


def test_a_compiled_step_is_timed() -> None:
    found = doctor(experiment(wrap=compiled), steps=5)
    assert found.well, found.findings
    assert found.measured["compile seconds"] > 0
    assert found.measured["compiled steps a second"] > 1


def test_a_graph_break_is_named_with_its_cause() -> None:
    class Uncompilable(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.compiler.is_dynamo_compiling():
                torch._dynamo.graph_break()
            elif torch.compiler.is_compiling():
                raise ValueError("not in a graph")
            return super().forward(x)

    found = doctor(experiment(Uncompilable, wrap=compiled), steps=5)
    assert [finding.kind for finding in found.findings] == ["graph break"], found
    assert "test_doctor.py" in found.findings[0].got
    assert found.measured["eager steps a second"] > 1


def test_compiling_can_be_left_out_and_waits_for_a_cure() -> None:
    assert doctor(experiment(wrap=compiled), compile=False, steps=2).skipped == (
        "compiling: not asked for",
    )
    build = PATIENTS["a parameter without gradient"][0]
    found = doctor(attrs.evolve(build(), wrap=compiled), steps=2)
    assert found.skipped == ("compiling: mend what was found first",)


def test_another_shape_of_batch_is_noted() -> None:
    found = doctor(examples.experiment(), steps=2)  # 22 rows in batches of 4
    assert [note.split(";")[0] for note in found.notes] == [
        "one more compile: 'x' comes as [2, 4] and [4, 4]"
    ]
    many = {"train": Loader(Table(columns(1001)), 4)}
    assert len(doctor(attrs.evolve(experiment(), data=many), steps=2).notes) == 1


def test_a_loss_that_does_not_fall() -> None:
    found = doctor(experiment(optimizer=sgd(0.0)), steps=8)
    assert [finding.kind for finding in found.findings] == ["no progress"]
    assert "does not fall in 8 steps" in found.findings[0].what


def test_a_write_into_the_batch() -> None:
    class Writing(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.mul_(2.0))

    found = doctor(experiment(Writing))
    assert [finding.kind for finding in found.findings] == ["mutated input"]
    assert "x.mul_(2.0)" in found.findings[0].got
    assert found.skipped == ("everything after that",)


def test_an_exception_of_the_users_own() -> None:
    found = doctor(experiment(lambda: nn.Linear(5, 3)))
    assert [finding.kind for finding in found.findings] == ["exception"]
    assert "RuntimeError: mat1 and mat2" in found.findings[0].got


def test_targets_of_another_dtype_are_told_where_nothing_breaks() -> None:
    data = {"x": columns(32)["x"], "y": columns(32)["x"].double()[:, :3]}
    found = doctor(experiment(loss=F.mse_loss, data=data), steps=5)
    assert [finding.kind for finding in found.findings] == ["dtype"]
    assert "'y' is float64" in found.findings[0].what


def test_a_step_of_several_optimizers() -> None:
    model = functional(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)))
    objective = supervised(model, F.cross_entropy)
    both = {"a": sgd(0.1), "b": sgd(0.1)}
    step = sequence(
        *(train_step(objective, both[name], name=name, only=only) for name, only in ONLY)
    )
    patient = Experiment(
        model=model, objective=objective, optimizer=both, step=step, only=dict(ONLY),
        data={"train": Loader(Table(columns(32)), 8)}, until=at_most(1), wrap=lambda step: step,
    )  # fmt: skip
    found = doctor(patient, steps=10)
    assert found.well, found.findings


ONLY = (("a", "0/*"), ("b", "1/*"))


def test_a_diagnosis_of_nothing() -> None:
    assert Diagnosis().well


def test_the_examples_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    options: dict[str, dict[str, Any]] = {
        "binary_classification": {"compiled": False},
        "resume": {"epochs": 4, "compiled": False},
        "tracking": {},
    }
    for name, given in options.items():
        patient = __import__(name).experiment(**given)
        found = doctor(patient, steps=20)
        assert found.well, (name, found.findings)
        assert not found.notes
        sys.modules.pop(name)

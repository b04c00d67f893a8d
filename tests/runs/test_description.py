"""Descriptions: the same for the same experiment, other for another, and never by accident."""

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from artifact_fn import optim
from artifact_fn.errors import ArtifactFnError
from artifact_fn.folds import at_most, best, patience
from artifact_fn.runs import Changed
from artifact_fn.runs.compared import compared
from artifact_fn.runs.description import describe, differences
from artifact_fn.training import eager, functional
from tests.runs.examples import experiment
from tests.training.examples import loader, parts

SCALE = 2.0


def scaled(x: Any) -> Any:
    """Reads a value of its module."""
    return SCALE * x


def same(x: Any) -> Any:
    return x


def documented(x: Any) -> Any:
    """The same, said differently."""
    return x


def test_the_same_experiment_is_described_the_same_in_every_process() -> None:
    program = (
        "import json; from tests.runs.examples import experiment; "
        "from artifact_fn.runs.description import describe; print(json.dumps(describe(experiment())))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent.parent.parent,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "PATH": "/usr/bin"},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1
    assert differences(describe(experiment()), describe(experiment())) == {}


CHANGES: list[dict[str, Any]] = [
    {"seed": 1},
    {"chunk": 3},
    {"optimizer": optim.adamw(1e-3)},
    {"optimizer": optim.sgd(1e-2)},
    {"until": at_most(4)},
    {"until": at_most(3) | patience("val/loss", 2)},
    {"select": best("val/loss", mode="max")},
    {"select": None},
    {"routines": []},
    {"data": {"train": loader(22, 4, shuffle=False), "val": loader(10, 4)}},
    {"data": {"train": loader(22, 5), "val": loader(10, 4)}},
    {"data": {"train": loader(22, 4), "val": loader(11, 4)}},
    {"model": functional(lambda: nn.Linear(4, 3))},
    {"folds": {"low": best("train/loss")}},
    {"wrap": functools.partial(eager)},
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_change_is_found_in_its_field(changes: dict[str, Any]) -> None:
    field = next(iter(changes))
    found = differences(describe(experiment()), describe(attrs.evolve(experiment(), **changes)))
    assert {path.split(".")[0].split("[")[0] for path in found} >= {field}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (torch.ones(2), torch.ones(2), True),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), False),
        (np.ones(2), np.ones(3), False),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}), True),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), False),
        (frozenset("ab"), frozenset("ba"), True),
        (torch.float32, torch.float64, False),
        (Path("/a"), Path("/b"), True),
        (object(), object(), True),
        (functools.partial(same, 1), functools.partial(same, 2), False),
        (lambda x: x + 1, lambda x: x + 1, True),
        (lambda x: x + 1, lambda x: x + 2, False),
        (lambda x: [y for y in x if y], lambda x: [y for y in x if not y], False),
        ([1, 2], (1, 2), True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (float("nan"), float("nan"), True),
    ],
)
def test_what_is_equal_is_described_so(one: Any, other: Any, *, equal: bool) -> None:
    assert (describe(one) == describe(other)) == equal


def test_a_change_of_one_field_does_not_show_in_another() -> None:
    given = experiment(folds={"low": best("val/loss")})
    for other in (
        attrs.evolve(given, until=patience("val/loss", 2)),
        attrs.evolve(given, select=None),
        attrs.evolve(given, objective=parts().objective),
    ):
        found = differences(describe(given), describe(other))
        assert len({path.split(".")[0].split("[")[0] for path in found}) <= 1


def test_a_docstring_is_no_change_and_a_value_of_the_module_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert describe(same)[""].split()[1] == describe(documented)[""].split()[1]
    before = describe(scaled)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    assert list(differences(before, describe(scaled))) == [".SCALE"]


def test_what_is_met_again_is_told_by_its_first_place() -> None:
    shared = [1.0]
    ring: list[Any] = [shared, shared]
    ring.append(ring)
    assert describe(ring)["[1]"] == "as [0]"
    assert describe(ring)["[2]"] == "as it"


def test_other_versions_are_strict_about_data_and_seed_alone() -> None:
    now = describe(experiment())
    bits = {"python": "3.11.7", "torch": "2.13.0", "threads": 1}
    then = {"environment": {"bits": bits}, "experiment": now}
    newer = {**bits, "python": "3.12.1"}
    other = {**now, "objective": "built otherwise"}
    with pytest.raises(Changed, match=r"objective: .* then, built otherwise now"):
        compared(then, other, bits, ())
    found = compared(then, other, newer, ())
    assert found.told == (
        "python 3.11.7 then, 3.12.1 now",
        "objective built otherwise by these versions",
    )
    with pytest.raises(Changed, match="seed: 0 then, 1 now"):
        compared(then, {**now, "seed": "1"}, newer, ())
    assert compared(then, other, bits, {"objective"}).fields == {"objective"}
    assert issubclass(Changed, ArtifactFnError)

"""A power cut after any call: what was acknowledged is there, and nothing else is taken for it."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from artifact_fn.runs import Damaged
from artifact_fn.runs.storage import checkpoint, journal
from tests.faults.conftest import ROOT
from tests.faults.power import states

MIXTURES = ((True, False), (False, False), (False, True), (True, True))
"""Whether names, and bytes, are there that were not synced."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    above = tmp_path_factory.mktemp("traced")
    found = subprocess.run(
        [sys.executable, "-m", "tests.faults.power", str(above / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout), above


def lost(told: list[Any], above: Path, root: Path) -> list[str]:
    """After each call, and for each mixture: what was acknowledged and is not there."""
    found = []
    for i, disk, mark, records in states(told, above):
        for names, data in MIXTURES:
            at = root / "disk"
            disk.left(at, names=names, data=data)
            name = f"after call {i} {told[i][:2]}, names {names}, bytes {data}"
            try:
                newest, _ = checkpoint.newest(at / "run" / "checkpoints")
                read = journal.read(at / "run" / "journal.jsonl")
            except Damaged as fault:
                found.append(f"{name}: {fault}")
            else:
                if mark is not None and (newest is None or newest[0].name < mark):
                    found.append(f"{name}: {mark} is lost")
                if len(read.records) < records:
                    found.append(f"{name}: {records - len(read.records)} records are lost")
            shutil.rmtree(at)
    return found


def test_a_power_cut_loses_nothing_that_was_acknowledged(
    told: tuple[list[Any], Path], root: Path
) -> None:
    calls, above = told
    assert sum(call[0] == "saved" for call in calls) >= 9
    assert lost(calls, above, root) == []


@pytest.mark.parametrize("kind", ["files", "directories"])
def test_the_replay_notices_what_is_not_synced(
    kind: str, told: tuple[list[Any], Path], root: Path
) -> None:
    """The broken builds: without fsync of files, and without fsync of directories."""
    calls, above = told
    folders = {call[1] for call in calls if call[0] == "mkdir"} | {str(above)}
    broken = [
        call for call in calls if call[0] != "fsync" or (call[1] in folders) == (kind == "files")
    ]
    assert len(broken) < len(calls)
    assert lost(broken, above, root)


def test_what_a_power_cut_leaves_is_taken_up(
    told: tuple[list[Any], Path], root: Path, server: Any
) -> None:
    calls, above = told
    expected = server(root / "whole")["told"]
    warnings.simplefilter("ignore")
    last = len(calls)
    for i, disk, _, _ in states(calls, above):
        if i % (last // 4) != last // 8:
            continue
        for names, data in MIXTURES[:2]:
            at = root / f"{i}-{names}-{data}"
            disk.left(at, names=names, data=data)
            found = server(at / "run")["told"]
            assert found["left"] == expected["left"]
            assert found["story"] == expected["story"]

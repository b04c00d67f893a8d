"""Start: the page of the first five minutes: its programs, and its commands run in order."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from returns.unsafe import unsafe_perform_io

import artifact_fn as af
from artifact_fn.training import eager

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "start.md"
BLOCK = re.compile(r"^```(python|console)(?: title=\"(.+?)\")?\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"-?[\d,]*\d(?:\.\d+)?(?:e[+-]?\d+)?")
INSTALLING = ("git clone", "python3.11 -m venv", ". env/", "pip install")


def told(text: str) -> list[str]:
    """Lines of output; what is measured differs by machine, so a number is any number."""
    return [NUMBER.sub("#", line).rstrip() for line in text.strip().splitlines()]


def followed(directory: Path, before: str, environment: dict[str, str]) -> None:
    """Write each file and run each command where the page has it, and compare what is said."""
    for kind, title, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            assert title, "a program on this page is a file"
            (directory / title).write_text(body, encoding="utf-8")
            continue
        for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
            command, _, expected = part.partition("\n")
            if before and command.startswith(INSTALLING):
                continue
            found = subprocess.run(
                ["bash", "-c", f"set -e; {before or activated(directory)} {command}"],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
            if expected.strip():
                assert told(found.stdout) == told(expected), command
    assert (directory / "runs" / "report.html").stat().st_size > 10_000


def activated(directory: Path) -> str:
    made = (directory / "env" / "bin" / "activate").exists()
    return ". env/bin/activate;" if made else ""


def test_the_programs_of_the_page_train(tmp_path: Path) -> None:
    """Step by step in Python: as they stand they are run by the campaign."""
    pytest.importorskip("sklearn")
    first, workflow = (body for _, title, body in BLOCK.findall(PAGE.read_text("utf-8")) if title)
    names: dict[str, Any] = {"__name__": "first"}
    assert first.count("af.compiled(") == 1
    exec(first.replace("af.compiled(", "("), names)
    assert names["best"].scores["val/accuracy"] > 0.95
    names = {"__name__": "workflow"}
    exec(workflow, names)
    experiment = attrs.evolve(names["experiment"](), wrap=eager, until=af.at_most(3))
    ended = unsafe_perform_io(af.run(experiment, tmp_path / "slow").unwrap())
    assert ended.last.scores["val/accuracy"] > 0.9


@pytest.mark.campaign
def test_the_commands_work_in_order(tmp_path: Path) -> None:
    """All but the installation, with the package that is tested here."""
    pytest.importorskip("cyclopts")
    pytest.importorskip("sklearn")
    ours = f'artifact-fn() {{ {sys.executable} -m artifact_fn.cli "$@"; }}; '
    ours += f'python() {{ {sys.executable} "$@"; }};'
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    followed(tmp_path, ours, {**os.environ, "PYTHONPATH": path})


@pytest.mark.campaign
def test_the_commands_work_from_nothing(tmp_path: Path) -> None:
    """In an empty directory and a fresh environment, from a clone."""
    given = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    followed(tmp_path, "", {**given, "REPOSITORY": str(ROOT)})

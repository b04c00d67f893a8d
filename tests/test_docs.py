"""Docs: every program in README and docs runs, every relative link leads somewhere."""

import functools
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bench.environments import python

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "api").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
THERE = re.compile(
    r"^```python title=\"(plain|lightning|optax|artifact-torch)\"\n(.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


PEERS = ["from_plain_loop", "from_lightning", "from_artifact_torch", "from_optax"]


@functools.cache
def run(page: Path) -> dict[str, Any]:
    """The names left by all programs of a page, run in one module."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], page, "exec"), names)
    return names


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_the_programs_of_a_page_run(page: Path) -> None:
    run(page)


def test_the_readme_trains() -> None:
    names = run(ROOT / "README.md")
    history = names["run"].answers["history"]
    assert list(history.columns) == [
        "train/loss", "train/accuracy", "train/lr", "train/grad_norm", "val/loss", "val/accuracy",
    ]  # fmt: skip
    assert history["val/loss"].min() < 0.15
    assert names["run"].answers["best"].scores["val/loss"] == history["val/loss"].min()
    assert names["run"].stop.reason


@pytest.mark.parametrize("page", [*PAGES, *REFERENCE], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PEERS)
def test_their_program_learns_what_ours_does(page: str, tmp_path: Path) -> None:
    path = ROOT / "docs" / f"{page}.md"
    (name, program), *others = THERE.findall(path.read_text(encoding="utf-8"))
    assert not others
    interpreter = python({"optax": "jax-jit"}.get(name, name))
    if interpreter is None:
        pytest.skip(f"{name} is not installed: python -m tests.bench setup")
    found = subprocess.run(
        [interpreter, "-c", f"{program}\nprint(accuracy)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    if "No module named 'flax'" in found.stderr:
        pytest.skip("flax is not installed: python -m tests.bench setup")
    assert found.returncode == 0, found.stderr
    theirs = float(found.stdout.splitlines()[-1])
    assert min(theirs, run(path)["accuracy"]) > 0.85

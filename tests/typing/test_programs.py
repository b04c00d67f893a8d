"""Programs: what mypy and pyright accept runs, what cannot work they refuse, and they agree."""

import importlib
import math
import re
from pathlib import Path

import pytest

from tests.typing.checkers import PROGRAMS, ROOT, Said, check, expected, faults

ACCEPTED = sorted((PROGRAMS / "accepted").glob("[!_]*.py"))
REFUSED = sorted((PROGRAMS / "refused").glob("[!_]*.py"))
BROKEN = sorted((PROGRAMS / "broken").glob("[!_]*.py"))
WORLD = PROGRAMS / "world.py"


@pytest.fixture(scope="module")
def said() -> list[Said]:
    return check([WORLD, *ACCEPTED, *REFUSED, *BROKEN])


def test_there_are_enough_of_both() -> None:
    assert len(ACCEPTED) + len(REFUSED) >= 25
    assert len(REFUSED) >= (len(ACCEPTED) + len(REFUSED)) / 2


@pytest.mark.parametrize("program", [WORLD, *ACCEPTED], ids=lambda path: path.stem)
def test_both_accept_it_and_infer_its_types(program: Path, said: list[Said]) -> None:
    assert not expected(program)
    assert faults(program, said) == []
    # Where the types are inferred, no Any hides in them.
    assert not [one for one in said if one.path == program and "Any" in (one.reveals or "")]


@pytest.mark.parametrize("program", REFUSED, ids=lambda path: path.stem)
def test_both_refuse_it(program: Path, said: list[Said]) -> None:
    assert expected(program)
    assert faults(program, said) == []


@pytest.mark.parametrize("program", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_trains(program: Path) -> None:
    module = importlib.import_module(f"tests.typing.programs.accepted.{program.stem}")
    assert module.SCORES
    assert all(math.isfinite(score) for score in module.SCORES.values())


def test_the_messages_that_the_docs_show_are_mypys(said: list[Said]) -> None:
    page = (ROOT / "docs" / "typed_contracts.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```text\nerror: (.+?)^```$", page, re.MULTILINE | re.DOTALL)
    told = {" ".join(one.message.split()) for one in said if one.checker == "mypy"}
    assert len(shown) == 3
    assert {" ".join(message.split()) for message in shown} <= told


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("is_accepted", 'line 8: pyright does not say Argument 1 to "minimise"'),
        ("is_refused", 'line 6: mypy says Argument 1 to "minimise" of "Pairing"'),
        ("says_another_message", 'line 8: mypy does not say Argument 2 to "minimise"'),
        ("leaks_any", "line 10: {'mypy': 'Model[Any, Any, Any]', 'pyright'"),
    ],
)
def test_a_program_that_expects_what_is_not_so_is_noticed(
    program: str, fault: str, said: list[Said]
) -> None:
    """`programs/broken` holds them: without this test, a harness that sees nothing would pass."""
    found = faults(PROGRAMS / "broken" / f"{program}.py", said)
    assert any(fault in one for one in found), found

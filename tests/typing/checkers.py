"""Checkers: what mypy and pyright say of many programs, each asked once.

A program says in comments what it expects. `# error: text` on a line of its own: both checkers
refuse the statement below it, mypy with this text. `# error (mypy): text`: only mypy does.
`# reveals: type` after a `reveal_type`: both infer this type. Whatever else they report is a fault.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import attrs

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = Path(__file__).parent / "programs"

Checker = Literal["mypy", "pyright"]
_ERROR = re.compile(r"^\s*# error( \(mypy\))?: (.+)$")
_REVEALS = re.compile(r"reveal_type\(.*# reveals: (.+)$")
_LINE = re.compile(r"^(.+?):(\d+): (error|note): (.*)$")


@attrs.frozen
class Said:
    """One message of a checker; `reveals` is set where it tells a type and no error."""

    checker: Checker
    path: Path
    line: int
    message: str
    reveals: str | None = None


@attrs.frozen
class Expected:
    """What a comment expects of the lines from `first` to `last`."""

    first: int
    last: int
    message: str
    checkers: tuple[Checker, ...]


def check(paths: Sequence[Path]) -> list[Said]:
    """What both checkers say of the programs; they run side by side."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context"]
    pyright = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    config = Path(__file__).parent / "pyrightconfig.json"
    commands = [[*mypy, *map(str, paths)], [*pyright, "--project", str(config)]]
    running = [
        subprocess.Popen(c, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for c in commands
    ]
    (told, wrong), (report, trouble) = [process.communicate(timeout=300) for process in running]
    # 0: nothing found, 1: something found; anything else is a checker that did not run.
    assert running[0].returncode in (0, 1), wrong
    assert running[1].returncode in (0, 1), trouble
    wanted = set(paths)
    said = [*_of_mypy(told), *_of_pyright(report)]
    return [one for one in said if one.path in wanted]


def _of_mypy(text: str) -> Iterable[Said]:
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        path, at, message = (ROOT / found[1]).resolve(), int(found[2]), found[4]
        if message.startswith("Revealed type is "):
            yield Said("mypy", path, at, message, _short(message.split('"')[1]))
        elif found[3] == "error":
            yield Said("mypy", path, at, message)


def _of_pyright(report: str) -> Iterable[Said]:
    for found in json.loads(report)["generalDiagnostics"]:
        path, at = Path(found["file"]).resolve(), found["range"]["start"]["line"] + 1
        revealed = re.match(r'Type of ".*" is "(.+)"$', found["message"])
        if found["severity"] == "information" and revealed:
            yield Said("pyright", path, at, found["message"], revealed[1])
        elif found["severity"] == "error":
            yield Said("pyright", path, at, found["message"])


def _short(revealed: str) -> str:
    """mypy's name of a type as pyright writes it."""
    text = re.sub(r"TypedDict\(([\w.]+), \{[^{}]*\}\)", r"\1", revealed)
    return re.sub(r"[\w.]+\.(\w+)", r"\1", text.removeprefix("def "))


def expected(path: Path) -> list[Expected]:
    """The errors that a program's comments expect, with the lines of the statements below them."""
    text = path.read_text(encoding="utf-8")
    statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    ends = {node.lineno: node.end_lineno or node.lineno for node in statements}
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        comment = _ERROR.match(line)
        if comment:
            asked: tuple[Checker, ...] = ("mypy",) if comment[1] else ("mypy", "pyright")
            found.append(Expected(number + 1, ends[number + 1], comment[2], asked))
    return found


def faults(path: Path, said: Iterable[Said]) -> list[str]:
    """Where the checkers say something else of a program than it expects; none is right."""
    mine = [one for one in said if one.path == path]
    errors = [one for one in mine if one.reveals is None]
    wanted = expected(path)
    wrong = [
        f"line {one.line}: {one.checker} says {one.message}"
        for one in errors
        if not any(w.first <= one.line <= w.last and one.checker in w.checkers for w in wanted)
    ]
    for want in wanted:
        for checker in want.checkers:
            here = [e for e in errors if e.checker == checker and want.first <= e.line <= want.last]
            if checker == "mypy":
                here = [e for e in here if want.message in e.message]
            if not here:
                wrong.append(f"line {want.first}: {checker} does not say {want.message}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        reveals = _REVEALS.search(line)
        told = {one.checker: one.reveals for one in mine if one.line == number and one.reveals}
        if reveals and told != {"mypy": reveals[1], "pyright": reveals[1]}:
            wrong.append(f"line {number}: {told} is not {reveals[1]}")
    return wrong

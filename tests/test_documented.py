"""Documented: what the reference shows says what it takes, what it refuses, and how it is used."""

import ast
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).parent.parent
SHOWN = re.compile(r"^::: ([\w.]+)$", re.M)

ELSEWHERE = {
    "artifact_fn.validation.artifact_core.artifact": "asks artifact-core: docs/validation.md",
    "artifact_fn.validation.artifact_core.of_labels": "asks artifact-core: docs/validation.md",
    "artifact_fn.validation.artifact_core.of_tables": "asks artifact-core: docs/validation.md",
    "artifact_fn.validation.artifact_core.Resources": "asks artifact-core: docs/validation.md",
    "artifact_fn.runs.sweeps.sweep.sweep": "starts a cluster: docs/sweeps.md",
    "artifact_fn.runs.sweeps.sweep.resume_sweep": "starts a cluster: docs/sweeps.md",
    "artifact_fn.runs.sweeps.swept.load_sweep": "reads what a cluster has written",
    "artifact_fn.runs.trackers.mlflow_files.load_weights": "asks MLflow: docs/tracking.md",
    "artifact_fn.runs.trackers.mlflow_sweep.sweep_run": "asks MLflow: docs/tracking.md",
}
"""Names whose example needs more than this package, and where there is one."""


def public() -> Iterator[tuple[str, Any]]:
    """Functions and classes that the reference shows, each once, where they are defined."""
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    modules = {name for page in pages for name in SHOWN.findall(page.read_text(encoding="utf-8"))}
    seen: dict[str, Any] = {}
    for name in sorted(modules):
        module = importlib.import_module(name)
        for part in getattr(module, "__all__", vars(module)):
            value = getattr(module, part)
            home = str(getattr(value, "__module__", ""))
            # Without `__all__`, what a module has imported is not its own.
            own = home.startswith("artifact_fn") if hasattr(module, "__all__") else home == name
            if (
                own
                and not part.startswith("_")
                and inspect.isroutine(value) | inspect.isclass(value)
            ):
                seen[f"{home}.{value.__qualname__}"] = value
    yield from seen.items()


PUBLIC = dict(public())
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
ERRORS = {name: value for name, value in CLASSES.items() if issubclass(value, BaseException)}
RECORDS = {name: value for name, value in PUBLIC.items() if attrs.has(value)}


@functools.cache
def told(name: str) -> str:
    """A docstring without its example."""
    return (inspect.getdoc(PUBLIC[name]) or "").split("Example:")[0]


def has_example(name: str) -> bool:
    """Whether its own docstring has one that runs; that of a class above it does not count."""
    return ">>>" in (PUBLIC[name].__doc__ or "")


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - ERRORS.keys()))
def test_what_is_public_has_an_example(name: str) -> None:
    assert has_example(name) != (name in ELSEWHERE)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_an_example_or_is_named_where_it_is_met(name: str) -> None:
    error = rf"\b{ERRORS[name].__name__}\b"
    assert has_example(name) or any(re.search(error, told(function)) for function in FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_names_its_arguments(name: str) -> None:
    text = told(name)
    missing = [
        argument
        for argument in inspect.signature(PUBLIC[name]).parameters
        if not re.search(rf"\b{argument}\b", text)
    ]
    # What a function of one argument takes is said by its name and its first line.
    assert not missing or len(inspect.signature(PUBLIC[name]).parameters) == 1, missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_names_the_errors_that_it_raises(name: str) -> None:
    source = textwrap.dedent(inspect.getsource(PUBLIC[name]))
    raised = {
        node.exc.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and not node.exc.func.id.startswith("_")
    }
    # An assertion that fails is a mistake of ours.
    assert not {error for error in raised - {"AssertionError"} if error not in told(name)}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_tells_its_fields(name: str) -> None:
    text = told(name)
    fields = [field.name for field in attrs.fields(RECORDS[name]) if not field.name.startswith("_")]
    assert not [field for field in fields if not re.search(rf"\b{field}\b", text)]


def test_there_are_as_many_as_there_seem_to_be() -> None:
    assert len(FUNCTIONS) > 150
    assert len(RECORDS) > 40
    assert len(CLASSES) > 100
    assert len(ERRORS) > 30
    assert ELSEWHERE.keys() <= PUBLIC.keys() - ERRORS.keys()

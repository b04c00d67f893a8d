"""The door: what is public is typed, documented and found."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import artifact_fn

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(artifact_fn.__path__, "artifact_fn.")
]


def test_the_door_holds_the_names_of_the_two_programs() -> None:
    root = Path(__file__).parent.parent
    names = ["README.md", "docs/typed_contracts.md", "docs/runs.md", "docs/diagnostics.md"]
    pages = [root / name for name in names]
    programs = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name in artifact_fn.__all__:
        assert hasattr(artifact_fn, name)
    used = {n for n in artifact_fn.__all__ if f"af.{n}" in programs}
    assert set(artifact_fn.__all__) - used == set()


def test_the_package_is_typed() -> None:
    assert (Path(artifact_fn.__path__[0]) / "py.typed").exists()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_everything_public_is_documented(module: ModuleType) -> None:
    assert module.__doc__
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name

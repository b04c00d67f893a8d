"""Docstrings: what the reference is told about ours, without importing anything."""

from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """What griffe would read otherwise."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """An example stands under `Example:`, which griffe knows as `Examples:`."""
        if obj.docstring is not None:
            lines = obj.docstring.value.splitlines()
            lines = ["Examples:" if line == "Example:" else line for line in lines]
            obj.docstring.value = "\n".join(lines)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Where a module and what it is named after meet in a package, the latter is shown.

        `training.compiled` is a function to everybody who imports it; griffe knows the module.
        """
        for module in list(_packages(pkg)):
            for name in map(str, module.exports or ()):
                home, _, own = module.imports.get(name, "").rpartition(".")
                if isinstance(module.members.get(name), griffe.Module) and home != module.path:
                    shown = griffe.Alias(name, pkg[home.removeprefix("artifact_fn.")][own])
                    shown.parent = module
                    module.members[f"{name} itself"] = shown


def _packages(module: griffe.Module) -> Any:
    yield module
    for member in list(module.members.values()):
        if isinstance(member, griffe.Module):
            yield from _packages(member)

"""Target: an experiment named on a command line, `module:name`, with what is set about it."""

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from artifact_fn.data import Loader, Table, place
from artifact_fn.errors import CommandError
from artifact_fn.folds.stopping import at_most
from artifact_fn.training.experiment import Experiment


@attrs.frozen
class Target:
    """What is to be run.

    Attributes:
        name: `module:name` or `file.py:name`; an experiment, or a function that makes one.
        settings: Each `name=value`: an argument of that function, or a field of the experiment
            by its path, e.g. `seed=1` or `data.train.batch_size=32`.
        epochs: At most so many; an argument `epochs` of the function if it has one.
        device: Where the state and tables go; an argument `device` likewise.
    """

    name: str
    settings: tuple[str, ...] = ()
    epochs: int | None = None
    device: str | None = None

    def experiment(self) -> Experiment:
        """The experiment.

        Raises:
            CommandError: there is none by that name, or something cannot be set.
        """
        found = _found(self.name)
        given = dict(_divided(setting) for setting in self.settings)
        chosen = {"epochs": self.epochs, "device": self.device}
        there = {*given, *(name for name, value in chosen.items() if value is not None)}
        known = {} if isinstance(found, Experiment) else _arguments(self.name, found, there)
        own = {name: given.pop(name) for name in list(given) if name in known}
        epochs, device = self.epochs, self.device
        if epochs is not None and "epochs" in known:
            own["epochs"], epochs = epochs, None
        if device is not None and "device" in known:
            own["device"], device = device, None
        made = found if isinstance(found, Experiment) else found(**own)
        if not isinstance(made, Experiment):
            raise CommandError(
                f"{self.name} is no experiment",
                got=f"{type(made).__name__}",
                do="name an Experiment, or a function that answers one",
            )
        for path, value in given.items():
            made = _with(made, path.split("."), value, path, [*known])
        if epochs is not None:
            made = attrs.evolve(made, until=at_most(epochs) | made.until)
        return made if device is None else _on(made, device)


def _found(name: str) -> Any:
    where, colon, attribute = name.partition(":")
    if not (where and colon and attribute):
        raise CommandError(
            "an experiment is named module:name", got=name, do="write e.g. my.workflow:experiment"
        )
    module = _module(where)
    if not hasattr(module, attribute):
        there = [key for key, value in vars(module).items() if isinstance(value, Experiment)]
        raise CommandError(
            f"{where} holds no {attribute!r}",
            got=f"experiments {', '.join(there)}" if there else "no experiment in it",
            do="name one of its experiments, or a function that makes one",
        )
    found = getattr(module, attribute)
    if isinstance(found, Experiment) or callable(found):
        return found
    raise CommandError(
        f"{name} is no experiment",
        got=type(found).__name__,
        do="name an Experiment, or a function that answers one",
    )


def _module(where: str) -> ModuleType:
    if where.endswith(".py"):
        return _of_file(Path(where))
    if os.getcwd() not in sys.path:  # as `python -m` does
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as missing:
        # One that it imports is its own business.
        if not f"{where}.".startswith(f"{missing.name}."):
            raise CommandError(
                f"{where} could not be imported",
                got=str(missing),
                do=f"install {missing.name}",
            ) from missing
        raise CommandError(
            f"there is no module {where}",
            got=f"{missing} in {os.getcwd()}",
            do="call this where the module can be imported, or name a file: path/to/it.py:name",
        ) from missing


def _of_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise CommandError(f"there is no file {path}", got="nothing there", do="check the path")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.absolute()))  # as `python path/to/it.py` does
    spec.loader.exec_module(module)
    return module


def _divided(setting: str) -> tuple[str, Any]:
    path, equals, text = setting.partition("=")
    if not (path and equals):
        raise CommandError("what is set is path=value", got=setting, do="write e.g. --set seed=1")
    try:
        return path, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return path, {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _arguments(name: str, function: Any, given: Collection[str]) -> Mapping[str, inspect.Parameter]:
    """The arguments of a function, by name.

    Raises:
        CommandError: it needs one that is not given.
    """
    known = inspect.signature(function).parameters
    needed = [
        key
        for key, parameter in known.items()
        if key not in given
        and parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if any(parameter.kind is parameter.POSITIONAL_ONLY for parameter in known.values()) or needed:
        raise CommandError(
            f"{name} cannot be called without arguments",
            got=f"{', '.join(needed or known)} to be given",
            do="set them with --set name=value, or give each a default",
        )
    return known


def _with(value: Any, path: Sequence[str], to: Any, whole: str, known: Sequence[str]) -> Any:
    """A value with another one somewhere inside it."""
    if not path:
        if isinstance(value, bool | int | float) and isinstance(to, bool | int | float):
            return type(value)(to) if type(value)(to) == to else to
        if type(value) is not type(to) and value is not None and to is not None:
            raise CommandError(
                f"{whole} is a {type(value).__name__}",
                got=f"{to!r}",
                do="give it a value of that kind; of anything else make a function's argument",
            )
        return to
    first, rest = path[0], path[1:]
    if isinstance(value, Mapping) and first in value:
        return {**value, first: _with(value[first], rest, to, whole, known)}
    fields = (
        {field.alias: field.name for field in attrs.fields(type(value)) if field.init}
        if (attrs.has(type(value)))
        else {}
    )
    if first in fields:
        inner = _with(getattr(value, fields[first]), rest, to, whole, known)
        return attrs.evolve(value, **{first: inner})
    inside = list(value) if isinstance(value, Mapping) else list(fields)
    raise CommandError(
        f"nothing can be set at {whole}",
        got=f"{first!r}, where there is {', '.join([*known, *map(str, inside)]) or 'nothing'}",
        do="set one of these; what functions close over is set by an argument of a function that "
        "makes the experiment",
    )


def _on(experiment: Experiment, device: str) -> Experiment:
    """An experiment with its state, and the tables of its loaders, on a device."""
    data = {
        split: attrs.evolve(source, table=place(source.table, device))
        if isinstance(source, Loader) and isinstance(source.table, Table)
        else source
        for split, source in experiment.data.items()
    }
    return attrs.evolve(experiment, device=device, data=data)

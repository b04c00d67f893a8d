"""Records: how the class of a saved record is found again, and the record made without it.

No constructor is called, and nothing is imported but modules of this package: a saved value is
data, whoever wrote it.
"""

import dataclasses
import enum
import importlib
import sys
from typing import Any

import attrs

from artifact_fn.errors import DataError


def fields_of(kind: type) -> tuple[str, ...] | None:
    """The fields of a record class, or None."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    return None


def rebuilt(name: str, values: dict[str, Any]) -> Any:
    """A record of a class by its name, `module:Class`, with these fields.

    Raises:
        DataError: the class is not known here, or has other fields.
    """
    kind = known(name)
    if set(fields_of(kind) or ()) != set(values):
        raise DataError(
            f"{name} has other fields than the one that was saved",
            got=f"{', '.join(values)}, for {', '.join(fields_of(kind) or ())}",
            do="read it with the version of the code that wrote it",
        )
    if issubclass(kind, tuple):
        return tuple.__new__(kind, [values[field] for field in fields_of(kind) or ()])
    # Without the constructor: it was called when the record was made, and may be anybody's code.
    record = object.__new__(kind)
    for field, value in values.items():
        object.__setattr__(record, field, value)
    return record


def known(name: str) -> Any:
    """The class of a name.

    Raises:
        DataError: no module that was imported has it.
    """
    found = find(name)
    if found is None:
        raise DataError(
            f"a saved value is a {name}, which is not known here",
            got="no such class in the modules imported so far",
            do=f"import {name.partition(':')[0]} before it is read",
        )
    return found


def find(name: str) -> Any:
    """A record's or enumeration's class among what is imported; of this package, any."""
    module, _, qualname = name.partition(":")
    if module.split(".")[0] == "artifact_fn" and module not in sys.modules:
        try:
            importlib.import_module(module)
        except ImportError:
            return None
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = None if found is None else vars(found).get(part)
    if isinstance(found, type) and (issubclass(found, enum.Enum) or fields_of(found) is not None):
        return found
    return None

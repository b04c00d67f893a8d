"""Extras: what to install where an optional package is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from artifact_fn.errors import ExtraError


@contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Around imports of optional packages: all of them are looked for first.

    Args:
        name: Of the extra of artifact-fn that brings them.
        packages: As they are imported.

    Raises:
        ExtraError: one is not installed. It is a ModuleNotFoundError too.

    Example:
        >>> with extra("validation", "math"):
        ...     import math
    """
    for package in packages:
        if find_spec(package) is None:
            error = ExtraError(
                f"this part needs the package {package}",
                got="none",
                do=f'pip install "artifact-fn[{name}]"',
            )
            error.name = package
            raise error
    yield

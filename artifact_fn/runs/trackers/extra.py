"""Extra: packages that are imported only by those who use them."""

import importlib
from typing import Any

from artifact_fn.runs.trackers.contract import TrackerError


def needed(module: str, extra: str) -> Any:
    """A module of an optional package.

    Args:
        module: To be imported.
        extra: Of artifact-fn, which installs it.

    Raises:
        TrackerError: it is not installed.

    Example:
        >>> needed("math", "maths").sqrt(4.0)
        2.0
    """
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        raise TrackerError(
            f"{module.split('.')[0]} cannot be imported",
            got=f"{type(cause).__name__}: {cause}",
            do=f"pip install 'artifact-fn[{extra}]'",
        ) from cause

"""Docstrings: what the reference is told about ours.

An example stands under `Example:`; griffe knows the section as `Examples:` and would read
the brackets of a doctest as links.
"""

from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Examples are examples."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for everything it has read."""
        if obj.docstring is not None:
            lines = obj.docstring.value.splitlines()
            lines = ["Examples:" if line == "Example:" else line for line in lines]
            obj.docstring.value = "\n".join(lines)

"""Comparison: whether two pytrees are the same, bit for bit, and where they are not."""

from typing import Any

import torch  # noqa: F401  (the examples read it)

from artifact_fn.content import content, outline, sha256
from artifact_fn.tree.pytrees import flatten, paths


def identical(a: Any, b: Any) -> bool:
    """Whether two trees `a` and `b` have the same structure and, bit for bit, the same leaves.

    Tensors must agree in dtype, shape and bytes (so NaN equals the same NaN and 0.0 differs
    from -0.0); other leaves in type and value.

    Example:
        >>> identical({"a": torch.tensor(float("nan"))}, {"a": torch.tensor(float("nan"))})
        True
    """
    ours, theirs = paths(a), paths(b)
    return (
        ours.keys() == theirs.keys()
        and outline(flatten(a)[1]) == outline(flatten(b)[1])
        and all(content(leaf) == content(theirs[path]) for path, leaf in ours.items())
    )


def digest(tree: Any) -> str:
    """SHA-256 (64 hex digits) over the structure, dtypes, shapes and bytes of a tree.

    The order in which a dict was filled does not count; where a tensor lives does not either.

    Raises:
        TreeError: a leaf is neither a tensor nor a str, int, float, bool, bytes or None.

    Example:
        >>> digest({"a": torch.zeros(2)}) == digest({"a": torch.zeros(2)})
        True
        >>> digest({"a": torch.zeros(2)}) == digest({"a": torch.zeros(2, 1)})
        False
    """
    found = sorted(paths(tree).items())
    parts = (part for path, leaf in found for part in (path.encode(), *content(leaf)))
    return sha256(outline(flatten(tree)[1]).encode(), parts)


def first_difference(a: Any, b: Any) -> str:
    """The first path at which two trees `a` and `b` differ, or their structure.

    Example:
        >>> first_difference({"w": torch.zeros(2)}, {"w": torch.ones(2)})
        'w...'
    """
    ours, theirs = paths(a), paths(b)
    if ours.keys() != theirs.keys():
        return f"{sorted(ours.keys() ^ theirs.keys())[0]} (only one of them has it)"
    return next((p or "it" for p in ours if not identical(ours[p], theirs[p])), "structure")

"""Tree: pytrees of tensors, their records, maps and digests.

A pytree is a tensor, or a dict, tuple, list, None or `node` record of pytrees. Everything a run
knows is one, which is why it can be mapped over devices, compared, hashed and saved by one
function each.
"""

from artifact_fn.tree.comparison import digest, first_difference, identical
from artifact_fn.tree.pytrees import (
    Spec,
    builder,
    flatten,
    leaves,
    map,
    map_records,
    node,
    paths,
    records,
    register,
    replace,
    unflatten,
)

__all__ = [
    "Spec",
    "builder",
    "digest",
    "first_difference",
    "flatten",
    "identical",
    "leaves",
    "map",
    "map_records",
    "node",
    "paths",
    "records",
    "register",
    "replace",
    "unflatten",
]

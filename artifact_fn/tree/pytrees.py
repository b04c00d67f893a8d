"""Pytrees: trees of tensors, their records, and maps of them.

A pytree is a tensor, or a dict, tuple, list, None or `node` record of pytrees. Everything a run
knows is one, which is why it can be mapped over devices, compared, hashed and saved by one
function each. The only module that touches torch's private pytree registry.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, dataclass_transform

import torch  # noqa: F401  (the examples read it)
from torch import Tensor  # noqa: F401  (the examples read it)
from torch.utils import _pytree

from artifact_fn.errors import TreeError

T = TypeVar("T")
N = TypeVar("N")

Spec = _pytree.TreeSpec
"""The structure of a pytree, without its leaves."""


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[T]) -> type[T]:
    """Make a class of annotated fields a frozen record that is a pytree of its fields.

    A stdlib dataclass rather than an attrs class, because its constructor can be traced by
    `torch.compile(fullgraph=True)` and attrs' cannot. Records compare by identity; use
    `identical` to compare values.

    Example:
        >>> @node
        ... class Point:
        ...     x: Tensor
        ...     y: Tensor
        >>> map(torch.neg, Point(torch.tensor(1), torch.tensor(2))).y
        tensor(-2)
    """
    record = dataclasses.dataclass(frozen=True, eq=False)(cls)
    register(record, [field.name for field in dataclasses.fields(record)])  # type: ignore[arg-type]
    return record


def register(cls: type, names: Iterable[str]) -> None:
    """Make a record class `cls` (attrs or dataclass) that exists a pytree of the fields `names`.

    Unflattening sets the fields without calling the constructor: construction validates,
    evolution does not.

    Example:
        >>> import attrs
        >>> @attrs.frozen
        ... class Pair:
        ...     a: int
        ...     b: int
        >>> register(Pair, ["a", "b"])
        >>> leaves(Pair(1, 2))
        [1, 2]
    """
    fields = tuple(names)

    def unflatten(values: Iterable[Any], _: Any) -> Any:
        return _build(cls, dict(zip(fields, values, strict=True)))

    _pytree.register_pytree_node(
        cls,
        lambda record: ([getattr(record, name) for name in fields], None),
        unflatten,
        serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        flatten_with_keys_fn=lambda record: (
            [(_pytree.GetAttrKey(name), getattr(record, name)) for name in fields],
            None,
        ),
    )


def _build(cls: type[N], values: dict[str, Any]) -> N:
    record = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(record, name, value)
    return record


def replace(record: N, /, **changes: Any) -> N:
    """A copy of a `node` record with `changes` of its fields; traceable by torch.compile.

    Raises:
        TreeError: a name is not a field of the record.

    Example:
        >>> @node
        ... class Pair:
        ...     a: Tensor
        ...     b: Tensor
        >>> replace(Pair(torch.tensor(1), torch.tensor(2)), b=torch.tensor(3)).b
        tensor(3)
    """
    names = [field.name for field in dataclasses.fields(record)]  # type: ignore[arg-type]
    for name in changes:
        if name not in names:
            raise TreeError(
                f"{type(record).__name__} has no field {name!r}",
                got=f"replace(..., {name}=...)",
                do=f"use one of {', '.join(names)}",
            )
    kept = {name: changes[name] if name in changes else getattr(record, name) for name in names}
    return _build(type(record), kept)


def map(
    function: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Apply `function` to each leaf of `tree` (and the leaves of `rest` at the same places).

    What `is_leaf` holds for is taken whole.

    Example:
        >>> map(torch.add, {"a": torch.tensor(1)}, {"a": torch.tensor(2)})
        {'a': tensor(3)}
    """
    return _pytree.tree_map(function, tree, *rest, is_leaf=is_leaf)


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in the order of `flatten`.

    Example:
        >>> leaves({"b": 1, "a": (2, 3)})
        [1, 2, 3]
    """
    return _pytree.tree_leaves(tree)


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """Split a tree into its leaves and its structure.

    Example:
        >>> values, spec = flatten({"b": 1, "a": (2, 3)})
        >>> values, unflatten(values, spec)
        ([1, 2, 3], {'b': 1, 'a': (2, 3)})
    """
    return _pytree.tree_flatten(tree)


def unflatten(values: Iterable[Any], spec: Spec) -> Any:
    """Undo `flatten`: a tree of the structure `spec`, from `values` as its leaves.

    Example:
        >>> unflatten([5, 6], flatten({"b": 1, "a": 2})[1])
        {'b': 5, 'a': 6}
    """
    return _pytree.tree_unflatten(values, spec)


def builder(spec: Spec) -> Callable[[Iterator[Any]], Any]:
    """`unflatten` for one structure `spec`, as functions that call each other.

    torch.compile traces them in a tenth of the time that it needs for `unflatten`.

    Example:
        >>> builder(flatten({"a": 1, "b": (2, 3)})[1])(iter([4, 5, 6]))
        {'a': 4, 'b': (5, 6)}
    """
    if spec.is_leaf():
        return next
    parts = [builder(child) for child in spec.children()]
    kind, names = spec.type, spec.context
    if kind is dict:
        return lambda leaves: {name: part(leaves) for name, part in zip(names, parts, strict=True)}
    if kind in (tuple, list):
        return lambda leaves: kind([part(leaves) for part in parts])
    fields = [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    if fields and len(fields) == len(parts):
        return lambda leaves: _build(
            kind, {name: part(leaves) for name, part in zip(fields, parts, strict=True)}
        )
    return lambda leaves: unflatten([next(leaves) for _ in range(spec.num_leaves)], spec)


def map_records(function: Callable[[N], Any], tree: Any, kind: type[N]) -> Any:
    """Apply `function` to each outermost record of a class `kind` in `tree`, and to nothing else.

    Example:
        >>> @node
        ... class Box:
        ...     x: Tensor
        >>> map_records(lambda box: box.x, {"a": Box(torch.tensor(1)), "b": (2,)}, Box)
        {'a': tensor(1), 'b': (2,)}
    """

    def taken(part: Any) -> Any:
        return function(part) if isinstance(part, kind) else part

    return _pytree.tree_map(taken, tree, is_leaf=lambda part: isinstance(part, kind))


def records(tree: Any, kind: type[N]) -> list[N]:
    """The outermost records in `tree` of a class `kind`, which is a `node` or registered.

    Example:
        >>> @node
        ... class Point:
        ...     x: Any
        >>> records({"a": Point(1), "b": [2, Point(3)]}, Point)
        [...Point(x=1), ...Point(x=3)]
    """
    found = _pytree.tree_leaves(tree, is_leaf=lambda part: isinstance(part, kind))
    return [part for part in found if isinstance(part, kind)]


def paths(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their path, e.g. `params/0.weight` or `opt_state/0/count`.

    Example:
        >>> list(paths({"a": torch.tensor(1), "b": (torch.tensor(2), torch.tensor(3))}))
        ['a', 'b/0', 'b/1']
    """
    found, _ = _pytree.tree_flatten_with_path(tree)
    return {"/".join(_name(key) for key in path): leaf for path, leaf in found}


def _name(key: Any) -> str:
    match key:
        case _pytree.GetAttrKey(name=name):
            return str(name)
        case _pytree.SequenceKey(idx=index):
            return str(index)
        case _pytree.MappingKey(key=str(name)):
            return name.replace("/", "\\/")  # so that no two leaves have one path
        case _pytree.MappingKey(key=other):
            return f"[{other!r}]"
    raise AssertionError(f"torch.utils._pytree made an unknown key {key!r}")

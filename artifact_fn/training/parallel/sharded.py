"""Sharded: an optimizer of whose state each process holds a part.

Parameters and gradients are one vector for each dtype, and each process has an equal shard of it
(Rajbhandari et al., ZeRO, SC 2020, stage 2): gradients are summed to the process that owns them,
which updates its shard, and the new parameters are gathered by everybody.
"""

# Annotations stay strings: see `step`.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim.clipping import global_norm
from artifact_fn.optim.transform import Grads, Params, Rule, Scatter, check_rule_at_end
from artifact_fn.training.flat import joining
from artifact_fn.training.parallel.mesh import Mesh, gathered_and_summed, gathered_part
from artifact_fn.training.state import TrainState


@tree.node
class Shards:
    """State of `sharded`.

    Attributes:
        inner: Of the optimizer, over this process's shard: what it keeps for each parameter is
            one vector for each dtype, [ceil(N / size)], padded at the end.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> type(sharded(sgd(0.1), Mesh(0, 1)).init({"w": torch.ones(2)})).__name__
        'Shards'
    """

    inner: Any


def sharded(optimizer: Rule, mesh: Mesh) -> Rule:
    """The same optimizer, whose state is spread over the processes of a mesh.

    Where it is the optimizer of a `data_parallel` step itself, no process ever has whole
    gradients: they are summed by reduce-scatter, which with the gathering of the parameters is as
    many bytes as an all-reduce. In a chain it is given whole gradients and takes its part:
    `chain(clip_by_global_norm(1.0), sharded(adamw(1e-3), mesh))`.

    Args:
        optimizer: One whose update of an element depends on that element alone.
        mesh: Who takes part.

    Raises:
        OptimError: `optimizer` is no rule, or an element's update depends on others: a clip by
            norm (put it in front, as above), a mask or a group by path (shard the rules within),
            a rule for matrices.

    Example:
        >>> from artifact_fn.optim import adam
        >>> rule, params = sharded(adam(0.1), Mesh(0, 1)), {"w": torch.ones(2), "b": torch.ones(1)}
        >>> state = rule.init(params)
        >>> list(state.inner.moments["exp_avg"].values())[0].shape
        torch.Size([3])
    """
    check_rule_at_end(optimizer)
    _check_elementwise(optimizer)

    def init(params: Params) -> Shards:
        return Shards(optimizer.init(_shard(mesh, params)))

    def update(grads: Grads, state: Shards, params: Params) -> tuple[Params, Shards]:
        mine, inner = optimizer.update(_shard(mesh, grads), state.inner, _shard(mesh, params))
        vectors = _gathered(mesh, mine, next(iter(mine.values())))
        return _unjoined(vectors, params), Shards(inner)

    def from_parts(
        grads: Grads, state: Shards, params: Params, scatter: Scatter
    ) -> tuple[Params, Shards, Tensor, list[Tensor]]:
        vectors = joining(grads)[0](grads)
        parts, others = scatter([_padded(mesh, vector) for vector in vectors.values()])
        own = dict(zip(vectors, parts, strict=True))
        mine, inner = optimizer.update(own, state.inner, _shard(mesh, params))
        first, *rest = mine
        vector, square = gathered_and_summed(mesh, mine[first], global_norm(own).square())
        more = _gathered(mesh, {kind: mine[kind] for kind in rest}, vector)
        moved = _unjoined({first: vector, **more}, params)
        return moved, Shards(inner), square.sqrt(), others

    return Rule(
        init,
        update,
        lambda state: optimizer.report(state.inner),
        options=optimizer.options,
        from_parts=from_parts,
    )


def gathered(state: TrainState, mesh: Mesh) -> TrainState:
    """The state as one process would have it: every shard joined, by the parameters' paths.

    All processes of the mesh call it, and all of them answer it.

    Example:
        >>> from artifact_fn import tree
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.training.parallel.mesh import ALONE
        >>> state = small_experiment().state()
        >>> tree.identical(gathered(state, ALONE), state)
        True
    """
    sizes = _sizes(state.params)
    shapes = {kind: (-(-size // mesh.size),) for kind, size in sizes.items()}

    def one(part: Any) -> Any:
        if not _like(part, shapes):
            return part
        return _unjoined(_gathered(mesh, part, next(iter(part.values()))), state.params)

    def opened(shards: Shards) -> Any:
        return tree.map(one, shards.inner, is_leaf=lambda part: _like(part, shapes))

    return tree.replace(state, opt_state=tree.map_records(opened, state.opt_state, Shards))


def scattered(state: TrainState, fresh: TrainState, mesh: Mesh) -> TrainState:
    """Undoes `gathered`, for this process of a mesh of any size.

    Args:
        state: Whole, as one process has it.
        fresh: A state of the sharded optimizer, which says what of it is in shards.
        mesh: Who takes part.

    Example:
        >>> from artifact_fn import tree
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.training.parallel.mesh import ALONE
        >>> state = small_experiment().state()
        >>> tree.identical(scattered(state, state, ALONE), state)
        True
    """
    shapes = {path: tuple(leaf.shape) for path, leaf in state.params.items()}

    def spread(like: Any, whole: Any) -> Any:
        if not isinstance(like, Shards):
            return whole
        return Shards(
            tree.map(
                lambda part: _shard(mesh, part) if _like(part, shapes) else part,
                whole,
                is_leaf=lambda part: _like(part, shapes),
            )
        )

    opt_state = tree.map(
        spread, fresh.opt_state, state.opt_state, is_leaf=lambda part: isinstance(part, Shards)
    )
    return tree.replace(state, opt_state=opt_state)


def held(state: Any) -> int:
    """Bytes of the tensors in a pytree, such as an optimizer's state on this process.

    Example:
        >>> held({"w": torch.ones(4)})
        16
    """
    return sum(leaf.nbytes for leaf in tree.leaves(state) if isinstance(leaf, Tensor))


def _like(part: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == shapes.keys()
        and all(tuple(leaf.shape) == shapes[path] for path, leaf in part.items())
    )


def _padded(mesh: Mesh, vector: Tensor) -> Tensor:
    more = -vector.numel() % mesh.size
    return torch.cat([vector, vector.new_zeros(more)]) if more else vector


def _sizes(params: Params) -> dict[str, int]:
    """How long each dtype's vector is."""
    found: dict[str, int] = {}
    for leaf in params.values():
        found[str(leaf.dtype)] = found.get(str(leaf.dtype), 0) + leaf.numel()
    return found


def _shard(mesh: Mesh, params: Params) -> Params:
    """This process's part of each dtype's vector; only what is of it is copied."""
    found = {}
    for kind, whole in _sizes(params).items():
        leaves = [leaf.reshape(-1) for leaf in params.values() if str(leaf.dtype) == kind]
        size = -(-whole // mesh.size)
        start, parts = mesh.rank * size, []
        for leaf in leaves:
            own = leaf[max(start, 0) : max(start + size, 0)]
            parts += [own] if own.numel() else []
            start -= leaf.numel()
        more = size - sum(own.numel() for own in parts)
        parts += [leaves[0].new_zeros(more)] if more else []
        found[kind] = torch.cat(parts)
    return found


def _gathered(mesh: Mesh, shards: Params, after: Tensor) -> Params:
    """Everybody's shards, one after the other."""
    found: Params = {}
    for kind, shard in shards.items():
        found[kind] = after = gathered_part(mesh, shard, after=after)
    return found


def _unjoined(vectors: Params, like: Params) -> Params:
    """Tensors by path from a vector for each dtype, padded at its end."""
    sizes = _sizes(like)
    return joining(like)[1]({kind: vector[: sizes[kind]] for kind, vector in vectors.items()})


def _check_elementwise(optimizer: Rule) -> None:
    """Try it on a vector, whole and in halves: state and parameters must be the same.

    Its word is not enough: a norm over all elements passes for elementwise where parameters are
    merely joined.
    """
    if optimizer.elementwise:
        params, grads = torch.linspace(-1.0, 1.0, 8), torch.linspace(1e3, 2e3, 8)
        found = [
            optimizer.update({"w": grads[part]}, optimizer.init({"w": params[part]}), given)
            for part in (slice(0, 8), slice(0, 4), slice(4, 8))
            for given in [{"w": params[part]}]
        ]
        whole, first, second = (tree.leaves(answer) for answer in found)
        parts = [torch.cat([a, b]) if a.ndim else a for a, b in zip(first, second, strict=True)]
        if all(
            torch.allclose(part, leaf, rtol=1e-5, atol=1e-7, equal_nan=True)
            for part, leaf in zip(parts, whole, strict=True)
        ):
            return
    raise OptimError(
        "a sharded optimizer updates each element by itself",
        got="one whose updates depend on other elements, or on the parameter's path or shape",
        do="put a clip by norm in front: chain(clip_by_global_norm(1.0), sharded(adamw(), mesh)); "
        "of groups, shard the rules within",
    )

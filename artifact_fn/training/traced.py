"""Traced: a step as a function of flat lists of tensors, as a compiler wants it.

A step is tried once, eagerly. What it hands through unchanged (the key, frozen parameters, the
whole model when it is evaluated) is told apart from what it makes: only the latter is an output of
a program, or the carry of a loop.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.preflight import tried
from artifact_fn.training.statistics import Metrics


@attrs.frozen(eq=False)
class Traced:
    """What trying a step has shown of it.

    Attributes:
        step: As it was given.
        build: Makes (state, batch) of an iterator over their leaves.
        shapes: Of the leaves of (state, batch).
        answer: The structure of (state, metrics) that comes back.
        source: For each leaf of the answer, which leaf of (state, batch) it is; None if it is new.
        order: For each leaf of the given state, which leaf of the answered state takes its place.
        told: The metrics of the trial.
        after: The state of the trial.
    """

    step: Step[Any]
    build: Callable[[Iterator[Tensor]], Any]
    shapes: tuple[tuple[int, ...], ...]
    answer: tree.Spec
    source: tuple[int | None, ...]
    order: tuple[int, ...]
    told: Metrics
    after: Any

    @property
    def changing(self) -> tuple[int, ...]:
        """The leaves of a state that a step makes anew."""
        return tuple(i for i, at in enumerate(self.order) if self.source[at] != i)

    def __call__(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The leaves of (state, metrics) from those of (state, batch); scalars may come as [1]."""
        shaped = [
            leaf if tuple(leaf.shape) == shape else leaf.reshape(shape)
            for leaf, shape in zip(leaves, self.shapes, strict=True)
        ]
        return tree.leaves(self.step(*self.build(iter(shaped))))


def entering(leaf: Tensor) -> Tensor:
    """A leaf as a program takes it: contiguous, and a scalar as [1] (see `graph`)."""
    # Strides would be shapes of their own.
    whole = leaf.contiguous()
    if whole.ndim > 2:
        # Of a dimension of one element any stride is right, and a convolution reads a layout
        # off it.
        return whole.view(-1).view(whole.shape)
    return whole.reshape(1) if whole.ndim == 0 else whole


def traced(step: Step[Any], state: Any, batch: Batch) -> Traced:
    """Try a step on a state and a batch.

    Raises:
        ArtifactFnError: the step breaks its contract (see `preflight.tried`).
    """
    leaves, spec = tree.flatten((state, batch))
    # Each leaf by itself, even where a state holds one tensor twice: which of them an answer
    # hands through is told by identity. None for what is not a tensor: it is refused by name.
    given = [leaf.view_as(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    after, told = tried(step, *tree.unflatten(given, spec))
    answer, answer_spec = tree.flatten((after, told))
    where = {id(leaf): i for i, leaf in enumerate(given)}
    # A dict that was filled in another order is the same state.
    places = {path: i for i, path in enumerate(tree.paths(after))}
    return Traced(
        step=step,
        build=tree.builder(spec),
        shapes=tuple(tuple(leaf.shape) for leaf in leaves),
        answer=answer_spec,
        source=tuple(where.get(id(leaf)) for leaf in answer),
        order=tuple(places[path] for path in tree.paths(state)),
        told=told,
        after=after,
    )

"""Transform: gradient transformations, the rules that end them, and their composition.

Trees here are flat dicts from parameter path to tensor. Every function is pure.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from torch import Tensor

from artifact_fn.errors import OptimError

Params = dict[str, Tensor]
Grads = dict[str, Tensor]
Report = Mapping[str, Tensor]
"""Scalars a part of an optimizer has to tell of its last update, e.g. `{"lr": ...}`.

A floating one is averaged over steps, a whole number is a count and adds up.
"""

Scatter = Callable[[list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""Each process's vectors to its own parts of their sums, and what was sent beside them."""


def _no_report(state: Any) -> Report:
    return {}


@attrs.frozen
class Transform:
    """Gradients to gradients: clipping, masking, guards.

    Attributes:
        init: Parameters to state, a pytree of tensors.
        update: (grads, state, params) to (grads, state).
        report: State to the scalars worth telling every step.
        elementwise: As a rule's; a norm over all elements is one too, to rounding.

    Example:
        >>> uphill = Transform(
        ...     init=lambda params: (),
        ...     update=lambda grads, state, params: ({p: -g for p, g in grads.items()}, state))
        >>> uphill.update({"w": 2.0}, uphill.init({"w": 1.0}), {"w": 1.0})
        ({'w': -2.0}, ())
    """

    init: Callable[[Params], Any]
    update: Callable[[Grads, Any, Params], tuple[Grads, Any]]
    report: Callable[[Any], Report] = _no_report
    elementwise: bool = False


@attrs.frozen
class Rule:
    """Gradients to new parameters: sgd, adam, and every chain that ends in one.

    A rule makes the parameters itself: adding an update to them afterwards rounds otherwise
    than `torch.optim` does.

    Attributes:
        init: Parameters to state, a pytree of tensors.
        update: (grads, state, params) to (params, state).
        report: State to the scalars worth telling every step.
        elementwise: Whether an element's update depends on no other element, nor on the
            parameter's shape: then parameters may be stored as one flat vector.
        options: What is built into a rule and not in its state (`maximize`, `nesterov`, ...), by
            torch's name; read when a state is taken over from torch.
        from_parts: Of a rule that several processes share: (grads, state, params, scatter), each
            process's own part of gradients that add up, to (params, state, norm of the sum, what
            `scatter` has answered beside).

    Example:
        >>> still = Rule(lambda params: (), lambda grads, state, params: (params, state))
        >>> still.update({"w": 2.0}, still.init({"w": 1.0}), {"w": 1.0})
        ({'w': 1.0}, ())
    """

    init: Callable[[Params], Any]
    update: Callable[[Grads, Any, Params], tuple[Params, Any]]
    report: Callable[[Any], Report] = _no_report
    elementwise: bool = False
    options: Mapping[str, Any] = attrs.field(factory=dict, eq=False)
    from_parts: (
        Callable[[Grads, Any, Params, Scatter], tuple[Params, Any, Tensor, list[Tensor]]] | None
    ) = None


Optimizer = Rule
"""What a training step takes: a rule, alone or at the end of a chain."""


def chain(*parts: Transform | Rule) -> Optimizer:
    """Transforms from left to right, then one rule.

    The state is the tuple of the parts' states.

    Raises:
        OptimError: the last part is not a rule, or an earlier one is.

    Example:
        >>> import torch
        >>> from artifact_fn.optim import clip_by_value, sgd
        >>> optimizer = chain(clip_by_value(1.0), sgd(0.5))
        >>> params = {"w": torch.tensor([1.0])}
        >>> optimizer.update({"w": torch.tensor([8.0])}, optimizer.init(params), params)[0]
        {'w': tensor([0.5000])}
    """
    *transforms, rule = parts or (None,)
    if not isinstance(rule, Rule):
        raise OptimError(
            "a chain ends in the rule that makes the new parameters",
            got=f"{_kinds(parts)}",
            do="put sgd, adam, adamw, ... last",
        )
    if not all(isinstance(part, Transform) for part in transforms):
        raise OptimError(
            "before a chain's rule stand transforms of gradients",
            got=f"{_kinds(parts)}",
            do="keep one rule, at the end",
        )

    def init(params: Params) -> tuple[Any, ...]:
        return tuple(part.init(params) for part in parts)

    def update(
        grads: Grads, state: tuple[Any, ...], params: Params
    ) -> tuple[Params, tuple[Any, ...]]:
        after = []
        for part, part_state in zip(parts, state, strict=True):
            # The rule comes last, so what it answers in the gradients' place are parameters.
            grads, part_state = part.update(grads, part_state, params)
            after.append(part_state)
        return grads, tuple(after)

    def report(state: tuple[Any, ...]) -> Report:
        told: dict[str, Tensor] = {}
        for part, part_state in zip(parts, state, strict=True):
            told |= part.report(part_state)
        return told

    elementwise = all(part.elementwise for part in parts)
    return Rule(init, update, report, elementwise=elementwise, options=rule.options)


def check_rule_at_end(optimizer: Any) -> None:
    """Refuse what does not make new parameters.

    Raises:
        OptimError: it is no rule.
    """
    if not isinstance(optimizer, Rule):
        raise OptimError(
            "an optimizer is a rule, or a chain that ends in one",
            got=f"a {type(optimizer).__name__}",
            do="pass artifact_fn.optim.adamw(...), or chain(clip_by_global_norm(1.0), adamw(...))",
        )


def _kinds(parts: tuple[Any, ...]) -> str:
    return f"({', '.join(type(part).__name__ for part in parts)})"

"""Groups: one rule for some parameters, another for others, by path."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.transform import Grads, Params, Report, Rule


def by_path(rules: Mapping[str, Rule]) -> Rule:
    """The first rule whose pattern fits a parameter's path is the one that moves it.

    Patterns are those of a shell (`*`, `?`, `[abc]`) and fit the whole path; `/` and `.` are the
    same in them, so `head/*` fits `head.weight`. The state is one state for each pattern, and so
    is what is reported: `lr[head/*]`, and no `lr`, for none of the rates is the one.

    Args:
        rules: Pattern to rule, in the order in which they are tried.

    Raises:
        OptimError: there are no rules; at `init` and `update`, a parameter fits no pattern, or a
            pattern none of the parameters.

    Example:
        >>> import torch
        >>> from artifact_fn.optim import sgd
        >>> rule = by_path({"head/*": sgd(0.5), "*": freeze()})
        >>> params = {"body.w": torch.tensor([1.0]), "head.w": torch.tensor([1.0])}
        >>> rule.update(params, rule.init(params), params)[0]
        {'body.w': tensor([1.]), 'head.w': tensor([0.5000])}
    """
    if not rules:
        raise OptimError(
            "groups need a rule each", got="no rules", do='give e.g. {"*": adamw(1e-3)}'
        )
    rules = dict(rules)

    def init(params: Params) -> dict[str, Any]:
        groups = _groups(tuple(rules), params)
        return {pattern: rules[pattern].init(_those(params, groups[pattern])) for pattern in rules}

    def update(
        grads: Grads, state: dict[str, Any], params: Params
    ) -> tuple[Params, dict[str, Any]]:
        groups = _groups(tuple(rules), params)
        moved: Params = {}
        after: dict[str, Any] = {}
        for pattern, rule in rules.items():
            names = groups[pattern]
            new, after[pattern] = rule.update(
                _those(grads, names), state[pattern], _those(params, names)
            )
            moved |= new
        return {name: moved[name] for name in params}, after

    def report(state: dict[str, Any]) -> Report:
        return {
            f"{name}[{pattern}]": value
            for pattern, rule in rules.items()
            for name, value in rule.report(state[pattern]).items()
        }

    return Rule(init, update, report)


def masked(rule: Rule, mask: Callable[[str, Tensor], bool], *, otherwise: Rule) -> Rule:
    """One rule for the parameters a mask takes, another for those it leaves.

    Args:
        rule: For the parameters the mask answers True for.
        mask: (path, parameter) to bool; must not read the parameter's values.
        otherwise: For the rest: another rule, or `freeze()`; what both report is told of it as
            `lr[otherwise]`.

    Example:
        >>> import torch
        >>> from artifact_fn.optim import sgd
        >>> rule = masked(sgd(0.5), lambda name, param: param.ndim == 2, otherwise=freeze())
        >>> params = {"w": torch.ones(1, 1), "b": torch.ones(1)}
        >>> rule.update(params, rule.init(params), params)[0]
        {'w': tensor([[0.5000]]), 'b': tensor([1.])}
    """

    def taken(params: Params) -> tuple[list[str], list[str]]:
        inside = [name for name, param in params.items() if mask(name, param)]
        return inside, [name for name in params if name not in inside]

    def init(params: Params) -> tuple[Any, Any]:
        inside, outside = taken(params)
        return rule.init(_those(params, inside)), otherwise.init(_those(params, outside))

    def update(
        grads: Grads, state: tuple[Any, Any], params: Params
    ) -> tuple[Params, tuple[Any, Any]]:
        inside, outside = taken(params)
        ours, first = rule.update(_those(grads, inside), state[0], _those(params, inside))
        rest, second = otherwise.update(_those(grads, outside), state[1], _those(params, outside))
        moved = ours | rest
        return {name: moved[name] for name in params}, (first, second)

    def report(state: tuple[Any, Any]) -> Report:
        ours, rest = rule.report(state[0]), otherwise.report(state[1])
        apart = {f"{name}[otherwise]" if name in ours else name: rest[name] for name in rest}
        return {**ours, **apart}

    return Rule(init, update, report)


def freeze() -> Rule:
    """A rule that leaves parameters where they are.

    Example:
        >>> import torch
        >>> params = {"w": torch.tensor([1.0])}
        >>> freeze().update({"w": torch.tensor([5.0])}, freeze().init(params), params)[0]
        {'w': tensor([1.])}
    """
    # New tensors, as every other rule answers them.
    return Rule(
        lambda params: (),
        lambda grads, state, params: ({k: v.clone() for k, v in params.items()}, state),
        elementwise=True,
    )


def _groups(patterns: tuple[str, ...], params: Params) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {pattern: [] for pattern in patterns}
    for name in params:
        fit = [p for p in patterns if fnmatchcase(name.replace("/", "."), p.replace("/", "."))]
        if not fit:
            raise OptimError(
                "every parameter has a rule",
                got=f"{name}, which fits none of {list(patterns)}",
                do='add a pattern for it, or "*": freeze() at the end',
            )
        groups[fit[0]].append(name)
    idle = [pattern for pattern, names in groups.items() if not names]
    if idle:
        raise OptimError(
            "every pattern has parameters",
            got=f"{idle[0]}, which is the first to fit none of {list(params)}",
            do="correct it, take it out, or put it before the pattern that takes its parameters",
        )
    return groups


def _those(tree: Params, names: list[str]) -> Params:
    return {name: tree[name] for name in names}

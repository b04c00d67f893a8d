"""Hyper: hyperparameters of a state, scheduled, and changed between epochs."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import torch

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.mode import Mode, mode_of
from artifact_fn.folds.plateau import plateau, scored
from artifact_fn.optim.leafwise import RuleState
from artifact_fn.optim.schedules import Schedule
from artifact_fn.optim.transform import Grads, Params, Rule

S = TypeVar("S")


def scheduled(rule: Rule, **schedules: Schedule) -> Rule:
    """A rule whose hyperparameters besides `lr` follow schedules too.

    `scheduled(sgd(one_cycle(0.1, steps=n), momentum=0.9), momentum=...)` is torch's
    `cycle_momentum`.

    Args:
        rule: One rule; in a chain or a group, schedule its rules.
        schedules: By name of the hyperparameter, as in the rule's state: `momentum`, `beta1`,
            `weight_decay`, ...

    Raises:
        OptimError: at `init`, the rule has no such hyperparameter, or goes without it because
            it is 0.

    Example:
        >>> from artifact_fn.optim import linear, sgd
        >>> rule = scheduled(sgd(0.1, momentum=0.9), momentum=linear(0.8, final=0.0, steps=4))
        >>> params = {"w": torch.ones(1)}
        >>> _, state = rule.update(params, rule.init(params), params)
        >>> _, state = rule.update(params, state, params)
        >>> round(state.hyper["momentum"].item(), 3)
        0.6
    """

    def init(params: Params) -> RuleState:
        state = rule.init(params)
        for name in schedules:
            known = state.hyper if isinstance(state, RuleState) else {}
            if name not in known:
                raise OptimError(
                    f"the rule has no hyperparameter {name!r}",
                    got=f"a rule with {', '.join(known) or 'none'}",
                    do="name one of them, of a rule and not of a chain",
                )
            if known[name] == 0:
                raise OptimError(
                    "a hyperparameter that is 0 is left out of a rule's arithmetic",
                    got=f"a schedule of {name}, which the rule was made with as 0",
                    do="make the rule with another value; the schedule takes its place",
                )
        return _set(state)

    def update(grads: Grads, state: RuleState, params: Params) -> tuple[Params, RuleState]:
        moved: tuple[Params, RuleState] = rule.update(grads, _set(state), params)
        return moved

    def _set(state: RuleState) -> RuleState:
        now = {name: schedule(state.count) for name, schedule in schedules.items()}
        return tree.replace(state, hyper=state.hyper | now)

    return Rule(init, update, rule.report, rule.elementwise, rule.options)


def lowered(opt_state: Any, factor: float, *, min_lr: float = 0.0, eps: float = 0.0) -> Any:
    """An optimizer's state with every learning rate in it multiplied by a factor.

    A plain rate is set; one that follows a schedule is scaled from here on. Tensors change their
    values and nothing else, so nothing is compiled anew.

    Args:
        opt_state: Of any rule, chain or group, or of several by name.
        factor: In [0, 1).
        min_lr: No rate falls below it.
        eps: A smaller change is not made.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> state = lowered(sgd(0.1).init({"w": torch.ones(1)}), 0.5)
        >>> state.hyper["lr"]
        tensor(0.0500, dtype=torch.float64)
    """
    _check_factor(factor, min_lr, eps)

    def of_rule(state: RuleState) -> RuleState:
        rate = state.hyper["lr"]
        lower = (rate * factor).clamp(min=min_lr)
        lower = torch.where(rate - lower > eps, lower, rate)
        after = state.hyper | {"lr": lower}
        if "lr_scale" in state.hyper:
            share = torch.where(rate > 0, lower / rate, torch.ones_like(rate))
            after["lr_scale"] = state.hyper["lr_scale"] * share
        return tree.replace(state, hyper=after)

    return tree.map_records(of_rule, opt_state, RuleState)


def reduce_on_plateau(
    score: str,
    *,
    mode: Mode | None = None,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> Fold[Epoch[Any], Any, Callable[[S], S]]:
    """A control that lowers the learning rate when a score has stopped improving.

    For `epochs(..., control=reduce_on_plateau("val/loss"))`; as torch's ReduceLROnPlateau. It
    counts evaluations: an epoch without the score is passed over.

    Args:
        score: Its name, e.g. `"val/loss"`.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.
        factor: What the rate is multiplied by, in [0, 1).
        patience: Evaluations without improvement that are borne.
        threshold: How much better counts.
        threshold_mode: Whether the threshold is a part of the best score ("rel") or an amount.
        cooldown: Evaluations after a change in which none is counted.
        min_lr: No rate falls below it.
        eps: A smaller change is not made.

    Raises:
        FoldError, OptimError: an argument is out of range, or `mode` left out where no loss is
            read.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> control = reduce_on_plateau("val/loss", patience=0)
        >>> seen = [Epoch(i, None, {"val/loss": x}) for i, x in enumerate([0.5, 0.6], 1)]
        >>> run(control, seen).__name__
        'lower'
    """
    _check_factor(factor, min_lr, eps)
    waiting = plateau(
        mode=mode_of(score, mode),
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
    )

    def lower(state: Any) -> Any:
        return tree.replace(
            state, opt_state=lowered(state.opt_state, factor, min_lr=min_lr, eps=eps)
        )

    def keep(state: Any) -> Any:
        return state

    return scored(score, waiting).map(lambda due: lower if due else keep)


def _check_factor(factor: float, min_lr: float, eps: float) -> None:
    if not (0 <= factor < 1 and min_lr >= 0 and eps >= 0):
        raise OptimError(
            "a rate is lowered by a factor below 1, and stays at least 0",
            got=f"factor={factor}, min_lr={min_lr}, eps={eps}",
            do="give e.g. factor=0.1, min_lr=0.0, eps=1e-8",
        )

"""Ensemble: many models of one architecture, trained by one step.

Their states are stacked: every leaf has the members as its first dimension. A member draws its
weights, its dropout and its order of the rows from its own seed, as it would alone.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import EnsembleError
from artifact_fn.optim.leafwise import RuleState
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training.contracts import Model, Source, Step
from artifact_fn.training.member_batches import of_each
from artifact_fn.training.member_step import Members, MembersStep, member_of, stacked
from artifact_fn.training.state import TrainState

B = TypeVar("B")

Point = Mapping[str, float]
"""What sets a member apart: its `seed`, its `split`, its hyperparameters by name."""


@attrs.frozen(eq=False)
class Ensemble:
    """Members, and how they are trained together.

    Attributes:
        points: What sets each member apart; `seed` is always there.
        state: Theirs before the first step: a TrainState whose leaves are [M, ...] and whose
            `opt_state` is `Members`, which also tells who is still trained.
        at_once: Members that a step works on at the same time, None for all: what it needs
            besides the states grows with it.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> together = ensemble(model, sgd(0.1), seeds=2, grid={"lr": [0.1, 0.5]})
        >>> len(together), together.where(lr=0.5)
        (4, [2, 3])
    """

    points: tuple[Point, ...]
    state: TrainState = attrs.field(repr=False)
    at_once: int | None = None

    def __len__(self) -> int:
        return len(self.points)

    def step(self, step: Step[TrainState, Any]) -> MembersStep:
        """A step of one model as a step of all of them, to be compiled like any other.

        Its metrics are those of the members that are still trained: `loss[3]`, and their mean
        `loss`. A batch of `source` holds one for each member; any other is given to all.

        Args:
            step: `train_step`, `eval_step`, or any pure step of a TrainState; not yet compiled.

        Raises:
            EnsembleError: it is compiled.
        """
        return MembersStep(step, len(self), self.at_once)

    def source(self, source: Source[Any] | Sequence[Source[Any]]) -> Source[Any]:
        """What all members read, each in its own order.

        Args:
            source: One for all of them, or a list with one for each split, or for each member.

        Raises:
            DataError: something is no source, or their batches differ in number or size.
            EnsembleError: there are neither as many sources as members nor as splits.
        """
        return of_each(self.sources(source))

    def sources(self, source: Source[Any] | Sequence[Source[Any]]) -> list[Source[Any]]:
        """Whose source is which, in the order of the members."""
        if isinstance(source, Source):
            return [source] * len(self)
        splits = int(max(point.get("split", 0) for point in self.points)) + 1
        if len(source) == splits:
            return [source[int(point.get("split", 0))] for point in self.points]
        if len(source) != len(self):
            raise EnsembleError(
                "sources are one for all, one a split, or one a member",
                got=f"{len(source)} of them for {len(self)} members and {splits} splits",
                do="give as many as ensemble(..., splits=...) says",
            )
        return list(source)

    def member(self, state: TrainState, member: int) -> TrainState:
        """The state of one member, as a single run has it; its tensors are copies.

        Raises:
            EnsembleError: there is no such member, or the state is not of an ensemble.
        """
        if not 0 <= member < len(self):
            raise EnsembleError(
                f"there is no member {member}",
                got=f"an ensemble of {len(self)}",
                do="count them from 0",
            )
        return member_of(state, member)

    def where(self, **point: float) -> list[int]:
        """The members that a point has, e.g. `where(lr=1e-3)`, in their order."""
        return [
            i
            for i, own in enumerate(self.points)
            if all(own.get(name) == value for name, value in point.items())
        ]


def ensemble(
    model: Model,
    optimizer: Optimizer | Mapping[str, Optimizer],
    *,
    seeds: int | Sequence[int] = 1,
    grid: Mapping[str, Sequence[float]] | None = None,
    splits: int = 1,
    at_once: int | None = None,
    only: Mapping[str, str] | None = None,
) -> Ensemble:
    """Members for each seed, each point of a grid and each split of a cross-validation.

    Hyperparameters are tensors of the optimizer's state, so those of a member are a part of
    its state. Member i is, to rounding, the single run with its seed, its hyperparameters and its
    source; its masks and orders to the bit.

    Args:
        model: Initialised from each seed.
        optimizer: As in `TrainState.create`.
        seeds: How many, counted from 0; or which.
        grid: Values by the name of a hyperparameter, as in the state of the rule: `lr`,
            `weight_decay`, `beta1`, ... Every combination is tried. Of a rate that follows a
            schedule, `lr_scale` is what it is multiplied by. Where an optimizer has several rules,
            those that have the name are all set.
        splits: Of a cross-validation; what each of them reads is told to `Ensemble.source`.
        at_once: Members that a step works on at the same time; None for all.
        only: As in `TrainState.create`.

    Raises:
        EnsembleError: seeds are asked of a model made from a module, a hyperparameter cannot be
            set, or an argument is out of range.
        ModelError, OptimError, KeyDataError: as `TrainState.create`.

    Example:
        >>> from artifact_fn.optim import adamw
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> together = ensemble(model, adamw(1e-3), seeds=2, grid={"lr": [1e-3, 1e-2]})
        >>> together.points[3], together.state.params["weight"].shape
        ({'seed': 1, 'lr': 0.01}, torch.Size([4, 2, 3]))
    """
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    axes = {name: list(values) for name, values in (grid or {}).items()}
    _check(chosen, axes, splits, at_once)
    if len(set(chosen)) > 1 and not model.seeded:
        raise EnsembleError(
            "a model made from a module has one beginning, whatever the seed",
            got=f"{len(set(chosen))} seeds",
            do="make it from a factory: functional(lambda: nn.Sequential(...))",
        )
    first = {
        seed: TrainState.create(model, optimizer, seed=seed, only=only) for seed in set(chosen)
    }
    combined = [
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]
    points: list[dict[str, float]] = []
    states = []
    for values, split, seed in itertools.product(combined, range(splits), chosen):
        points.append({"seed": seed, **({"split": split} if splits > 1 else {}), **values})
        states.append(_with(first[seed], values))
    together = stacked(states)
    running = torch.ones(len(states), dtype=torch.bool, device=together.step.device)
    state = tree.replace(together, opt_state=Members(together.opt_state, running))
    return Ensemble(tuple(points), state, at_once)


def _with(state: TrainState, values: Mapping[str, float]) -> TrainState:
    """A state with some of its hyperparameters set."""
    for name, value in values.items():
        known = [rule.hyper for rule in tree.records(state.opt_state, RuleState)]
        holders = [hyper for hyper in known if name in hyper]
        if not holders:
            names = dict.fromkeys(other for hyper in known for other in hyper)
            raise EnsembleError(
                f"no rule of the optimizer has a hyperparameter {name!r}",
                got=f"rules with {', '.join(names) or 'none'}",
                do="name one of them; what is no tensor of its state is the same for all members",
            )
        if name == "lr" and any("lr_scale" in hyper for hyper in holders):
            raise EnsembleError(
                "the learning rate follows a schedule, which the members share",
                got="a grid of lr",
                do="give lr_scale, by which each multiplies it",
            )
        if name != "lr_scale" and value != 0 and any(hyper[name] == 0 for hyper in holders):
            raise EnsembleError(
                "a hyperparameter that is 0 is left out of a rule's arithmetic",
                got=f"a grid of {name}, which the rule was made with as 0",
                do="make the rule with another value; those of the grid take its place",
            )
        state = tree.replace(
            state, opt_state=tree.map_records(_setter(name, value), state.opt_state, RuleState)
        )
    return state


def _setter(name: str, value: float) -> Callable[[RuleState], RuleState]:
    def set_one(rule: RuleState) -> RuleState:
        if name not in rule.hyper:
            return rule
        changed: Tensor = torch.full_like(rule.hyper[name], value)
        return tree.replace(rule, hyper={**rule.hyper, name: changed})

    return set_one


def _check(
    seeds: Sequence[Any], grid: Mapping[str, Sequence[Any]], splits: Any, at_once: Any
) -> None:
    if not seeds:
        raise EnsembleError("an ensemble has members", got="no seeds", do="give at least 1")
    for name, values in grid.items():
        numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in values)
        if not values or not numbers:
            raise EnsembleError(
                "a grid holds the values of each hyperparameter",
                got=f"{name}={values!r}",
                do="give a list of numbers, e.g. grid={'lr': [1e-3, 1e-2]}",
            )
    for name, count in (("splits", splits), ("at_once", at_once)):
        if count is not None and (
            isinstance(count, bool) or not isinstance(count, int) or count < 1
        ):
            raise EnsembleError(
                f"{name} is a whole number of at least 1", got=repr(count), do="give 1 or more"
            )

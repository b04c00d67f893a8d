"""Experiment: all that makes a run, as one value."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import DataError, FoldError, OptimError
from artifact_fn.folds.epoch import Epoch, Run
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.history import history
from artifact_fn.folds.stopping import Stopper
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training.compiled import compiled
from artifact_fn.training.contracts import Model, Objective, Source, Step
from artifact_fn.training.control import Control, unchanged
from artifact_fn.training.loop import epochs, fit
from artifact_fn.training.routines import Routine
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics
from artifact_fn.training.step import train_step
from artifact_fn.training.stream import TRAIN, Stream

HISTORY, SELECTED, UNTIL, CONTROL = "history", "selected", "until", "control"
"""Names of an experiment's own folds, under which a run answers."""

AnyFold = Fold[Epoch[TrainState], Any, Any]


@attrs.frozen(eq=False)
class Place:
    """Where a stream of epochs is taken up.

    Attributes:
        state: At the end of epoch `completed`, or `cursor` batches later.
        completed: Epochs behind it.
        cursor: Batches of the next epoch behind it.
        metrics: Of these batches, one for each cut.
        elapsed: Seconds the run has taken.
        control: The carry of the experiment's control, if it has one by then.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> experiment = small_experiment()
        >>> next(iter(experiment.stream(Place(experiment.state(), completed=4)))).index
        5
    """

    state: TrainState
    completed: int = 0
    cursor: int = 0
    metrics: tuple[Metrics, ...] = attrs.field(default=(), repr=False)
    elapsed: float = 0.0
    control: tuple[Any] | None = attrs.field(default=None, repr=False)


def _tuple(routines: Iterable[Routine]) -> tuple[Routine, ...]:
    return tuple(routines)


def _wrapped(step: Step[TrainState]) -> Step[TrainState]:
    return compiled(step)


@attrs.frozen(eq=False, kw_only=True)
class Experiment:
    """What is trained, on what, how, and until when. Nothing happens until it is run.

    `attrs.evolve(experiment, optimizer=...)` is another experiment; a workflow that does not
    know its model is a function from a model to an experiment.

    Attributes:
        model: A model.
        objective: What is minimised.
        optimizer: One, or several by name with `step`.
        data: Sources by split; training reads `train`.
        until: When a run ends.
        routines: What is computed at an epoch's end. An evaluation that names a split and no
            source reads the experiment's data of that split.
        select: Which epochs are kept with their states; a run answers `selected`.
        control: Feedback, from the epochs to the state of the next one (see `epochs`).
        folds: More folds over the epochs, by the name of their answer.
        seed: Of weights, orders and everything drawn, 0 <= seed < 2**64.
        step: The training step, where it is not `train_step(objective, optimizer)`.
        begin: Makes the state before the first step, where that is not `TrainState.create`'s; the
            same one each time.
        only: Which parameters each of several optimizers trains (see `TrainState.create`).
        wrap: How steps are compiled; `training.eager` leaves them as they are.
        chunk: Steps between two cuts (see `epochs`), where a run may be saved and interrupted.
        device: Where the state lives; the data is where its sources have it.

    Raises:
        DataError: there is no training data, or a routine is none.
        FoldError: `until` is no stopper, a fold is none, or has a name that is taken.
        OptimError: there are several optimizers and no step.

    Example:
        >>> import torch, torch.nn.functional as F
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.folds import at_most
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import eager, functional, supervised
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> rows = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> experiment = Experiment(
        ...     model=model, objective=supervised(model, F.cross_entropy), optimizer=sgd(0.1),
        ...     data={"train": Loader(Table(rows), batch_size=4)},
        ...     until=at_most(2), wrap=eager)
        >>> experiment.fit().answers["history"].shape
        (2, 3)
    """

    model: Model[Any, Any, Any]
    objective: Objective[Any, Any]
    optimizer: Optimizer | Mapping[str, Optimizer]
    data: Mapping[str, Source] = attrs.field(repr=False)
    until: Stopper[Epoch[TrainState]]
    routines: tuple[Routine, ...] = attrs.field(default=(), converter=_tuple)
    select: AnyFold | None = None
    folds: Mapping[str, AnyFold] = attrs.field(factory=dict)
    control: Control = unchanged
    seed: int = 0
    step: Step[TrainState] | None = None
    begin: Callable[[], TrainState] | None = None
    only: Mapping[str, str] | None = None
    wrap: Callable[[Step[TrainState]], Step[TrainState]] = _wrapped
    chunk: int | None = None
    device: str = "cpu"

    def __attrs_post_init__(self) -> None:
        _check(self)

    def state(self) -> TrainState:
        """The state before the first step; the same one each time."""
        if self.begin is not None:
            return place(self.begin(), self.device)
        state = TrainState.create(self.model, self.optimizer, seed=self.seed, only=self.only)
        return place(state, self.device)

    def training_step(self) -> Step[TrainState]:
        """The step, uncompiled."""
        if self.step is not None:
            return self.step
        assert not isinstance(self.optimizer, Mapping)
        return train_step(self.objective, self.optimizer)

    def stream(
        self, start: Place | None = None, *, clock: Callable[[], float] | None = None
    ) -> Stream:
        """The epochs from some place on, or from the beginning.

        Args:
            start: Where to begin.
            clock: Seconds, as for `epochs`.

        Raises:
            ArtifactFnError: what `epochs` raises.
        """
        start = Place(self.state()) if start is None else start
        return epochs(
            self.wrap(self.training_step()),
            start.state,
            self.data[TRAIN],
            routines=[r if r.over is None else r.over(self.data) for r in self.routines],
            control=_steering(self.control, start.control),
            completed=start.completed,
            cursor=start.cursor,
            metrics=start.metrics,
            elapsed=start.elapsed,
            chunk=self.chunk,
            clock=clock,
        )

    def asked(self) -> dict[str, AnyFold]:
        """The folds whose answers a run has, by name: `history`, `selected` and `folds`."""
        chosen = {} if self.select is None else {SELECTED: self.select}
        return {HISTORY: history(), **chosen, **self.folds}

    def fit(self, *, clock: Callable[[], float] | None = None) -> Run[TrainState]:
        """Run it in memory, without a directory.

        Args:
            clock: Seconds, where a fold reads the time.
        """
        return fit(self.stream(clock=clock), until=self.until, **self.asked())


def _steering(control: Control, carry: tuple[Any] | None) -> Control:
    """A control that goes on from what it had remembered."""
    if carry is None:
        return control
    remembered = carry[0]
    return attrs.evolve(control, init=lambda: remembered)


def place(state: TrainState, device: str) -> TrainState:
    """A state on a device."""

    def move(leaf: Any) -> Any:
        return leaf.to(device) if isinstance(leaf, Tensor) else leaf

    moved: TrainState = tree.map(move, state)
    return moved


def _check(experiment: Experiment) -> None:
    if not isinstance(experiment.data, Mapping) or TRAIN not in experiment.data:
        raise DataError(
            "an experiment has data to train on",
            got=f"data of {', '.join(map(str, experiment.data)) or 'no split'}"
            if isinstance(experiment.data, Mapping)
            else type(experiment.data).__name__,
            do="pass data={'train': loader, 'val': loader}",
        )
    for routine in experiment.routines:
        if not isinstance(routine, Routine):
            raise DataError(
                "routines are a tuple of Routine",
                got=type(routine).__name__,
                do="pass routines=(evaluation('val', objective),)",
            )
        if routine.over is not None:
            routine.over(experiment.data)
    if not isinstance(experiment.until, Stopper):
        raise FoldError(
            "a run ends when a stopper says so",
            got=f"until={type(experiment.until).__name__}",
            do="pass e.g. until=at_most(100) | patience('val/loss', 5)",
        )
    named = {**experiment.folds, SELECTED: experiment.select or history()}
    for name, fold in named.items():
        if not isinstance(fold, Fold):
            raise FoldError(
                f"{name} is a fold over epochs", got=type(fold).__name__, do="pass best('val/loss')"
            )
    for name in (HISTORY, SELECTED, UNTIL, CONTROL):
        if name in experiment.folds:
            raise FoldError(
                f"a fold of an experiment is not called {name!r}",
                got=f"folds {', '.join(experiment.folds)}",
                do="give it another name: that one is taken",
            )
    if isinstance(experiment.optimizer, Mapping) and experiment.step is None:
        raise OptimError(
            "several optimizers need a step that says who trains what",
            got=f"optimizers {', '.join(experiment.optimizer)} and no step",
            do="pass step=sequence(train_step(..., name=...), ...)",
        )

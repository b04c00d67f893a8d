"""Workflow: a source and a model, with what is minimised and measured of them."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import attrs
from torch import Tensor

from artifact_fn.errors import MetricError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.fold import Fold
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training import objectives
from artifact_fn.training.agreement import check_batch, check_columns, check_promise, checked
from artifact_fn.training.contracts import (
    Batch,
    Model,
    ModelInput,
    ModelOutput,
    Objective,
    Source,
    Step,
)
from artifact_fn.training.declared import Declared, reads
from artifact_fn.training.diagnostics import STEPS, diagnostics
from artifact_fn.training.evaluation import evaluation as evaluated
from artifact_fn.training.judged import Outcome, collected
from artifact_fn.training.metrics import Metric, metric
from artifact_fn.training.routines import Routine
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Statistic
from artifact_fn.training.step import train_step
from artifact_fn.training.tap_kinds import ModuleTap, StepTap

I = TypeVar("I", bound=ModelInput)  # noqa: E741
O = TypeVar("O", bound=ModelOutput)  # noqa: E741
R = TypeVar("R")

NONE: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(eq=False)
class Workflow(Generic[I, O]):
    """A source, a model, and what is minimised and measured; made by `on(source).fit(model)`.

    Attributes:
        source: Of the training batches.
        model: What is trained.
        losses: (inputs, outputs) to a scalar, by name; one alone is called `loss`.
        metrics: (inputs, outputs) to a value a row or a statistic, by name.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> given = small_experiment()
        >>> loss = lambda inputs, outputs: outputs.mean()
        >>> list(Workflow(given.data["train"], given.model, {"loss": loss}, {}).losses)
        ['loss']
    """

    source: Source[I]
    model: Model[I, O, Declared]
    losses: Mapping[str, Callable[[I, O], Tensor]]
    metrics: Mapping[str, Callable[[I, O], Tensor | Statistic]]

    def measure(self, **metrics: Callable[[I, O], Tensor | Statistic]) -> "Workflow[I, O]":
        """The workflow that also measures these.

        Args:
            metrics: (inputs, outputs) to one value a row [B], whose mean is the score, or to a
                statistic; each under its name.

        Raises:
            MetricError: a name is taken, or a metric is no function.
            DataError: a metric reads a column that the source does not hold.
        """
        for name, function in metrics.items():
            if name in self.metrics or isinstance(function, Metric) or not callable(function):
                raise MetricError(
                    "a typed metric is a function of (inputs, outputs), and has a name of its own",
                    got=f"{name}={function!r}",
                    do="wrap a ready-made one: with auc = metrics.roc_auc(), "
                    "measure(auc=lambda inputs, outputs: auc.measure(outputs['logits'], inputs))",
                )
            check_reader(self.source, self.model.declared, function, f"the metric {name!r}")
        workflow = attrs.evolve(self, metrics={**self.metrics, **metrics})
        workflow.objective()
        return workflow

    def objective(self) -> Objective[I, O]:
        """The losses and metrics of the model, as one objective.

        Raises:
            MetricError: two of them share a name.
        """
        losses = {name: _reading(loss, f"the loss {name!r}") for name, loss in self.losses.items()}
        alone = losses["loss"] if list(losses) == ["loss"] else losses
        measured = [
            metric(name, _reading(function, f"the metric {name!r}"))
            for name, function in self.metrics.items()
        ]
        return objectives.minimise(checked(self.model), alone, metrics=measured)

    def step(
        self,
        optimizer: Optimizer,
        *,
        name: str | None = None,
        only: str | None = None,
        accumulate: int = 1,
        clip_rows: float | None = None,
    ) -> Step[TrainState, I]:
        """The step of training; see `train_step`."""
        return train_step(
            self.objective(),
            optimizer,
            name=name,
            only=only,
            accumulate=accumulate,
            clip_rows=clip_rows,
        )

    def state(
        self,
        optimizer: Optimizer | Mapping[str, Optimizer],
        *,
        seed: int,
        only: str | Mapping[str, str] | None = None,
    ) -> TrainState:
        """The state before the first step; see `TrainState.create`."""
        return TrainState.create(self.model, optimizer, seed=seed, only=only)

    def evaluation(
        self,
        split: str,
        source: Source[I],
        *,
        every: int | Cadence = 1,
        metrics: Mapping[str, Callable[[I, O], Tensor | Statistic]] = NONE,
        taps: Sequence[ModuleTap] = (),
        of: Callable[[TrainState], TrainState] | None = None,
    ) -> Routine:
        """The losses and metrics over all of another source, in evaluation mode.

        Args:
            split: Prefix of the scores, e.g. `"val"` for `val/loss`.
            source: Of batches of the same type.
            every: At which epochs: every so many, or any cadence.
            metrics: Of this split alone, as in `measure`.
            taps: Of modules, see `taps.activations`.
            of: What is evaluated, a function of the state, such as `optim.averaged`; None for the
                state itself.

        Raises:
            DataError: something reads a column that the source does not hold.
            MetricError: a metric's name is taken.
        """
        whole = self.measure(**metrics) if metrics else self
        whole._check_readers(source)
        objective = whole.objective()
        if of is None:
            return evaluated(split, objective, source, every=every, taps=taps)
        return evaluated(split, objective, source, every=every, taps=taps, of=of)

    def collected(
        self,
        split: str,
        source: Source[I],
        *,
        every: int | Cadence = 1,
        **folds: Fold[Outcome[I, O], Any, Any],
    ) -> Routine:
        """What folds compute of every batch of a source and the model's answers to it.

        Args:
            split: Prefix of the results.
            source: Of batches of the same type.
            every: At which epochs: every so many, or any cadence.
            folds: Over `Outcome`, by the name of what they answer; see `judged.collected`.

        Raises:
            DataError: something reads a column that the source does not hold, or there is no fold.
        """
        self._check_readers(source)
        return collected(split, self.objective(), source, folds, every=every)

    def diagnostics(
        self,
        *taps: ModuleTap | StepTap,
        every: int | Cadence = 1,
        steps: int | None = STEPS,
        metrics: Mapping[str, Callable[[I, O], Tensor | Statistic]] = NONE,
    ) -> Routine:
        """What is watched of the training batches; see `diagnostics`.

        Args:
            taps: Of modules and of the step.
            every: At which epochs: every so many, or any cadence.
            steps: How many batches of an epoch are watched; None for all of them.
            metrics: Of the batches that are watched, as in `measure`.

        Raises:
            MetricError: there is nothing to watch.
        """
        for name, function in metrics.items():
            check_reader(self.source, self.model.declared, function, f"the metric {name!r}")
        measured = [
            metric(name, _reading(function, f"the metric {name!r}"))
            for name, function in metrics.items()
        ]
        return diagnostics(*taps, *measured, every=every, steps=steps)

    def _check_readers(self, source: Source[I]) -> None:
        declared = self.model.declared
        check_columns(source, declared.inputs, f"{declared.name}.forward")
        for name, loss in self.losses.items():
            check_reader(source, declared, loss, f"the loss {name!r}")
        for name, function in self.metrics.items():
            check_reader(source, declared, function, f"the metric {name!r}")


def check_reader(
    source: Source[I], declared: Declared, reader: Callable[[I, O], Any], named: str
) -> None:
    """Refuse a reader of what source or model do not hold, as far as annotations tell.

    Raises:
        DataError: the column is missing.
        ObjectiveError: the output is not declared.
    """
    inputs, outputs = reads(reader)
    check_columns(source, inputs, named)
    check_promise(declared.outputs, outputs, named)


def _reading(reader: Callable[[I, O], R], named: str) -> Callable[[Any, Batch], R]:
    """A reader as objectives call it."""
    needed, _ = reads(reader)

    def read(outputs: Any, batch: Batch) -> R:
        check_batch(batch, needed, named)
        return reader(cast(I, batch), outputs)

    return read

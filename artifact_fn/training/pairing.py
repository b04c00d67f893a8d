"""Pairing: a source, a model and what reads them, put together so that the types are checked.

The source fixes the input type, the model the output type; every loss and metric is then an
argument of a method whose types are already solved. Only so do mypy and pyright accept and refuse
alike: a free function of two readers has no type that both can infer.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
from torch import Tensor

from artifact_fn.errors import ModelError, ObjectiveError
from artifact_fn.training.agreement import check_columns, check_model
from artifact_fn.training.contracts import Model, ModelInput, ModelOutput, Source
from artifact_fn.training.declared import Declared, required
from artifact_fn.training.workflow import Workflow, check_reader

I = TypeVar("I", bound=ModelInput)  # noqa: E741
O = TypeVar("O", bound=ModelOutput)  # noqa: E741


def typed(source: Source[Any], inputs: type[I]) -> Source[I]:
    """The same source, whose batches are of a type.

    For a source of your own; a `Loader` has a method `typed`.

    Args:
        source: Whose batches hold the keys that `inputs` requires. One in memory is looked at
            here, any other at its first batch.
        inputs: A TypedDict with plain keys, one a column.

    Raises:
        DataError: a column is missing, or `inputs` is no TypedDict.

    Example:
        >>> import torch
        >>> from artifact_fn.data import Loader, Table
        >>> class X(ModelInput):
        ...     x: torch.Tensor
        >>> typed(Loader(Table({"x": torch.ones(4, 3)}), 2), X).steps
        2
    """
    check_columns(source, required(inputs), f"the type {inputs.__name__}")
    return source


def on(source: Source[I]) -> "On[I]":
    """Begin a typed workflow on the batches it is to be trained on.

    Args:
        source: With typed batches: `loader.typed(XY)`.

    Example:
        >>> import torch
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.functional import functional
        >>> class XY(ModelInput):
        ...     x: Tensor
        ...     y: Tensor
        >>> class Guess(ModelOutput):
        ...     guess: Tensor
        >>> class Line(torch.nn.Linear):
        ...     def forward(self, inputs: XY) -> Guess:
        ...         return {"guess": super().forward(inputs["x"])}
        >>> def error(inputs: XY, outputs: Guess) -> Tensor:
        ...     return (outputs["guess"] - inputs["y"]).square().mean()
        >>> class Ones:
        ...     steps = 1
        ...     def batches(self, key, epoch, start=0):
        ...         yield from [{"x": torch.ones(4, 1), "y": torch.ones(4, 1)}][start:]
        >>> train = typed(Ones(), XY)
        >>> workflow = on(train).fit(functional(lambda: Line(1, 1))).minimise(error)
        >>> step, state = workflow.step(sgd(0.1)), workflow.state(sgd(0.1), seed=0)
        >>> state, metrics = step(state, next(train.batches(None, 1)))
        >>> list(metrics)
        ['loss', 'lr', 'grad_norm']
    """
    return On(source)


@attrs.frozen(eq=False)
class On(Generic[I]):
    """The beginning of a workflow: the type of the inputs is known.

    Attributes:
        source: Of the training batches.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> source = small_experiment().data["train"]
        >>> On(source).source.steps
        4
    """

    source: Source[I]

    def fit(self, model: Model[I, O, Declared]) -> "Pairing[I, O]":
        """Pair the source with a model, made by `functional`.

        Raises:
            ModelError: `model` is no model, or its `forward` declares no types.
            DataError: the model reads a column that the source does not hold.
        """
        check_model(model)
        if model.declared is None:
            raise ModelError(
                "a typed workflow is of a model whose forward declares its types",
                got="one that declares none",
                do="write forward(self, inputs: XY) -> Outputs with a ModelInput and a "
                "ModelOutput, or use supervised(model, ...)",
            )
        check_columns(self.source, model.declared.inputs, f"{model.declared.name}.forward")
        return Pairing(self.source, model)


@attrs.frozen(eq=False)
class Pairing(Generic[I, O]):
    """A source and a model: the types of inputs and outputs are known.

    Attributes:
        source: Of the training batches.
        model: What is trained.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> experiment = small_experiment()
        >>> Pairing(experiment.data["train"], experiment.model).source.steps
        4
    """

    source: Source[I]
    model: Model[I, O, Declared]

    def minimise(
        self, *losses: Callable[[I, O], Tensor], **named: Callable[[I, O], Tensor]
    ) -> Workflow[I, O]:
        """Say what is minimised: the sum of losses.

        Args:
            losses: (inputs, outputs) to a scalar [] that is a mean over rows. Where there are
                several, each is also measured under the name of its function.
            named: The same, measured under these names.

        Raises:
            ObjectiveError: there is no loss, two have one name, or one is no function.
            DataError: a loss reads a column that the source does not hold.
        """
        parts = dict(named)
        for loss in losses:
            name = getattr(loss, "__name__", type(loss).__name__)
            if name in parts or (name == "<lambda>" and len(losses) + len(named) > 1):
                raise ObjectiveError(
                    "each of several losses has a name of its own",
                    got=f"{name!r} without one, or twice",
                    do=f"name it: minimise({name if name.isidentifier() else 'error'}=...)",
                )
            parts[name] = loss
        if not parts:
            raise ObjectiveError(
                "a workflow minimises something", got="no loss", do="give at least one function"
            )
        for name, loss in parts.items():
            if not callable(loss):
                raise ObjectiveError(
                    "a loss is a function of (inputs, outputs)",
                    got=f"{name}={loss!r}",
                    do="pass a function that answers a tensor []",
                )
            check_reader(self.source, self.model.declared, loss, f"the loss {name!r}")
        alone = len(parts) == 1 and not named
        return Workflow(self.source, self.model, {"loss": losses[0]} if alone else parts, {})

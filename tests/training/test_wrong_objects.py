"""Wrong objects: what is put in the place of another is refused where it is put."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from artifact_fn import optim
from artifact_fn.errors import (
    ArtifactFnError,
    DataError,
    FoldError,
    MetricError,
    ModelError,
    ObjectiveError,
    OptimError,
)
from artifact_fn.folds import Epoch, at_most
from artifact_fn.runs import progress
from artifact_fn.training import (
    ModelInput,
    TrainState,
    compiled,
    epochs,
    evaluate,
    evaluation,
    fit,
    metrics,
    minimise,
    on,
    predict,
    supervised,
    train_step,
    typed,
)
from tests.training.examples import loader, parts


@pytest.mark.parametrize(
    "model", [nn.Linear(4, 3, device="meta"), nn.Linear, lambda: nn.Linear(4, 3)]
)
@pytest.mark.parametrize(
    "take",
    [
        lambda model: supervised(model, F.cross_entropy),
        lambda model: minimise(model, lambda outputs, batch: outputs.mean()),
        lambda model: TrainState.create(model, optim.sgd(0.1), seed=0),
        lambda model: predict(model, parts().state, loader(8, 4)),
        lambda model: on(typed(loader(8, 4), ModelInput)).fit(model),
    ],
)
def test_a_module_is_no_model(take: Any, model: Any) -> None:
    message = (
        rf"a model is made by functional; got a {type(model).__name__}; pass artifact_fn.funct"
    )
    with pytest.raises(ModelError, match=message):
        take(model)


P = parts()
SOURCE = loader(8, 4)
TORCH_LOADER = DataLoader(TensorDataset(torch.ones(4, 4)))
WRONG: dict[str, tuple[Any, type[ArtifactFnError], str]] = {
    "state first": (
        lambda: epochs(P.state, P.step, SOURCE),  # type: ignore[arg-type]
        ObjectiveError,
        r"a step takes a state and a batch; got a TrainState; make it by train_step",
    ),
    "objective as step": (
        lambda: epochs(P.objective, P.state, SOURCE),  # type: ignore[arg-type]
        ObjectiveError,
        r"a step takes a state and a batch; got a function of \(params: .*; make it by train_step",
    ),
    "compiled objective": (
        lambda: compiled(P.objective),  # type: ignore[misc]
        ObjectiveError,
        r"got a function of \(params: ",
    ),
    "compiled model": (
        lambda: compiled(P.model),  # type: ignore[arg-type]
        ObjectiveError,
        r"got a Model; make it by train_step",
    ),
    "parameters as state": (
        lambda: epochs(P.step, P.state.params, SOURCE),  # type: ignore[arg-type]
        DataError,
        r"a state is a TrainState; got a dict; make one by TrainState.create",
    ),
    "epoch as state": (
        lambda: evaluate(P.objective, Epoch(1, P.state), SOURCE),  # type: ignore[arg-type]
        DataError,
        r"got a Epoch; .* such as run.answers\['best'\].state",
    ),
    "predict of an epoch": (
        lambda: predict(P.model, Epoch(1, P.state), SOURCE),  # type: ignore[arg-type]
        DataError,
        r"got a Epoch; .* such as run.answers\['best'\].state",
    ),
    "predict a DataLoader": (
        lambda: predict(P.model, P.state, TORCH_LOADER),  # type: ignore[arg-type]
        DataError,
        r"batches come from a source, .*; got a DataLoader; pass data.Loader",
    ),
    "completed": (
        lambda: epochs(P.step, P.state, SOURCE, completed=-1),
        DataError,
        r"counts the epochs behind the state; got completed=-1; give 0 or more",
    ),
    "objective for split": (
        lambda: evaluation(P.objective, "val", SOURCE),  # type: ignore[arg-type]
        DataError,
        r"got evaluation\(function, str, ...\); pass them in this order",
    ),
    "evaluation of a DataLoader": (
        lambda: evaluation("val", P.objective, TORCH_LOADER),  # type: ignore[arg-type]
        DataError,
        r"got a DataLoader; pass data.Loader",
    ),
    "every": (
        lambda: evaluation("val", P.objective, SOURCE, every=2.0),  # type: ignore[arg-type]
        FoldError,
        r"a cadence counts epochs from 1; got 2.0; give a whole number",
    ),
    "no list of routines": (
        lambda: epochs(
            P.step,
            P.state,
            SOURCE,
            routines=evaluation("val", P.objective, SOURCE),  # type: ignore[arg-type]
        ),
        DataError,
        r"routines are a list of Routine; got one alone; pass routines=\[",
    ),
    "no list of metrics": (
        lambda: supervised(P.model, F.cross_entropy, metrics=metrics.accuracy()),  # type: ignore[arg-type]
        MetricError,
        r"an objective measures a list of Metric; got .*; pass metrics=\[metrics.accuracy\(\)\]",
    ),
    "no fold": (
        lambda: fit(epochs(P.step, P.state, SOURCE), until=at_most(1), h=len),  # type: ignore[arg-type]
        FoldError,
        r"asked of the epochs is a fold; got h=builtin_function_or_method; pass e.g.",
    ),
    "no stream": (
        lambda: progress([Epoch(1, P.state)]),  # type: ignore[arg-type]
        FoldError,
        r"what is shown is a stream of epochs; got a list; pass what epochs",
    ),
    "accumulate": (
        lambda: train_step(P.objective, P.optimizer, accumulate=1.5),  # type: ignore[arg-type]
        OptimError,
        r"at least 1 part; got accumulate=1.5; give a whole number",
    ),
}


@pytest.mark.parametrize(("make", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_stands_in_the_place_of_another_is_refused(
    make: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        make()

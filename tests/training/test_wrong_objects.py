"""Wrong objects: what is put in the place of another is refused where it is put."""

from typing import Any

import pytest
import torch.nn.functional as F
from torch import nn

from artifact_fn import optim
from artifact_fn.errors import ModelError
from artifact_fn.training import ModelInput, TrainState, minimise, on, predict, supervised, typed
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

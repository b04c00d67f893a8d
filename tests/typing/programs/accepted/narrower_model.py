"""A model that needs less passes for one that needs more; one that answers more for less."""

import artifact_fn as af
from artifact_fn.training import Model
from tests.typing.programs.world import (
    TRAIN,
    Classifier,
    Logits,
    X,
    XYMask,
    cross_entropy,
    two_steps,
)

model: Model[X, Logits] = af.functional(Classifier)
wider: Model[XYMask, Logits] = model
SCORES = two_steps(af.on(TRAIN).fit(model).minimise(cross_entropy))

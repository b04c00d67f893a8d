"""A workflow for models that answer logits is given one that answers none."""

from typing import TypeVar

import artifact_fn as af
from artifact_fn.training import Model, Routine
from artifact_fn.training.declared import Declared
from tests.typing.programs.world import HITS, TRAIN, XY, Autoencoder, Logits, cross_entropy

L = TypeVar("L", bound=Logits)


def classification(model: Model[XY, L, Declared]) -> Routine:
    workflow = af.on(TRAIN).fit(model).minimise(cross_entropy)
    return workflow.collected("val", TRAIN, hits=HITS)


# error: "classification"
classification(af.functional(Autoencoder))

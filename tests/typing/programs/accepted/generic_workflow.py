"""A workflow that does not know its model, with routines, for any model that answers logits."""

from collections.abc import Sequence
from typing import TypeVar

import artifact_fn as af
from artifact_fn.training import Model, Routine, Workflow, taps
from artifact_fn.training.declared import Declared
from tests.typing.programs.world import (
    HITS,
    TRAIN,
    XY,
    Classifier,
    Logits,
    TwoHeads,
    after_two_epochs,
    cross_entropy,
)

L = TypeVar("L", bound=Logits)


def classification(model: Model[XY, L, Declared]) -> tuple[Workflow[XY, L], Sequence[Routine]]:
    workflow = af.on(TRAIN).fit(model).minimise(cross_entropy)
    watched = workflow.diagnostics(taps.activations(model), every=2)
    return workflow, [watched, workflow.collected("val", TRAIN, hits=HITS)]


one, routines = classification(af.functional(Classifier))
other, _ = classification(af.functional(TwoHeads))
SCORES = after_two_epochs(one, *routines)

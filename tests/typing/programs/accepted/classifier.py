"""Source and model have more keys than the readers read."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, right, two_steps

model = af.functional(Classifier)
reveal_type(model)  # reveals: Model[X, Hidden, Declared]
workflow = af.on(TRAIN).fit(model).minimise(cross_entropy).measure(accuracy=right)
reveal_type(workflow)  # reveals: Workflow[XY, Hidden]
SCORES = two_steps(workflow)

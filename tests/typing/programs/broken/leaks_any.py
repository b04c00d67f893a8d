"""Says that a type is known, and it is Any."""

from typing import reveal_type

import artifact_fn as af
from artifact_fn.training import Model
from tests.typing.programs.world import Classifier

model: Model = af.functional(Classifier)
reveal_type(model)  # reveals: Model[X, Hidden, Declared]

"""A Sequential takes and answers anything: it is for the untyped way."""

from torch import nn

import artifact_fn as af
from tests.typing.programs.world import TRAIN

model = af.functional(lambda: nn.Sequential(nn.Linear(3, 2)))
# error: has incompatible type "Model[Any, Any, None]"; expected "Model[XY, Any, Declared]"
af.on(TRAIN).fit(model)

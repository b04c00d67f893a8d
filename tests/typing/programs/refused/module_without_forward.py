"""A module without a forward of its own answers Any."""

from torch import nn

import artifact_fn as af
from tests.typing.programs.world import TRAIN


class Bare(nn.Module):
    pass


model = af.functional(Bare)
# error: has incompatible type "Model[Any, Any, None]"; expected "Model[XY, Any, Declared]"
af.on(TRAIN).fit(model)

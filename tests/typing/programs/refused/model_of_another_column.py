"""A model needs a column that the source does not have."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Masked

model = af.functional(Masked)
# error: Argument 1 to "fit" of "On" has incompatible type "Model[XMask, Logits, Declared]"; expected "Model[XY, Logits, Declared]"
af.on(TRAIN).fit(model)

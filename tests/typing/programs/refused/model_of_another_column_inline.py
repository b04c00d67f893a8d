"""The same, without a name for the model."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Masked

# error: Argument 1 to "fit" of "On" has incompatible type
af.on(TRAIN).fit(af.functional(Masked))

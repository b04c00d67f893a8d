"""There is no step before it is known what is minimised."""

import artifact_fn as af
from tests.typing.programs.world import OPTIMIZER, TRAIN, Classifier

pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: "Pairing[XY, Hidden]" has no attribute "step"
pairing.step(OPTIMIZER)

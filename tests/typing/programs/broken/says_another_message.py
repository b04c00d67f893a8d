"""Is refused with another message."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, error

pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: Argument 2 to "minimise"
pairing.minimise(error)

"""Says that it is refused, and is not."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy

pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: Argument 1 to "minimise" of "Pairing" has incompatible type
pairing.minimise(cross_entropy)

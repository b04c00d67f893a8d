"""One metric of several is wrong, and it is the one that is named."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, far, right

pairing = af.on(TRAIN).fit(af.functional(Classifier))
workflow = pairing.minimise(cross_entropy)
# error: Argument "far" to "measure" of "Workflow" has incompatible type
workflow.measure(accuracy=right, far=far)

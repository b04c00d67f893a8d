"""An optional read of a column of which the source says nothing."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, weighted_right

pairing = af.on(TRAIN).fit(af.functional(Classifier))
workflow = pairing.minimise(cross_entropy)
# error: has incompatible type "Callable[[MayReadMask, ReadsLogits], Tensor]"
workflow.measure(accuracy=weighted_right)

"""A metric of one split reads a column that the batches do not hold."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, seen

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Dict entry 0 has incompatible type
workflow.evaluation("val", TRAIN, metrics={"seen": seen})

"""A metric of one split reads an output that the model does not answer."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, far

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Dict entry 0 has incompatible type
workflow.evaluation("val", TRAIN, metrics={"far": far})

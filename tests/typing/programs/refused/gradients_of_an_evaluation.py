"""An evaluation has no step, so no tap of it."""

import artifact_fn as af
from artifact_fn.training import taps
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: List item 0 has incompatible type
workflow.evaluation("val", TRAIN, taps=[taps.gradient_norms()])

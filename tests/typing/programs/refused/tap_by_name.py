"""A tap is a value, not a name."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Argument 1 to "diagnostics"
workflow.diagnostics("activations")

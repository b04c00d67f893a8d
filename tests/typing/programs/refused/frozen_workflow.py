"""A workflow is a value."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Property "losses" defined in "Workflow" is read-only
workflow.losses = {}

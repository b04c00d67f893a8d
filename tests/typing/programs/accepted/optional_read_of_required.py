"""An optional read of a column that the source always has."""

import artifact_fn as af
from tests.typing.programs.world import MASKED, Classifier, cross_entropy, two_steps, weighted_right

workflow = af.on(MASKED).fit(af.functional(Classifier)).minimise(cross_entropy)
SCORES = two_steps(workflow.measure(accuracy=weighted_right))

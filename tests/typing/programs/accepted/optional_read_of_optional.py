"""An optional read of a column that the source may have."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import MAYBE, Classifier, cross_entropy, two_steps, weighted_right

workflow = af.on(MAYBE).fit(af.functional(Classifier)).minimise(cross_entropy)
reveal_type(workflow)  # reveals: Workflow[XYMaybe, Hidden]
SCORES = two_steps(workflow.measure(accuracy=weighted_right))

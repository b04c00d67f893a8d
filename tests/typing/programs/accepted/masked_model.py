"""A model that needs a column which this source has."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import MASKED, Masked, cross_entropy, right, seen, two_steps

workflow = af.on(MASKED).fit(af.functional(Masked)).minimise(cross_entropy)
reveal_type(workflow)  # reveals: Workflow[XYMask, Logits]
SCORES = two_steps(workflow.measure(accuracy=right, seen=seen))

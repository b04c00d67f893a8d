"""A forward that draws from a key has types too."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Noisy, cross_entropy, two_steps

workflow = af.on(TRAIN).fit(af.functional(Noisy)).minimise(cross_entropy)
reveal_type(workflow)  # reveals: Workflow[XY, Logits]
SCORES = two_steps(workflow)

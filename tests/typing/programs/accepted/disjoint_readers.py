"""Losses and metrics whose keys have nothing in common."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import TRAIN, TwoHeads, cross_entropy, error, far, right, two_steps

pairing = af.on(TRAIN).fit(af.functional(TwoHeads))
reveal_type(pairing)  # reveals: Pairing[XY, Both]
SCORES = two_steps(pairing.minimise(cross_entropy, error).measure(accuracy=right, far=far))

"""A loss that reads nothing of the batch."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, size, two_steps

SCORES = two_steps(af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy, size))

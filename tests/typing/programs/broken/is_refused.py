"""Says nothing, and is refused."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, error

af.on(TRAIN).fit(af.functional(Classifier)).minimise(error)

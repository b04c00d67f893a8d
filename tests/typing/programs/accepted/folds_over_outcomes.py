"""A fold reads fewer columns and outputs than there are."""

import artifact_fn as af
from tests.typing.programs.world import HITS, TRAIN, Classifier, after_two_epochs, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
SCORES = after_two_epochs(workflow, workflow.collected("val", TRAIN, hits=HITS))
assert 0 <= SCORES["val/hits"] <= 12

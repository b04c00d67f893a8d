"""A fold is run over a source that lacks a column of the workflow."""

import artifact_fn as af
from tests.typing.programs.world import HITS, ONLY_X, TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Argument 2 to "collected"
workflow.collected("val", ONLY_X, hits=HITS)

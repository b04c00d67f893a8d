"""A fold reads a column that the batches do not hold."""

import artifact_fn as af
from tests.typing.programs.world import MASKED_ROWS, TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Argument "rows" to "collected"
workflow.collected("val", TRAIN, rows=MASKED_ROWS)

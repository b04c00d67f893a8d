"""A fold reads an output that the model does not answer."""

import artifact_fn as af
from tests.typing.programs.world import HITS, TRAIN, Autoencoder, error

workflow = af.on(TRAIN).fit(af.functional(Autoencoder)).minimise(error)
# error: Argument "hits" to "collected"
workflow.collected("val", TRAIN, hits=HITS)

"""A metric reads an output that the model does not answer."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Autoencoder, error, right

workflow = af.on(TRAIN).fit(af.functional(Autoencoder)).minimise(error)
# error: Argument "accuracy" to "measure" of "Workflow" has incompatible type "Callable[[ReadsY, ReadsLogits], Tensor]"; expected "Callable[[XY, Recon], Tensor | Statistic]"
workflow.measure(accuracy=right)

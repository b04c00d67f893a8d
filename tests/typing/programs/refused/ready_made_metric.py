"""A metric of the untyped way does not say which output it reads."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy

pairing = af.on(TRAIN).fit(af.functional(Classifier))
workflow = pairing.minimise(cross_entropy)
# error: Argument "accuracy" to "measure" of "Workflow" has incompatible type "Metric[Any, Any]"
workflow.measure(accuracy=af.metrics.accuracy())

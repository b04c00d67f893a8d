"""A metric needs a column that the source may lack."""

import artifact_fn as af
from tests.typing.programs.world import MAYBE, Classifier, cross_entropy, seen

workflow = af.on(MAYBE).fit(af.functional(Classifier)).minimise(cross_entropy)
# error (mypy): has incompatible type "Callable[[ReadsMask, ReadsLogits], Tensor]"
workflow.measure(seen=seen)

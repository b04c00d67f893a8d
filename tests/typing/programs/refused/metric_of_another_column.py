"""A metric reads a column that the source does not have."""

import artifact_fn as af
from tests.typing.programs.world import ONLY_X, Classifier, right, size

workflow = af.on(ONLY_X).fit(af.functional(Classifier)).minimise(size)
# error: expected "Callable[[X, Hidden], Tensor | Statistic]"
workflow.measure(accuracy=right)

"""An evaluation over a source without targets."""

import artifact_fn as af
from tests.typing.programs.world import ONLY_X, TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Argument 2 to "evaluation" of "Workflow" has incompatible type "Loader[X]"; expected "Source[XY]"
workflow.evaluation("test", ONLY_X)

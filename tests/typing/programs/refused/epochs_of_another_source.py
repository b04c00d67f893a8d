"""A step is driven by a source that lacks its columns."""

import artifact_fn as af
from tests.typing.programs.world import ONLY_X, OPTIMIZER, TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
step, state = workflow.step(OPTIMIZER), workflow.state(OPTIMIZER, seed=0)
# error: "epochs"
af.epochs(step, state, ONLY_X)

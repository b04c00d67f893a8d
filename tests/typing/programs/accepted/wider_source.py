"""A step of few columns trains on a source of more."""

import artifact_fn as af
from tests.typing.programs.world import MASKED, OPTIMIZER, TRAIN, Classifier, cross_entropy

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
stream = af.epochs(workflow.step(OPTIMIZER), workflow.state(OPTIMIZER, seed=0), MASKED)
more = workflow.evaluation("masked", MASKED)
SCORES = dict(af.fit(stream, until=af.at_most(1)).last.scores)

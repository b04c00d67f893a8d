"""Epochs, evaluation and fit of a typed workflow."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import (
    LOADER,
    OPTIMIZER,
    TRAIN,
    XY,
    Classifier,
    cross_entropy,
    right,
)

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
workflow = workflow.measure(accuracy=right)
step, state = workflow.step(OPTIMIZER), workflow.state(OPTIMIZER, seed=0)
reveal_type(step)  # reveals: Step[TrainState, XY]
reveal_type(af.compiled(step))  # reveals: Compiled[TrainState, XY]
val = workflow.evaluation("val", LOADER.typed(XY))
run = af.fit(af.epochs(step, state, TRAIN, routines=[val]), until=af.at_most(1))
SCORES = dict(run.last.scores)

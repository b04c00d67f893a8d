"""Readers of less stand for readers of more, sources of more for sources of less."""

import artifact_fn as af
from artifact_fn import random
from artifact_fn.training import Aux, Objective, Routine, Source, Step
from artifact_fn.training.metrics import Metric
from tests.typing.programs.world import (
    MASKED,
    OPTIMIZER,
    TRAIN,
    XY,
    Classifier,
    Hidden,
    Logits,
    ReadsLogits,
    ReadsY,
    XYMask,
    cross_entropy,
    right,
    two_steps,
)

workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
metric: Metric[ReadsY, ReadsLogits] = Metric("right", lambda o, i: af.metrics.mean(right(i, o)))
of_more: Metric[XY, Hidden] = metric
objective: Objective[XYMask, Logits] = workflow.objective()
step: Step[af.TrainState, XYMask] = workflow.step(OPTIMIZER)
source: Source[XY] = MASKED
routine: Routine[af.TrainState] = workflow.evaluation("val", source)
aux: Aux[Logits] | Aux[Hidden] = workflow.objective()(
    *workflow.model.init(0), next(TRAIN.batches(None, 1)), random.key(0), False
)[1]
SCORES = two_steps(workflow)

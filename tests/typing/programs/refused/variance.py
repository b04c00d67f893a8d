"""What reads more does not stand for what reads less."""

import artifact_fn as af
from artifact_fn.training import Objective, Routine, Source, Step
from artifact_fn.training.metrics import Metric
from tests.typing.programs.world import (
    MASKED,
    ONLY_X,
    OPTIMIZER,
    XY,
    Hidden,
    Logits,
    Masked,
    X,
    XYMask,
    cross_entropy,
)

workflow = af.on(MASKED).fit(af.functional(Masked)).minimise(cross_entropy)
# error: expression has type "Objective[XYMask, Logits]"
objective: Objective[XY, Logits] = workflow.objective()
# error: expression has type "Objective[XYMask, Logits]"
answer: Objective[XYMask, Hidden] = workflow.objective()
# error: expression has type "Step[TrainState, XYMask]"
step: Step[af.TrainState, XY] = workflow.step(OPTIMIZER)
# error: expression has type "Loader[X]"
source: Source[XY] = ONLY_X


def narrow(metric: Metric[XY, Hidden], routine: Routine[af.TrainState]) -> None:
    # error: expression has type "Metric[XY, Hidden]"
    of_less: Metric[X, Hidden] = metric
    # error: expression has type "Metric[XY, Hidden]"
    of_other: Metric[XY, Logits] = metric
    # error: expression has type "Routine[TrainState]"
    of_any_state: Routine[object] = routine

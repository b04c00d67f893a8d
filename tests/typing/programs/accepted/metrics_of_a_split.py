"""A split has metrics of its own, and so have the diagnostics."""

import artifact_fn as af
from artifact_fn.training import taps
from tests.typing.programs.world import TRAIN, Classifier, after_two_epochs, cross_entropy, right

model = af.functional(Classifier)
workflow = af.on(TRAIN).fit(model).minimise(cross_entropy)
SCORES = after_two_epochs(
    workflow,
    workflow.evaluation("val", TRAIN, metrics={"accuracy": right}, taps=[taps.activations(model)]),
    workflow.diagnostics(taps.gradient_norms(), every=2, metrics={"right": right}),
)
assert {"val/accuracy", "train/right", "train/gradient_norm/head"} <= set(SCORES)

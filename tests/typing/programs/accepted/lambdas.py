"""In the chain a lambda is typed."""

from typing import reveal_type

import torch.nn.functional as F

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, two_steps

pairing = af.on(TRAIN).fit(af.functional(Classifier))
loss = pairing.minimise(lambda inputs, outputs: F.cross_entropy(outputs["logits"], inputs["y"]))
auc = af.metrics.roc_auc()
workflow = loss.measure(
    most=lambda inputs, outputs: reveal_type(outputs["hidden"]).amax(1),  # reveals: Tensor
    auc=lambda inputs, outputs: auc.measure(outputs["logits"], inputs),
)
SCORES = two_steps(workflow)

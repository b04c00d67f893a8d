"""Outputs before inputs, as in the untyped way."""

import torch.nn.functional as F
from torch import Tensor

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, ReadsLogits, ReadsY


def loss(outputs: ReadsLogits, inputs: ReadsY) -> Tensor:
    return F.cross_entropy(outputs["logits"], inputs["y"])


pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: incompatible type "Callable[[ReadsLogits, ReadsY], Tensor]"; expected "Callable[[XY, Hidden], Tensor]"
pairing.minimise(loss)

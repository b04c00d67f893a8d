"""A loss answers a Python number."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, ReadsLogits, ReadsY


def loss(inputs: ReadsY, outputs: ReadsLogits) -> float:
    return outputs["logits"].mean().item()


pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: incompatible type "Callable[[ReadsY, ReadsLogits], float]"; expected "Callable[[XY, Hidden], Tensor]"
pairing.minimise(loss)

"""An output has the right name and another type."""

from torch import nn

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Pair, X, cross_entropy


class Split(nn.Module):
    def forward(self, inputs: X) -> Pair:
        return {"logits": (inputs["x"], inputs["x"])}


pairing = af.on(TRAIN).fit(af.functional(Split))
# error: expected "Callable[[XY, Pair], Tensor]"
pairing.minimise(cross_entropy)

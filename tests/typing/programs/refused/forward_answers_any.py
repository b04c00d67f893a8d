"""A forward that answers Any declares nothing."""

from typing import Any

from torch import nn

import artifact_fn as af
from tests.typing.programs.world import TRAIN, X, drawn


class Loose(nn.Module):
    def forward(self, inputs: X) -> Any:
        return {"logits": inputs["x"]}


model = af.functional(drawn(Loose))
# error: has incompatible type "Model[Any, Any, None]"; expected "Model[XY, Any, Declared]"
af.on(TRAIN).fit(model)
of_function = af.functional(lambda: Loose())
# error: has incompatible type "Model[Any, Any, None]"; expected "Model[XY, Any, Declared]"
af.on(TRAIN).fit(of_function)

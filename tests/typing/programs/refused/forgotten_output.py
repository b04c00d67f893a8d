"""A forward leaves out an output that it declares."""

from torch import nn

from tests.typing.programs.world import Hidden, X


class Forgetful(nn.Module):
    def forward(self, inputs: X) -> Hidden:
        # error: Missing key "hidden" for TypedDict "Hidden"
        return {"logits": inputs["x"]}

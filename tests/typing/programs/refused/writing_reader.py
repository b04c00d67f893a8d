"""A reader writes into what it reads."""

from torch import Tensor

from tests.typing.programs.world import Nothing, ReadsLogits


def loss(inputs: Nothing, outputs: ReadsLogits) -> Tensor:
    # error: ReadOnly TypedDict key "logits" TypedDict is mutated
    outputs["logits"] = outputs["logits"] * 2
    return outputs["logits"].mean()

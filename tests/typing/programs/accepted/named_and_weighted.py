"""Losses by name, one of them weighted; a weight keeps the types."""

from typing import reveal_type

import artifact_fn as af
from artifact_fn.training import weighted
from tests.typing.programs.world import TRAIN, TwoHeads, cross_entropy, error, two_steps

weak = weighted(0.1, error)
reveal_type(weak)  # reveals: (inputs: ReadsX, outputs: ReadsRecon) -> Tensor
workflow = af.on(TRAIN).fit(af.functional(TwoHeads)).minimise(truth=cross_entropy, copy=weak)
SCORES = two_steps(workflow)

"""A function of any workflow whose outputs have what it needs."""

from typing import TypeVar, reveal_type

import artifact_fn as af
from artifact_fn.training import Workflow
from artifact_fn.training.pairing import I
from tests.typing.programs.world import (
    TRAIN,
    Autoencoder,
    Recon,
    TwoHeads,
    cross_entropy,
    error,
    two_steps,
)

R = TypeVar("R", bound=Recon)


def copied(workflow: Workflow[I, R]) -> Workflow[I, R]:
    return workflow.measure(most=lambda inputs, outputs: outputs["recon"].amax(1))


of_one = copied(af.on(TRAIN).fit(af.functional(Autoencoder)).minimise(error))
of_more = copied(af.on(TRAIN).fit(af.functional(TwoHeads)).minimise(cross_entropy))
reveal_type(of_one)  # reveals: Workflow[XY, Recon]
reveal_type(of_more)  # reveals: Workflow[XY, Both]
SCORES = {**two_steps(of_one), **two_steps(of_more)}

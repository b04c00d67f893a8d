"""A function of workflows is given one without the output it needs."""

from typing import TypeVar

import artifact_fn as af
from artifact_fn.training import Workflow
from artifact_fn.training.pairing import I
from tests.typing.programs.world import TRAIN, Classifier, Recon, cross_entropy

R = TypeVar("R", bound=Recon)


def rows(workflow: Workflow[I, R]) -> None: ...


workflow = af.on(TRAIN).fit(af.functional(Classifier)).minimise(cross_entropy)
# error: Value of type variable "R" of "rows" cannot be "Hidden"
rows(workflow)

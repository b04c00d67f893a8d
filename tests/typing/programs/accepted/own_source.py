"""A source of one's own, typed."""

from collections.abc import Iterator
from typing import reveal_type

from torch import Tensor

import artifact_fn as af
from artifact_fn.training import typed
from tests.typing.programs.world import LOADER, XY, Classifier, cross_entropy, two_steps


class Twice:
    steps = 2

    def batches(
        self, key: Tensor | None, epoch: int, start: int = 0
    ) -> Iterator[dict[str, Tensor]]:
        yield from LOADER.batches(key, epoch, start)


source = typed(Twice(), XY)
reveal_type(source)  # reveals: Source[XY]
SCORES = two_steps(af.on(source).fit(af.functional(Classifier)).minimise(cross_entropy))

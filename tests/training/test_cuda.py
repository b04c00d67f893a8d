"""On a GPU: the same states and scores as on the CPU. Skipped where there is none."""

from typing import Any

import pytest
import torch

from artifact_fn import tree
from artifact_fn.data import Loader, Table, place
from artifact_fn.training import compiled, cuts
from artifact_fn.training.statistics import answers, merge
from tests.training.examples import columns, parts

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


def trained(step: Any, device: str) -> tuple[list[Any], dict[str, float]]:
    """The states at the cuts of one epoch with a short last batch, and its scores."""
    source = Loader(Table(place(columns(22), device)), 4)
    state = place(parts().state, device)
    given, held, found = tree.digest(state), [], []
    for cut in cuts(step, state, source, chunk=2):
        held.append((cut.state, tree.digest(cut.state)))
        found.append(cut.metrics)
    assert tree.digest(state) == given
    assert all(tree.digest(kept) == digest for kept, digest in held)
    return [kept for kept, _ in held], answers(merge(found))[0]


@pytest.mark.parametrize("chunk", ["eager", 1, 2])
def test_a_gpu_trains_what_a_cpu_trains(chunk: Any) -> None:
    step = parts().step if chunk == "eager" else compiled(parts().step, chunk=chunk)
    states, scores = trained(step, "cuda")
    _, expected = trained(parts().step, "cpu")
    assert scores == pytest.approx(expected, rel=1e-3)
    assert {leaf.device.type for leaf in tree.leaves(states)} == {"cuda"}

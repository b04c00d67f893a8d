"""Footprint: the memory that an ensemble will need."""

from collections.abc import Callable
from typing import Any

import attrs
import torch

from artifact_fn import tree
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.ensemble import Ensemble
from artifact_fn.training.preflight import first_batch
from artifact_fn.training.state import TrainState


@attrs.frozen
class Footprint:
    """Memory that members need together, in bytes.

    Attributes:
        members: How many there are.
        at_once: How many of them a step works on at the same time.
        state: Of one state of all of them; a step holds the old and the new one.
        working: Of what a step makes besides: activations, gradients, batches.

    Example:
        >>> Footprint(members=64, at_once=16, state=2_000_000, working=800_000).total
        4800000
    """

    members: int
    at_once: int
    state: int
    working: int

    @property
    def total(self) -> int:
        """Two states and what a step makes besides."""
        return 2 * self.state + self.working

    def __str__(self) -> str:
        return (
            f"{self.members} members, {self.at_once} at once: {_text(self.total)}, of which "
            f"{_text(self.state)} a state of all and {_text(self.working)} at work"
        )


def footprint(together: Ensemble, step: Step[TrainState, Any], source: Source[Any]) -> Footprint:
    """What training an ensemble will use, as measured on an eager step of one member.

    A compiled step fuses operations and needs less. Choose `ensemble(..., at_once=...)` by it.

    Args:
        together: The ensemble.
        step: Of one member, not compiled.
        source: What one member reads.

    Raises:
        DataError: the source yields nothing.

    Example:
        >>> used = Footprint(members=64, at_once=16, state=2_000_000, working=800_000)
        >>> print(used)
        64 members, 16 at once: 4.8 MB, of which 2.0 MB a state of all and 800.0 kB at work
    """
    batch = first_batch(source)
    one = together.member(together.state, 0)
    batches = sum(leaf.nbytes for leaf in tree.leaves(batch))
    own = sum(leaf.nbytes for leaf in tree.leaves(one))
    at_once = min(together.at_once or len(together), len(together))
    # The new state is in what a step has made at its peak, and counted by itself.
    made = max(0, peak_bytes(lambda: step(one, batch)) - own) + batches
    state = sum(leaf.nbytes for leaf in tree.leaves(together.state))
    return Footprint(len(together), at_once, state, at_once * made)


def peak_bytes(function: Callable[[], Any]) -> int:
    """The most bytes on the CPU that a function has at one time, of those it makes itself."""
    with (
        torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile,
        torch.no_grad(),
    ):
        answer = function()
    assert profile.profiler is not None
    assert profile.profiler.kineto_results is not None
    alive = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            peak = max(peak, alive)
    del answer
    return peak


def _text(size: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"

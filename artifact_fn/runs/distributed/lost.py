"""Lost: what can happen to one of the processes of a run, as typed faults."""

from artifact_fn.runs.faults import Fault


class Lost(Fault):
    """A process has ended, or was stopped, while others still needed it.

    Attributes:
        ranks: Which.
        step: The last one that they were known to be at.
    """

    def __init__(self, ranks: tuple[int, ...], step: int) -> None:
        super().__init__(
            f"rank {', '.join(map(str, ranks))} has died",
            got=f"no sign of life after step {step}",
            do="look at what it wrote last; torchrun --max-restarts=3 goes on from the last "
            "checkpoint by itself",
        )
        self.ranks, self.step = ranks, step


class Stalled(Fault):
    """A process lives, and the others have waited for it in vain.

    Attributes:
        ranks: Which.
        step: The last one that they were known to be at.
    """

    def __init__(self, ranks: tuple[int, ...], step: int, timeout: float) -> None:
        super().__init__(
            f"rank {', '.join(map(str, ranks))} has kept the others waiting",
            got=f"nothing from it after step {step} in {timeout:g} s",
            do="look for a slow disk, a full device or a deadlock there, or wait longer: "
            "processes(timeout=...)",
        )
        self.ranks, self.step = ranks, step


class Elsewhere(Fault):
    """The run has ended in rank 0, which tells the others why."""

    def __init__(self, said: str) -> None:
        super().__init__("the run has ended in rank 0", got=said, do="do there what it says")

"""Runs: effects. The only code that touches the screen, the clock and the disk."""

from artifact_fn.runs.progress import progress

__all__ = ["progress"]

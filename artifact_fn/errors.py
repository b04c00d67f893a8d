"""Errors: every exception the package raises.

Each message has three parts: what was wrong, what was got, what to do. They are kept as
attributes too, so that a program can show them its own way.
"""


class ArtifactFnError(Exception):
    """Base of every error of the package.

    Args:
        what: What was wrong, one clause without a full stop.
        got: The offending value, described.
        do: What to do about it.

    Example:
        >>> raise DataError("a table needs rows", got="0 rows", do="give at least one row")
        Traceback (most recent call last):
            ...
        artifact_fn.errors.DataError: a table needs rows; got 0 rows; give at least one row
    """

    def __init__(self, what: str, *, got: str, do: str) -> None:
        super().__init__(f"{what}; got {got}; {do}")
        self.what = what
        self.got = got
        self.do = do


class TreeError(ArtifactFnError):
    """A pytree has a leaf, field or structure that the operation cannot take."""


class KeyDataError(ArtifactFnError):
    """A random key, or what it is asked to draw, is out of range."""


class FoldError(ArtifactFnError):
    """A fold, stopper, selection or cadence was configured with impossible values."""


class ScoreError(ArtifactFnError):
    """A fold reads a score that nothing in the stream makes."""


class OptimError(ArtifactFnError):
    """A transform, rule, schedule or chain was configured with impossible values."""


class ModelError(ArtifactFnError):
    """A module cannot be made, or called, as a pure function."""


class ObjectiveError(ArtifactFnError):
    """An objective answered something that cannot be minimised."""


class MetricError(ArtifactFnError):
    """A metric is not a statistic of tensors, or reads what the batch does not hold."""


class PurityError(ArtifactFnError):
    """A step changed its arguments or drew from a global generator."""


class DataError(ArtifactFnError):
    """A table, loader or batch is malformed."""


class CursorError(DataError):
    """A source that cannot be read from the middle of an epoch was asked to.

    Example:
        >>> from artifact_fn.data import from_batches
        >>> stream = from_batches(lambda key, epoch: iter([]))
        >>> try:
        ...     next(stream.batches(None, epoch=1, start=3))
        ... except CursorError as error:
        ...     error.got
        'start=3'
    """


class ValidationError(ArtifactFnError):
    """A specification, an artifact's parameter, or what was generated or classified is impossible."""


class LawError(ArtifactFnError, AssertionError):
    """A part breaks one of the laws that `artifact_fn.testing` checks."""


class CompileError(ArtifactFnError):
    """A step could not be compiled."""


class NonFiniteError(ArtifactFnError):
    """Too many updates in a row had gradients that are NaN or infinite.

    Attributes:
        leaf: Path of the first parameter whose gradient was not finite.
        step: Of the update that made the row full, from 1.
    """

    def __init__(self, what: str, *, got: str, do: str, leaf: str, step: int) -> None:
        super().__init__(what, got=got, do=do)
        self.leaf, self.step = leaf, step


class EnsembleError(ArtifactFnError):
    """Members of an ensemble cannot be made, or trained, together."""


class ExtraError(ArtifactFnError, ModuleNotFoundError):
    """A package that only an extra of artifact-fn brings is not installed.

    Example:
        >>> from artifact_fn.extras import extra
        >>> try:
        ...     with extra("plots", "not_installed"): ...
        ... except ExtraError as error:
        ...     error.do
        'pip install "artifact-fn[plots]"'
    """


class ParallelError(ArtifactFnError):
    """Processes cannot train together, or no longer agree."""


class SweepError(ArtifactFnError):
    """A sweep was configured with impossible values, or what it needs is not installed."""


class CommandError(ArtifactFnError):
    """A command was given what it cannot take.

    Example:
        >>> error = CommandError("a run is to be told", got="no directory", do="name its directory")
        >>> error.do
        'name its directory'
    """

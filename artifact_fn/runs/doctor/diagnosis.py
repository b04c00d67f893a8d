"""Diagnosis: what the doctor has found, and what it has measured."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Finding:
    """Something wrong, in three breaths.

    Attributes:
        kind: Of fault, for scripts: `"host sync"`, `"unused parameter"`, ...
        what: What was wrong.
        got: Where, or what was met.
        do: What to do about it.

    Example:
        >>> print(Finding("unused parameter", "a parameter is not used", "head.bias", "remove it"))
        a parameter is not used; got head.bias; remove it
    """

    kind: str
    what: str
    got: str
    do: str

    def __str__(self) -> str:
        """As errors say it."""
        return f"{self.what}; got {self.got}; {self.do}"


@attrs.frozen
class Diagnosis:
    """An experiment examined.

    Attributes:
        findings: What is wrong; nothing, where all is well.
        notes: What is worth knowing and no fault.
        measured: Figures by name, in seconds, bytes, steps a second; losses of the overfit check.
        skipped: Checks that were not made, and why.

    Example:
        >>> found = Diagnosis(measured={"step": 0.25}, skipped=("overfit: not asked for",))
        >>> found.well, found.measured["step"]
        (True, 0.25)
    """

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    measured: Mapping[str, float] = attrs.field(factory=dict)
    skipped: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

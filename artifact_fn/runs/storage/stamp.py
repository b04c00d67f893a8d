"""Stamp: a moment of the wall clock, as text for people, in UTC."""

import calendar
import time

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def stamp() -> str:
    """This moment."""
    return time.strftime(_FORM, time.gmtime())


def seconds_of(text: str) -> float:
    """Undo `stamp`: seconds since 1970.

    Example:
        >>> seconds_of("1970-01-02T00:00:01Z")
        86401.0
    """
    return float(calendar.timegm(time.strptime(text, _FORM)))

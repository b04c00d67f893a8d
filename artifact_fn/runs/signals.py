"""Signals: told to whoever asks, instead of ending the process where it stands."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import attrs

DEFAULT = (signal.SIGTERM, signal.SIGINT)
"""What is listened for where nobody says otherwise."""


@attrs.define
class _Heard:
    number: int | None = None


@contextlib.contextmanager
def listening(numbers: Sequence[int] = DEFAULT) -> Iterator[Callable[[], int | None]]:
    """Listen for signals; afterwards they mean what they meant before.

    The first one is noted, and gives all of them their former meaning back, so a second one acts
    at once. Python lets only the main thread listen; in others nothing is heard.

    Yields:
        A function that answers the number of the first signal, or None.
    """
    heard = _Heard()
    if threading.current_thread() is not threading.main_thread():
        yield lambda: heard.number
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def note(number: int, _: FrameType | None) -> None:
        heard.number = number
        restore()

    for number in numbers:
        before[number] = signal.signal(number, note)
    try:
        yield lambda: heard.number
    finally:
        restore()

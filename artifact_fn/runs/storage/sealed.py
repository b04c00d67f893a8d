"""Sealed: a JSON record with its own digest, in one form only.

Every byte counts: a record that was changed anywhere, white space too, does not open.
"""

import hashlib
import json
from typing import Any

from artifact_fn.errors import DataError

HEAD = b'{"check":"'
"""How every line begins, and how nothing within one does."""

_MIDDLE, _TAIL = b'","record":', b"}\n"
_CHECK = 64
FIRST = "0" * _CHECK
"""What the first record of a chain follows."""


class BrokenError(DataError):
    """Bytes that are no sealed record."""


def seal(record: dict[str, Any], after: str = FIRST) -> tuple[bytes, str]:
    r"""A record as a line of JSON, and its check.

    Args:
        record: Of what JSON knows; NaN and infinity are refused.
        after: The check of the record before it, so that none can be lost from a chain.

    Example:
        >>> seal({"epoch": 1})[0][-24:]
        b'","record":{"epoch":1}}\n'
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    check = hashlib.sha256(after.encode() + text).hexdigest()
    return HEAD + check.encode() + _MIDDLE + text + _TAIL, check


def unseal(line: bytes, after: str = FIRST) -> tuple[dict[str, Any], str]:
    """Undo `seal`: the record and its check.

    Raises:
        BrokenError: it says why.

    Example:
        >>> unseal(seal({"epoch": 1})[0])[0]
        {'epoch': 1}
    """
    start = len(HEAD) + _CHECK + len(_MIDDLE)
    check = line[len(HEAD) : len(HEAD) + _CHECK].decode("ascii", "replace")
    text = line[start : -len(_TAIL)]
    if line != HEAD + check.encode() + _MIDDLE + text + _TAIL:
        raise _broken("no sealed record")
    if hashlib.sha256(after.encode() + text).hexdigest() != check:
        raise _broken("a record that does not agree with its check")
    record: dict[str, Any] = json.loads(text)
    return record, check


def _broken(got: str) -> BrokenError:
    return BrokenError("a record has been changed", got=got, do="restore it from a copy")

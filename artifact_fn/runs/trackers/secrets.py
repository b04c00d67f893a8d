"""Secrets: they come from the environment, and go nowhere but to their backend."""

import os
import re
from urllib.parse import urlsplit

from artifact_fn.runs.trackers.contract import TrackerError

_SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 6  # shorter values occur in any text
_USER = re.compile(r"(?<=://)[^/@\s]+@")


def redacted(text: str) -> str:
    """A text without the values of secret variables and without users in addresses.

    Example:
        >>> redacted("GET https://me:hush@host/run failed")
        'GET https://***@host/run failed'
    """
    values = {
        value
        for name, value in os.environ.items()
        if _SECRET.search(name) and len(value) >= _SHORTEST
    }
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return _USER.sub("***@", text)


def check_address(address: str, variables: str) -> None:
    """Refuse an address with a password in it.

    Args:
        address: A URI.
        variables: Of the environment, from which the backend reads who is asking.

    Raises:
        TrackerError: it has a user in it.
    """
    if "@" in urlsplit(address).netloc:
        raise TrackerError(
            "an address holds no credentials",
            got=redacted(address),
            do=f"leave them out, and set {variables} in the environment",
        )

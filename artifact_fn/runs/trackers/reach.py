"""Reach: whether anybody listens at an address."""

import socket
import urllib.request
from urllib.parse import urlsplit


def reach(address: str) -> None:
    """Knock, because the client itself tries for four minutes before it says that nobody answers.

    Args:
        address: A URI; of other schemes than http and https nothing is asked.

    Raises:
        OSError: nobody listens there.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return
    if parts.scheme in urllib.request.getproxies():
        return  # somebody else knows the way
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname, port), timeout=10).close()

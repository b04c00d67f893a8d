"""Kernels: a cache of compiled programs for each worker of a machine, kept for the next sweep.

Inductor's cache is not safe from two processes that write to it at once.
"""

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterator

from artifact_fn.runs.storage import files
from artifact_fn.training.graph import default_cache
from artifact_fn.training.library import cache_at


@contextlib.contextmanager
def own_cache() -> Iterator[None]:
    """Compile into the first cache that no other worker of this machine uses.

    Raises:
        Storage: the disk refuses.
    """
    shared = default_cache()
    files.make(shared.absolute())
    for i in itertools.count():
        path = shared / f"worker-{i}"
        with files.told(path):
            handle = os.open(
                path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with cache_at(path):
                    yield
                return
        finally:
            os.close(handle)

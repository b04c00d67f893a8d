"""Cluster: where the trials of a sweep are run."""

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from artifact_fn.errors import SweepError

MEMORY = 200 * 2**20
"""Bytes of the object store of a cluster that is started here: what goes through it is scores."""

_OURS = {
    # Where a workflow reads a relative path, it means the directory of the program.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # What a trial has done is in its own journal.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # An interrupt is told to whoever has called, not answered with half a sweep.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # The other display cannot be silenced.
    "RAY_AIR_NEW_OUTPUT": "0",
}


def tune() -> Any:
    """Ray Tune.

    Raises:
        SweepError: it is not installed.
    """
    try:
        return importlib.import_module("ray.tune")
    except ImportError as cause:
        raise SweepError(
            "a sweep needs Ray Tune, which cannot be imported",
            got=f"{type(cause).__name__}: {cause}",
            do="pip install 'artifact-fn[ray]'",
        ) from cause


@contextlib.contextmanager
def joined(address: str | None, workers: int | None) -> Iterator[None]:
    """Be part of a cluster for a while.

    One that this process is part of already is used and left as it is. Without one and without an
    address a cluster of this machine alone is started: on loopback, without a dashboard, telling
    nobody that it is used.

    Args:
        address: Of a cluster that is there, e.g. `"auto"` or `"10.0.0.1:6379"`.
        workers: CPUs of one that is started here; None for those there are.
    """
    ray = importlib.import_module("ray")
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": MEMORY,
            "_node_ip_address": "127.0.0.1",
        }
    with environment({"RAY_USAGE_STATS_ENABLED": "0"}):
        ray.init(address=address or "local", **options)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Have Tune leave working directories, logs and the screen alone."""
    with environment({name: value for name, value in _OURS.items() if name not in os.environ}):
        yield


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, set for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""Provenance: on what a run was begun, and what of it makes other bits."""

import functools
import hashlib
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import artifact_fn
from artifact_fn.runs.storage.stamp import stamp

_PACKAGES = ("artifact-fn", "torch", "numpy", "pandas", "attrs", "safetensors")


def environment() -> dict[str, Any]:
    """Everything about this process and machine that is worth writing down.

    Returns:
        Under `bits` what may change the last bits of a result; under `facts` all else.
    """
    return {
        "bits": {
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
            "artifact-fn": f"{_version('artifact-fn')} {_source()}",
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "cuda": str(torch.version.cuda),
            "float32 matmul": torch.get_float32_matmul_precision(),
            "default dtype": str(torch.get_default_dtype()),
        },
        "facts": {
            "git": _git(),
            "host": socket.gethostname(),
            "command": sys.argv,
            "began": stamp(),
        },
    }


def moved(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What may change bits and differs, for people.

    Example:
        >>> moved({"threads": 1}, {"threads": 2})
        ['threads 1 then, 2 now']
    """
    return [
        f"{name} {before.get(name)} then, {now.get(name)} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def said(value: object) -> str:
    """Something of an environment, as text.

    Example:
        >>> said(["train.py", "--epochs"]), said(2)
        ('train.py --epochs', '2')
    """
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def _source() -> str:
    """A digest of this package's own source: a version may be worked on."""
    root = Path(artifact_fn.__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        hashed.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()[:12]


def _git() -> str | None:
    """The revision of the working directory, with a `+` where something is not committed."""
    commands = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "-uno"])
    try:
        revision, changes = (
            subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=10, cwd=os.getcwd()
            ).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return revision + ("+" if changes else "")

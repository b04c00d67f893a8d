"""Environments: where each competitor's Python lies, and how it is installed."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(
    os.environ.get("ARTIFACT_FN_BENCH")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artifact_fn" / "bench"
)
"""Directory of the peers' virtual environments; `$ARTIFACT_FN_BENCH` says otherwise."""

NEEDS = {
    "jax": ["jax>=0.10,<0.11", "optax>=0.2.8,<0.3", "flax>=0.12,<0.13", "numpy"],
    "lightning": ["torch>=2.13,<2.14", "lightning>=2.6,<2.7"],
    "artifact-core": ["artifact-core>=0.2.1,<0.3"],
    # matplotlib 3.11 breaks seven of its plots.
    "artifact-torch": ["artifact-torch==0.1.5", "torch>=2.13,<2.14", "matplotlib>=3.10.1,<3.11"],
}

LIVES = {
    "ours": None,
    "ensemble": None,
    "single-step": None,
    "plain": None,
    "fused": None,
    "lightning": "lightning",
    "jax-jit": "jax",
    "jax-scan": "jax",
    "artifact-core": "artifact-core",
    "artifact-torch": "artifact-torch",
}
"""Which environment each competitor needs; None for the one that runs the benchmark."""


def python(competitor: str) -> Path | None:
    """The interpreter of a competitor; None where it is not installed."""
    environment = LIVES[competitor]
    if environment is None:
        return Path(sys.executable)
    found = HOME / environment / "bin" / "python"
    return found if (HOME / environment / "installed").exists() else None


def setup() -> None:
    """Make every peer's environment anew."""
    for name, needs in NEEDS.items():
        place = HOME / name
        print(f"{place}: {' '.join(needs)}", flush=True)
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([place / "bin" / "pip", "install", "--quiet", *needs], check=True)
        (place / "installed").touch()


def versions() -> str:
    """One line: machine, Python, and the version of every peer's library."""
    code = (
        "import importlib.metadata as m\n"
        "for n in ('torch', 'lightning', 'jax', 'jaxlib', 'optax', 'numpy', 'artifact-torch', 'matplotlib'):\n"
        "    try: print(n, m.version(n), end='  ')\n"
        "    except m.PackageNotFoundError: pass"
    )
    told: dict[Path, tuple[str, str]] = {}
    for name in dict.fromkeys(LIVES):
        interpreter = python(name)
        if interpreter is not None:
            found = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
            told.setdefault(interpreter, (name, found.stdout.strip()))
    return "\n".join(f"# {name}: {text}" for name, text in told.values())


def machine() -> str:
    """One line: the processor, its cores and Python's version."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return f"# {cpu}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"

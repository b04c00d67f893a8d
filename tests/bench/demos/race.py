"""Race: a demo whole, from the start of its process to the end, in artifact-torch's manner and in ours.

Theirs runs in an environment of its own with its program written against its public classes
(`tests/bench/peers`), and waits at the end until all it has queued is on disk. Ours runs twice: with
no kernels cached, and with those that the first turn has left.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

from tests.bench import environments

ROOT = Path(__file__).resolve().parents[3]


@attrs.frozen
class Turn:
    """What a process took.

    Attributes:
        seconds: From its start to its end.
        peak: Resident bytes at most, of it or a child of it.
        files: What it left behind: figures, arrays, and all else.
        told: Its last line.
    """

    seconds: float
    peak: int
    files: dict[str, int]
    told: str


def race(name: str, csv: str | None, rounds: int) -> None:
    """Both on the same table; print times, files and ratios."""
    if csv is None:
        raise SystemExit(f"{name} needs --csv: the table as artifact-torch's repository has it")
    kind = name.removeprefix("demo-")
    print(environments.machine(), environments.versions(), sep="\n")
    path, place = str(Path(csv).resolve()), Path(tempfile.mkdtemp())
    threads = {"OMP_NUM_THREADS": str(os.cpu_count())}
    try:
        ours: dict[str, list[Turn]] = {"cold": [], "warm": []}
        for i in range(rounds):
            cache = {**threads, "TORCHINDUCTOR_CACHE_DIR": str(place / f"cache-{i}")}
            for how, turns in ours.items():
                to = place / f"{how}-{i}"
                module = ["-m", f"tests.bench.demos.{kind}", path, str(to)]
                turns.append(turn([sys.executable, *module], to, cache))
                _say(f"ours, {how}", turns[-1])
        peer = environments.python("artifact-torch")
        if peer is None:
            print("missing artifact-torch: python -m tests.bench setup")
            return
        theirs = []
        for i in range(rounds):
            home = place / f"home-{i}"
            home.mkdir()
            module = ["-W", "ignore", "-m", f"tests.bench.peers.torch_{kind}", path]
            theirs.append(turn([str(peer), *module], home, {**threads, "HOME": str(home)}))
            _say("artifact-torch", theirs[-1])
    finally:
        shutil.rmtree(place)
    other = statistics.median(turn.seconds for turn in theirs)
    for how, turns in ours.items():
        ratio = other / statistics.median(turn.seconds for turn in turns)
        print(f"ratio {name} artifact-torch {ratio:.1f}  # {how}")


def turn(command: list[str], left: Path, environment: dict[str, str]) -> Turn:
    """Run a program to its end."""
    # Into a file: a pipe has an end only when no helper of the process holds it any more.
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as complaints:
        began = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "MPLBACKEND": "agg", **environment},
            stdout=told,
            stderr=complaints,
        )
        seconds = time.perf_counter() - began
        told.seek(0)
        complaints.seek(0)
        lines, trouble = told.read().splitlines(), complaints.read()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} has failed:\n{trouble[-3000:]}")
    counts = {".png": 0, ".npz": 0, "other": 0}
    for path in left.rglob("*"):
        if path.is_file():
            counts[path.suffix if path.suffix in counts else "other"] += 1
    # Of all children so far: it only grows, so the first large one is known by its own line.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Turn(seconds, peak, counts, lines[-1] if lines else "")


def _say(who: str, turn: Turn) -> None:
    files = ", ".join(f"{count} {suffix}" for suffix, count in turn.files.items())
    print(f"{who:15} {turn.seconds:7.1f} s  peak so far {turn.peak / 1e9:.2f} GB  {files}")
    print(f"# {turn.told[:400]}", flush=True)

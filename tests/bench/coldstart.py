"""Cold start: from the start of a process to the end of its first epoch."""

import shutil
import statistics
import tempfile
import time

from tests.bench import environments
from tests.bench.race import waiting
from tests.bench.tasks import TASKS


def coldstart(rounds: int) -> None:
    """The small model, with no cache and with a warm one, beside JAX's scan."""
    task = TASKS["small"]
    print(environments.machine(), f"threads={task.threads}", sep="  ")
    whole: dict[str, list[float]] = {"cold": [], "warm": [], "jax-scan": []}
    import_: dict[str, list[float]] = {name: [] for name in whole}
    rivals = environments.python("jax-scan") is not None
    for _ in range(rounds):
        cache = tempfile.mkdtemp()
        try:
            for name in whole:
                if name == "jax-scan" and not rivals:
                    continue
                competitor = "jax-scan" if name == "jax-scan" else "ours"
                began = time.perf_counter()
                with waiting(
                    competitor, task, cores="all", TORCHINDUCTOR_CACHE_DIR=cache
                ) as worker:
                    whole[name].append(time.perf_counter() - began)
                    import_[name].append(worker.first["imported"])
        finally:
            shutil.rmtree(cache)
    print(f"{'':10} {'seconds':>8} {'import':>8} {'beyond':>8}")
    for name, found in whole.items():
        if found:
            total, imported = statistics.median(found), statistics.median(import_[name])
            print(f"{name:10} {total:8.1f} {imported:8.1f} {total - imported:8.1f}")
    if not rivals:
        print("missing jax-scan: python -m tests.bench setup")
        return
    for name in ("cold", "warm"):
        ratio = statistics.median(whole["jax-scan"]) / statistics.median(whole[name])
        print(f"ratio coldstart-{name} jax-scan {ratio:.2f}")
    print(
        "ratio coldstart jax-scan "
        f"{statistics.median(whole['jax-scan']) / statistics.median(whole['cold']):.2f}"
    )

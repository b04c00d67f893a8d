"""Optim: the update of each rule, compiled, against torch.optim's three implementations on CPU.

    python -m tests.bench.optim [--rules sgd adamw ...] [--rounds 20] [--threads 1] [--json FILE]

100 tensors of 1,001,100 numbers (50 layers of 141 x 141), float32. All competitors of a rule are
set up first and then take turns, so that what else the machine does falls on all of them; told
are the medians of their times, and ratios of medians within this one run. Ours is timed in two
ways: `new` makes new tensors, as a step that is called does; `owned` overwrites the old ones, as
an epoch does between its cuts. Compiling takes a minute a rule or so, and is not in the times.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artifact_fn import optim, random
from artifact_fn.training import compiled
from artifact_fn.training.statistics import Metrics

LAYERS, WIDTH = 50, 141
THEIRS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
    "radam": "RAdam",
    "adamax": "Adamax",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "asgd": "ASGD",
    "rprop": "Rprop",
    "muon": "Muon",
}
OPTIONS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}}
RULES = [*THEIRS, "lion"]


def drawn(seed: int, *, matrices: bool) -> dict[str, Tensor]:
    """Parameters or gradients; muon's are matrices only."""
    shapes = {f"{i}.weight": (WIDTH, WIDTH) for i in range(LAYERS)}
    biases = {f"{i}.bias": (WIDTH,) for i in range(LAYERS)}
    every = shapes if matrices else {**shapes, **biases}
    keys = random.split(random.key(seed), len(every))
    return {n: random.normal(k, s) * 0.1 for (n, s), k in zip(every.items(), keys, strict=True)}


def ours(name: str, params: dict[str, Tensor], grads: Any) -> dict[str, Callable[[], None]]:
    """The compiled update, in both ways."""
    rule = getattr(optim, name)(**OPTIONS.get(name, {}))

    def update(state: Any, batch: Any) -> tuple[Any, Metrics]:
        return rule.update(batch, state[1], state[0]), {}

    wrapped = compiled(update)
    held = {"new": (params, rule.init(params)), "owned": (params, rule.init(params))}
    held["owned"] = wrapped(held["owned"], grads)[0]  # tensors that nobody else holds

    def new() -> None:
        held["new"], _ = wrapped(held["new"], grads)

    def owned() -> None:
        held["owned"], _ = wrapped.owned(held["owned"], grads)

    return {"new": new, "owned": owned}


def theirs(name: str, params: dict[str, Tensor], grads: Any) -> dict[str, Callable[[], None]]:
    """torch.optim, as far as it has the rule and the implementation."""
    found: dict[str, Callable[[], None]] = {}
    if name not in THEIRS:
        return found
    ways: dict[str, dict[str, Any]] = {
        "single": {"foreach": False},
        "foreach": {"foreach": True},
        "fused": {"fused": True},
    }
    for way, option in {"single": {}}.items() if name == "muon" else ways.items():
        leaves = {n: torch.nn.Parameter(param.clone()) for n, param in params.items()}
        for n, leaf in leaves.items():
            leaf.grad = grads[n].clone()
        make = getattr(torch.optim, THEIRS[name])
        try:
            optimizer = make(list(leaves.values()), **OPTIONS.get(name, {}), **option)
            optimizer.step()
        except (TypeError, RuntimeError):
            continue  # there is no fused one of this rule
        found[way] = optimizer.step
    return found


def timed(competitors: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median microseconds of an update, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for turn in range(rounds + 2):
        for name, run in competitors.items():
            began = time.perf_counter()
            run()
            if turn >= 2:
                times[name].append((time.perf_counter() - began) * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def main(rules: list[str], rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Time each rule, print a table of it."""
    torch.set_num_threads(threads)
    columns = ["new", "owned", "single", "foreach", "fused"]
    print(f"{torch.__version__}, {threads} thread(s), {rounds} rounds, microseconds an update")
    print("rule      " + "".join(f"{c:>9}" for c in columns) + "   owned / single  foreach  fused")
    results = {}
    for name in rules:
        params = drawn(1, matrices=name == "muon")
        grads = drawn(2, matrices=name == "muon")
        found = timed({**ours(name, params, grads), **theirs(name, params, grads)}, rounds)
        cells = "".join(f"{found[c]:9.0f}" if c in found else f"{'-':>9}" for c in columns)
        ratios = "".join(
            f"{found['owned'] / found[c]:9.2f}" if c in found else f"{'-':>9}" for c in columns[2:]
        )
        print(f"{name:<10}{cells}        {ratios}", flush=True)
        results[name] = found
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    answer = main(given.rules, given.rounds, given.threads)
    if given.json is not None:
        given.json.write_text(json.dumps(answer, indent=1), encoding="utf-8")

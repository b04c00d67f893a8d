"""Validation: how long the scores of both toolkits take, beside artifact-core's.

    python -m tests.bench.validation [--peer PYTHON] [--heart CSV] [--arthritis CSV]

`--peer` is the Python of an environment that has artifact-core (it holds pandas back, so it is best one
of its own); this one is asked when it has it. Without the files, drawn data of the same size are used.
One thread. Ours is the median of several turns; the peer's, timed after it in the same run, the faster of two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables

CATEGORICAL = ["Sex", "ChestPainType", "FastingBS", "RestingECG", "ExerciseAngina", "ST_Slope", "HeartDisease"]  # fmt: skip
CORE_TABLES = {"MEAN_JS_DISTANCE", "CORRELATION_DISTANCE", "JS_DISTANCE"}
MORE = {"BRIER", "EXPECTED_CALIBRATION_ERROR", "TUNED_THRESHOLD"}
LIMITS = {
    "all 20 binary scores": 0.050,
    "all table scores and collections": 0.100,
    "the same with our own": 0.150,
}
TURNS = 15


def heart(path: str | None) -> pd.DataFrame:
    """918 x 12, five columns of them continuous."""
    if path:
        return pd.read_csv(path, index_col=0)
    drawn, n = np.random.default_rng(0), 918
    frame = pd.DataFrame(
        {name: drawn.normal(50, 10, n).round(1) for name in ("Age", "RestingBP", "Cholesterol", "MaxHR", "Oldpeak")}
    )  # fmt: skip
    for name in CATEGORICAL:
        frame[name] = drawn.choice(["a", "b", "c", "d"], n)
    return frame


def arthritis(path: str | None) -> tuple[list[str], list[float]]:
    """10,000 true classes, with the probabilities of a mediocre classifier."""
    drawn = np.random.default_rng(1)
    if path:
        true = pd.read_csv(path)["arthritis_true"].to_numpy()
    else:
        true = (drawn.random(10_000) < 0.4).astype(int)
    chance = 1 / (1 + np.exp(-(drawn.normal(size=len(true)) + 2 * true - 1)))
    return [str(y) for y in true], [float(p) for p in chance]


def seconds(work: Callable[[], Any]) -> float:
    """The median of several turns, the first one left out."""
    took = []
    for _ in range(TURNS + 1):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took[1:])


def every(artifacts: Mapping[str, Callable[[Any], Any]], data: Any, names: Any = None) -> None:
    for name, artifact in artifacts.items():
        if names is None or name in names:
            artifact(data)


def measured(given: dict[str, Any]) -> dict[str, float]:
    """Ours: seconds by what was done."""
    real, synthetic = (pd.DataFrame(given[name]) for name in ("real", "synthetic"))
    spec = tables.TabularSpec.from_frame(real, categorical=CATEGORICAL)
    pair = tables.compare(spec, real, synthetic)
    classes = binary.BinarySpec(("0", "1"), positive="1")

    def label_set() -> binary.Classified:
        return binary.classified(
            classes, given["true"], predicted=given["predicted"], probability=given["probability"]
        )

    rows = label_set()
    core = set(binary.SCORES) - MORE

    def table_core() -> None:
        every(tables.SCORES, pair, CORE_TABLES)
        every(tables.SCORE_COLLECTIONS, pair, CORE_TABLES)
        every(tables.ARRAY_COLLECTIONS, pair)

    def table_all() -> None:
        every(tables.SCORES, pair)
        every(tables.SCORE_COLLECTIONS, pair)
        every(tables.ARRAY_COLLECTIONS, pair)

    def binary_collections() -> None:
        every(binary.SCORE_COLLECTIONS, rows, set(binary.SCORE_COLLECTIONS) - MORE)
        every(binary.ARRAYS, rows)
        every(binary.ARRAY_COLLECTIONS, rows)

    return {
        "validating 10,000 labels": seconds(label_set),
        "all 20 binary scores": seconds(lambda: every(binary.SCORES, rows, core)),
        "all binary collections and arrays": seconds(binary_collections),
        "validating two tables": seconds(lambda: tables.compare(spec, real, synthetic)),
        "all table scores and collections": seconds(table_core),
        "the same with our own": seconds(table_all),
    }


def validation(
    peer: str | None = None, heart_csv: str | None = None, arthritis_csv: str | None = None
) -> None:
    """Ours and, where there is one, the peer's; ends the process with 1 where a bar is missed."""
    real = heart(heart_csv)
    synthetic = real.apply(lambda c: c.sample(frac=1.0, random_state=0).to_numpy())
    true, probability = arthritis(arthritis_csv)
    given = {
        "real": real.to_dict("list"),
        "synthetic": synthetic.to_dict("list"),
        "categorical": CATEGORICAL,
        "true": true,
        "predicted": ["1" if p >= 0.5 else "0" for p in probability],
        "probability": probability,
    }
    ours = measured(given)
    peer = peer or (sys.executable if find_spec("artifact_core") else None)
    theirs: dict[str, float] = {}
    if peer:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "given.json"
            path.write_text(json.dumps(given), encoding="utf-8")
            command = [peer, "-m", "tests.bench.peers.artifact_core", str(path)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
        theirs = json.loads(answer.stdout.splitlines()[-1])
    print(f"{'':38}{'ours ms':>10}{'core ms':>10}{'ratio':>9}{'bar ms':>8}")
    for name, took in ours.items():
        other = theirs.get(name)
        beside = f"{other * 1e3:10.1f}{other / took:8.0f}x" if other else f"{'-':>10}{'-':>9}"
        bar = f"{LIMITS[name] * 1e3:8.0f}" if name in LIMITS else f"{'':8}"
        print(f"{name:38}{took * 1e3:10.2f}{beside}{bar}")
    if not theirs:
        print("missing artifact-core: python -m tests.bench setup")
    met = all(ours[name] <= limit for name, limit in LIMITS.items())
    for name, other in theirs.items():
        if name in ours:
            print(f"ratio validation artifact-core {other / ours[name]:.1f}  # {name}")
    print(json.dumps({"ours": ours, "artifact-core": theirs, "met": met}))
    sys.exit(not met)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer")
    parser.add_argument("--heart")
    parser.add_argument("--arthritis")
    asked = parser.parse_args()
    validation(asked.peer, asked.heart, asked.arthritis)


if __name__ == "__main__":
    main()

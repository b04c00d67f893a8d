"""Cases: small tables and label sets, the same wherever numpy's PCG64 runs.

Imported by the tests and by tests/recorded/artifact_core.py, so it needs only numpy and pandas.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Tables:
    """A real and a synthetic table."""

    real: pd.DataFrame
    synthetic: pd.DataFrame
    continuous: list[str]
    categorical: list[str]

    def digest(self) -> str:
        text = self.real.to_csv() + self.synthetic.to_csv()
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Labels:
    """True classes, predicted ones, and probabilities of the class "1"."""

    true: list[str]
    predicted: list[str]
    probability: list[float] = field(default_factory=list)

    def digest(self) -> str:
        return hashlib.sha256(
            repr((self.true, self.predicted, self.probability)).encode()
        ).hexdigest()


def mixed(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Columns of every kind that depend on each other."""
    drawn = np.random.default_rng(seed)
    age = np.round(drawn.normal(50 + shift, 12, rows), 1)
    income = np.exp(drawn.normal(8, 1, rows)) + 20 * age
    smoker = (drawn.random(rows) < 0.2 + 0.004 * age).astype(int)
    region = drawn.choice(["north", "south", "west", "east"], rows, p=[0.5, 0.2, 0.2, 0.1])
    visits = drawn.poisson(1 + smoker + shift, rows)
    grade = np.where(drawn.random(rows) < 0.7, region, drawn.choice(["a", "b"], rows))
    return pd.DataFrame(
        {"age": age, "region": region, "income": income, "smoker": smoker, "visits": visits, "grade": grade}
    )  # fmt: skip


def tables() -> dict[str, Tables]:
    """By name."""
    cat, cts = ["region", "smoker", "grade"], ["age", "income", "visits"]
    real, synthetic = mixed(160, 1), mixed(110, 2, shift=3.0)
    drawn = np.random.default_rng(3)
    numbers = ["a", "b", "c"]
    ties = [
        pd.DataFrame(
            {
                "level": drawn.integers(0, 3, n),
                "half": drawn.integers(0, 4, n) / 2,
                "flag": drawn.choice(["y", "n"], n),
                "kind": drawn.choice(["p", "q", "r"], n),
            }
        )
        for n in (80, 60)
    ]
    constant = [
        pd.DataFrame({"same": [7.5] * n, "x": drawn.normal(0, 1, n), "only": ["u"] * n,
                      "k": drawn.choice(["s", "t"], n)})
        for n in (30, 20)
    ]  # fmt: skip
    skewed = [pd.DataFrame(drawn.standard_cauchy((n, 3)), columns=numbers) for n in (70, 90)]
    labels = [
        pd.DataFrame({c: drawn.integers(0, k, n).astype(str) for c, k in zip(numbers, (2, 2, 9), strict=True)})
        for n in (60, 60)
    ]  # fmt: skip
    unicode = [
        pd.DataFrame({"größe (mm)": drawn.normal(-5, 2, n), "色 $x$": drawn.choice(["赤", "青", "緑"], n)})
        for n in (40, 35)
    ]  # fmt: skip
    unseen = synthetic.assign(region=synthetic["region"].replace({"east": "moon", "west": "mars"}))
    return {
        "mixed": Tables(real, synthetic, cts, cat),
        "ties": Tables(ties[0], ties[1], ["level", "half"], ["flag", "kind"]),
        "constant": Tables(constant[0], constant[1], ["same", "x"], ["only", "k"]),
        "numbers": Tables(skewed[0], skewed[1], numbers, []),
        "labels": Tables(labels[0], labels[1], [], numbers),
        "unicode": Tables(unicode[0], unicode[1], ["größe (mm)"], ["色 $x$"]),
        "few rows": Tables(real[:5].copy(), real.iloc[[3, 0, 3]].copy(), cts, cat),
        "equal": Tables(real, real, cts, cat),
        "unseen": Tables(real, unseen, cts, cat),
    }


def label_sets() -> dict[str, Labels]:
    """By name."""
    drawn = np.random.default_rng(4)
    n = 120
    chance = drawn.random(n)
    true = (drawn.random(n) < chance).astype(int)

    def labels(y: np.ndarray, p: np.ndarray, threshold: float = 0.5) -> Labels:
        said = (p >= threshold).astype(int)
        return Labels([str(v) for v in y], [str(v) for v in said], [float(v) for v in p])

    rare = (drawn.random(n) < 0.03).astype(int)
    return {
        "random": labels(true, chance),
        "ties": labels(true, np.round(chance * 4) / 4),
        "another threshold": labels(true, chance, 0.8),
        "only positives": labels(np.ones(n, int), chance),
        "only negatives": labels(np.zeros(n, int), chance),
        "perfect": labels(true, np.where(true == 1, 0.9, 0.2)),
        "wrong": labels(true, np.where(true == 1, 0.1, 0.7)),
        "certain": labels(true, (chance > 0.4).astype(float)),
        "rare": labels(rare, chance),
        "nothing predicted": labels(true, chance * 0.4),
        "one row": Labels(["1"], ["0"], [0.25]),
        "no probabilities": Labels([str(v) for v in true], [str(int(v > 0.5)) for v in chance]),
    }

"""Examples: run as a user would run them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples"


def ran(*options: str, example: str = "binary_classification") -> dict[str, Any]:
    found = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{example}.py"), *options],
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(found.stdout.strip().splitlines()[-1])
    return answer


def test_binary_classification_eager_and_compiled(tmp_path: Path) -> None:
    compiled = ran("--out", str(tmp_path))
    eager = ran("--eager")
    assert list(compiled) == [
        "epochs",
        "stop",
        "best_epoch",
        "val/roc_auc",
        "val/accuracy",
        "digest",
    ]
    assert compiled["val/roc_auc"] >= 0.97
    for score in ("val/roc_auc", "val/accuracy"):
        assert abs(compiled[score] - eager[score]) <= 1e-3
    assert abs(compiled["epochs"] - eager["epochs"]) <= 1
    assert (tmp_path / "history.png").stat().st_size > 10_000
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,train/loss,")
    assert len(lines) == compiled["epochs"] + 1


def test_hypergradients_are_those_of_differences() -> None:
    answer = ran("--steps", "12", example="hypergradients")
    assert answer["gradients"].keys() == {"lr", "weight_decay", "weight"}
    for name, (ours, theirs) in answer["gradients"].items():
        assert abs(ours - theirs) <= 1e-5 * abs(theirs) + 1e-10, name
    assert answer["caught"] > answer["flipped"] / 2


def test_an_ensemble_of_seeds_and_rates(tmp_path: Path) -> None:
    answer = ran(
        "--seeds", "3", "--epochs", "6", "--eager", "--out", str(tmp_path), example="ensemble"
    )
    assert answer["members"] == 12
    assert answer["nll_of_all"] <= answer["nll_of_one"], "a mixture is never worse than its mean"
    assert (tmp_path / "ensemble.png").stat().st_size > 10_000

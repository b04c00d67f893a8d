"""Examples: run as a user would run them, or in this process with the same arguments."""

import contextlib
import io
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def ran_here(monkeypatch: pytest.MonkeyPatch, *options: str, example: str) -> dict[str, Any]:
    """As `ran`, in this process: importing torch takes longer than most examples."""
    monkeypatch.setattr(sys, "argv", [f"{example}.py", *options])
    with contextlib.redirect_stdout(io.StringIO()) as told:
        runpy.run_path(str(EXAMPLES / f"{example}.py"), run_name="__main__")
    answer: dict[str, Any] = json.loads(told.getvalue().strip().splitlines()[-1])
    return answer


def test_binary_classification_eager_and_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = ran("--out", str(tmp_path))
    eager = ran_here(monkeypatch, "--eager", example="binary_classification")
    assert list(compiled) == [
        "epochs",
        "stop",
        "best_epoch",
        "val/roc_auc",
        "val/accuracy",
        "val/BRIER",
        "digest",
    ]
    assert compiled["val/BRIER"] <= 0.05
    for name in ("ROC_CURVE", "PR_CURVE", "RELIABILITY"):
        assert (tmp_path / f"best_{name}.png").stat().st_size > 5_000
    assert compiled["val/roc_auc"] >= 0.97
    for score in ("val/roc_auc", "val/accuracy"):
        assert abs(compiled[score] - eager[score]) <= 1e-3
    assert abs(compiled["epochs"] - eager["epochs"]) <= 1
    assert (tmp_path / "history.png").stat().st_size > 10_000
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,train/loss,")
    assert len(lines) == compiled["epochs"] + 1


def test_diagnostics_draws_what_it_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eagerly: the compiled way is tried by the laws, and takes long to compile."""
    told = ran_here(
        monkeypatch, "--eager", "--epochs", "2", "--out", str(tmp_path), example="diagnostics"
    )
    assert list(told) == ["epochs", "train/loss", "val/accuracy", "figures", "digest"]
    assert told["val/accuracy"] >= 0.8
    drawn = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert drawn == [
        "epoch_01/val_confusion_matrix.png",
        "epoch_02/train_activations.png",
        "epoch_02/train_dead_units.png",
        "epoch_02/train_gradient_norms.png",
        "epoch_02/train_gradients.png",
        "epoch_02/train_update_ratios.png",
        "epoch_02/val_confusion_matrix.png",
    ]
    assert all(path.stat().st_size > 8_000 for path in tmp_path.rglob("*.png"))


def test_a_killed_run_goes_on_and_is_identical(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, EXAMPLES / "resume.py", "--eager", "--epochs", "2", "--out", tmp_path],
        check=True,
        capture_output=True,
        text=True,
    )
    killed, *_, whole, other, verdict = found.stdout.strip().splitlines()
    assert killed == "killed in epoch 2 after 24 batches"
    assert whole.split()[0] == other.split()[0]
    assert len(whole.split()[0]) == 64
    assert verdict == "identical"


def test_hypergradients_are_those_of_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ran_here(monkeypatch, "--steps", "12", example="hypergradients")
    assert answer["gradients"].keys() == {"lr", "weight_decay", "weight"}
    for name, (ours, theirs) in answer["gradients"].items():
        assert abs(ours - theirs) <= 1e-5 * abs(theirs) + 1e-10, name
    assert answer["caught"] > answer["flipped"] / 2


def test_an_ensemble_of_seeds_and_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ran_here(
        monkeypatch,
        "--seeds",
        "3",
        "--epochs",
        "6",
        "--eager",
        "--out",
        str(tmp_path),
        example="ensemble",
    )
    assert answer["members"] == 12
    assert answer["nll_of_all"] <= answer["nll_of_one"], "a mixture is never worse than its mean"
    assert (tmp_path / "ensemble.png").stat().st_size > 10_000


def test_a_run_is_told_of(tmp_path: Path) -> None:
    answer = ran("--backend", "files", "--out", str(tmp_path), example="tracking")
    assert answer == {"backend": "files", "epochs": 12, "points": 12 * 6}
    assert len(list(tmp_path.glob("told/*/epochs/*.json"))) == 12
    assert len(list(tmp_path.glob("told/*/artifacts/train/weights/*.png"))) == 6


def test_a_sweep_on_a_cluster_of_two_workers(tmp_path: Path) -> None:
    pytest.importorskip("ray.tune")
    out = tmp_path / "sweep"
    told = ran("--trials", "4", "--seeds", "2", "--epochs", "3", "--out", str(out), example="sweep")
    assert told["trials"] == 4
    assert told["failed"] == 0
    assert told["loaded_epochs"] == 3
    assert told["members"] == 2
    assert len(list(out.glob("trials/*/experiment.json"))) == 4


def test_an_optimizer_of_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ran_here(
        monkeypatch, "--eager", "--epochs", "6", "--out", str(tmp_path), example="custom_optimizer"
    )
    assert told.keys() == {"signum", "adamw"}
    assert max(told.values()) < 1.2, "of ten digits, chance is 2.3"
    assert (tmp_path / "custom_optimizer.png").stat().st_size > 10_000


def test_a_stopper_of_four_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ran_here(monkeypatch, "--eager", "--out", str(tmp_path), example="custom_stopper")
    assert told["stop"] == "val/loss was above 2 times train/loss for 3 epochs"
    assert told["best_epoch"] < told["epochs"] < 200
    assert (tmp_path / "custom_stopper.png").stat().st_size > 10_000


def test_rows_with_a_wrong_label_have_large_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ran_here(monkeypatch, "--out", str(tmp_path), example="per_sample_gradients")
    assert told["caught"] >= 0.7 * told["flipped"]
    assert (tmp_path / "per_sample_gradients.png").stat().st_size > 10_000


def test_a_transformer_learns_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For two epochs, of which the second is already far below chance among 22 letters."""
    told = ran_here(
        monkeypatch, "--eager", "--epochs", "2", "--out", str(tmp_path), example="text_transformer"
    )
    assert told["entropy"] < told["val/loss"] < 2.2
    assert (tmp_path / "text_transformer.png").stat().st_size > 10_000

"""The example of table synthesis, for a few epochs as a user would run it."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "table_synthesis.py"


@pytest.mark.skipif(find_spec("statsmodels") is None, reason="extra examples")
def test_table_synthesis_eager(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--eager", "--epochs", "20", "--out", str(tmp_path)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(found.stdout.strip().splitlines()[-1])
    assert answer["epochs"] == 20
    best, independent = answer["best"], answer["independent"]
    assert best["MEAN_JS_DISTANCE"] < 4 * answer["bootstrap"]["MEAN_JS_DISTANCE"]
    assert best["CORRELATION_DISTANCE"] < independent["CORRELATION_DISTANCE"]
    synthetic = pd.read_csv(tmp_path / "synthetic.csv")
    assert synthetic.shape == (944, 10)
    assert set(synthetic["vote"]) == {0, 1}
    history = pd.read_csv(tmp_path / "history.csv")
    assert {"train/MEAN_JS_DISTANCE", "train/QUALITY"} <= set(history.columns)
    for epoch in (10, 20):
        assert (tmp_path / f"epoch_{epoch}" / "train" / "PDF.png").stat().st_size > 10_000

"""MLflow in a browser: its own page shows the curves and the plots of the example."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.browser import browsing
from tests.runs.trackers.examples import until

mlflow = pytest.importorskip("mlflow", minversion="3")

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and what it is made of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The address of the example's run in MLflow's pages."""
    command = [sys.executable, str(ROOT / "examples" / "tracking.py"), "--backend", "mlflow"]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, capture_output=True)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("tracking").experiment_id
    (run,) = client.search_runs([experiment])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    command += ["--port", str(port), "--workers", "1"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as found:
                return bool(found.status == 200)
        except OSError:
            return False

    try:
        until(answers, 90)
        yield f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{run.info.run_id}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_its_pages_show_curves_and_a_plot(page: str, tmp_path: Path) -> None:
    place = Path(os.environ.get("SCREENSHOTS", tmp_path))
    with browsing() as browser:
        browser.size(1400, 1000)
        browser.open(f"{page}/model-metrics")
        lines = "return document.querySelectorAll('.js-line').length"
        until(lambda: browser.ask(lines) >= 3, 90)
        text = browser.ask("return document.body.innerText")
        assert "train/loss" in text
        browser.picture(place / "mlflow-curves.png")
        browser.open(f"{page}/artifacts/artifacts/train/weights/000012.png")
        wide = "return Math.max(0, ...[...document.images].map(i => i.naturalWidth))"
        until(lambda: browser.ask(wide) >= 300, 90)
        assert "weights/000012.png" in browser.ask("return document.body.innerText")
        browser.picture(place / "mlflow-plot.png")

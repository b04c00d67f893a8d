"""Apart: a process that obeys, fails, hangs, and ends with its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artifact_fn.runs.trackers import TrackerError
from artifact_fn.runs.trackers.apart import Apart, installed
from tests.runs.trackers.examples import until

TELLER = """
import os, time
print("what clients print goes nowhere")
class Teller:
    def __init__(self, about):
        self.path = about["path"]
        self.write(str(os.getpid()) + os.environ.get("SAID", ""))
        if about.get("refuse"):
            raise ValueError("not like this")
    def write(self, text):
        with open(self.path, "a") as file:
            file.write(text + "\\n")
    def send(self, order):
        if order["do"] == "hang":
            time.sleep(600)
        if order["do"] == "fail":
            raise OSError("no")
        if order["do"] == "die":
            os._exit(3)
        self.write(order["do"])
    def close(self, code):
        self.write(f"closed with {code}")
"""


@pytest.fixture
def teller(tmp_path: Path) -> Path:
    path = tmp_path / "teller.py"
    path.write_text(TELLER)
    return path


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_it_obeys(teller: Path, tmp_path: Path) -> None:
    apart = Apart(teller, 20, {"SAID": " it"}, {"path": str(tmp_path / "out")})
    apart.ask({"do": "this"})
    with pytest.raises(ConnectionError, match="OSError: no"):
        apart.ask({"do": "fail"})
    apart.ask({"do": "that"})
    apart.close(7)
    first, *rest = (tmp_path / "out").read_text().splitlines()
    assert rest == ["this", "that", "closed with 7"]
    pid, said = first.split()
    assert said == "it"
    assert gone(int(pid))


def test_one_that_does_not_answer_is_killed(teller: Path, tmp_path: Path) -> None:
    about = {"path": str(tmp_path / "out")}
    apart = Apart(teller, 20, {}, about)
    apart._patience = 0.2
    with pytest.raises(TimeoutError, match=r"no answer within 0\.2 s"):
        apart.ask({"do": "hang"})
    apart.close(0)  # in vain, and without a word
    with pytest.raises(ConnectionError, match="has ended"):
        Apart(teller, 20, {}, about).ask({"do": "die"})
    with pytest.raises(ConnectionError, match="ValueError: not like this"):
        Apart(teller, 20, {}, {**about, "refuse": True})
    assert all(gone(int(pid)) for pid in (tmp_path / "out").read_text().split())


def test_it_ends_with_its_parent(teller: Path, tmp_path: Path) -> None:
    """Even with one that was killed, in the middle of an order."""
    code = (
        "import sys; from pathlib import Path; from artifact_fn.runs.trackers.apart import Apart\n"
        "apart = Apart(Path(sys.argv[1]), 60, {}, {'path': sys.argv[2]})\n"
        "print('on', flush=True)\n"
        "apart.ask({'do': 'hang'})\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, teller, tmp_path / "out"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "on\n"
    pid = int((tmp_path / "out").read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: gone(pid))


def test_what_is_not_installed_is_said_with_its_extra() -> None:
    installed("json", "nothing")
    with pytest.raises(
        TrackerError, match=r"nowhere cannot be imported; .* 'artifact-fn\[wandb\]'"
    ):
        installed("nowhere", "wandb")

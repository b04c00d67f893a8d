"""Command line: what a terminal and a script get: answers, mistakes, exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from artifact_fn import tree
from artifact_fn.cli import main
from artifact_fn.cli.target import Target
from artifact_fn.cli.telling import tracker_at
from artifact_fn.errors import CommandError
from artifact_fn.runs import load_run
from artifact_fn.runs.description import describe
from tests.runs.examples import done

ROOT = Path(__file__).parents[2]
PATIENTS = "tests.runs.patients"
SMALL = f"{PATIENTS}:experiment"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, from which the tests can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    return tmp_path


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_run_show_report_ls(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "run", SMALL, "--out", "runs/a", "--epochs", "2")
    assert (code, err) == (0, "")
    assert "epoch 2  step 8  train/loss" in out
    assert out.splitlines()[-1] == "runs/a: 2 epochs are done"
    code, out, _ = called(capsys, "show", "runs/a")
    assert code == 0
    assert re.search(r"status +ended", out)
    assert re.search(r"linear +15 +0 +weight \[3, 4\], bias \[3\] +float32", out)
    code, out, _ = called(capsys, "report", "runs/a")
    assert (code, out) == (0, f"{at}/runs/a/report.html\n")
    assert "<h1>a</h1>" in (at / "runs/a/report.html").read_text()
    code, out, _ = called(capsys, "ls")
    assert code == 0
    assert re.search(r"^a +ended +2 +train/loss", out, re.MULTILINE)


def test_json_is_for_scripts(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "run", SMALL, "--out", "a", "--epochs", "1", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["stop"].startswith("1 epoch")
    assert told["epochs"] == 1
    assert told["scores"]["train/loss"] > 0
    _, out, _ = called(capsys, "show", "a", "--json")
    shown = json.loads(out)
    assert (shown["status"], shown["epochs"], shown["artifacts"]) == ("ended", 1, {})
    assert shown["checkpoint"] == "00000001-000000000004"
    _, out, _ = called(capsys, "ls", ".", "--json")
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["ended"]
    _, out, _ = called(capsys, "report", "a", "--out", "page.html", "--json")
    assert json.loads(out) == {"file": "page.html", "bytes": (at / "page.html").stat().st_size}
    _, out, _ = called(capsys, "summary", SMALL, "--json")
    assert json.loads(out)["total"] == 15
    code, out, _ = called(capsys, "show", "nowhere", "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "Missing"
    code, out, _ = called(capsys, "run", "--json")
    assert code == 2
    assert "TARGET" in json.loads(out)["error"]["what"]


def test_a_run_goes_on_without_being_told_which(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(capsys, "run", SMALL, "--set", "seed=3", "--epochs", "1", "--out", "a")[0] == 0
    code, _, err = called(capsys, "resume", "a", "--epochs", "3")
    assert code == 1
    assert "the experiment has changed since the run was begun" in err
    code, out, _ = called(capsys, "resume", "a", "--epochs", "3", "--allow", "until")
    assert code == 0
    assert "epoch 3" in out
    assert called(capsys, "run", SMALL, "--set", "seed=3", "--epochs", "3", "--out", "b")[0] == 0
    a, b = (done(load_run(at / name)) for name in ("a", "b"))
    assert tree.identical(a.state, b.state)


def test_a_run_of_another_program_is_named(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "run", SMALL, "--epochs", "1", "--out", "a")
    (at / "a" / "command.json").unlink()
    code, _, err = called(capsys, "resume", "a")
    assert code == 2
    assert "a does not say which experiment it runs" in err
    assert called(capsys, "resume", "a", SMALL, "--epochs", "1")[0] == 0
    (at / "a" / "command.json").write_text("[1]")
    assert called(capsys, "resume", "a")[0] == 2


def test_a_directory_is_found_where_none_is_given(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert called(capsys, "run", SMALL, "--epochs", "1")[0] == 0
    assert sorted(p.name for p in (at / "runs").iterdir()) == ["patients-1", "patients-2"]


def test_a_tracker_is_told_afterwards(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run", SMALL, "--epochs", "2", "--out", "heart/a")[0] == 0
    for _ in range(2):
        code, out, _ = called(capsys, "replay", "heart/a", "--to", "files:told", "--json")
        assert code == 0
        told = json.loads(out)
        assert told == {"directory": "heart/a", "tracker": f"files {at}/told", "records": 3}
    assert len(list(at.glob("told/a-*/epochs/*.json"))) == 2
    code, out, err = called(capsys, "replay", "heart/b", "--to", "files:told")
    assert (code, out) == (1, "")
    assert "error:" in err
    code, _, err = called(
        capsys, "replay", "heart/a", "--to", "mlflow:http://127.0.0.1:9", "--patience", "0.1"
    )
    # Where MLflow is not installed, that is said; else that nobody answers.
    assert code == 1
    assert "pip install 'artifact-fn[mlflow]'" in err or "could not be told all of the run" in err


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("mlflow:http://h:5000", "mlflow http://h:5000 heart"),
        ("mlflow:sqlite:///x/mlflow.db", "mlflow sqlite:///x/mlflow.db heart"),
        ("tensorboard:/logs", "tensorboard /logs"),
        ("files:/logs", "files /logs"),
        ("wandb:/logs", "wandb heart /logs"),
        ("clearml:/logs", "clearml heart /logs"),
        ("artifact-experiment:mlflow", "artifact-experiment mlflow heart"),
    ],
)
def test_trackers_are_written_as_backend_and_place(to: str, name: str) -> None:
    assert tracker_at(to, "heart").name == name


MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no module": (("run", "nothing.here:x"), 2, r"there is no module nothing.here\n  got: No mod"),
    "no backend": (
        ("replay", "x", "--to", "wb:x"),
        2,
        "no backend 'wb'\n  got: wb:x\n  do:  write one",
    ),
    "no Neptune": (
        ("replay", "x", "--to", "neptune:p"),
        2,
        "Neptune cannot be told\n  got: its ser",
    ),
    "nowhere": (("replay", "x", "--to", "files"), 2, "files does not say where\n  got: no dir"),
    "nothing to tell": (
        ("replay", "--to", "files:x"),
        2,
        "a run is to be told\n  got: no directory",
    ),
    "a file store": (("replay", "x", "--to", "mlflow:mlruns"), 1, "MLflow's file store keeps"),
    "no colon": (("run", "nothing"), 2, r"an experiment is named module:name\n  got: nothing"),
    "no file": (("run", "no.py:x"), 2, r"there is no file no.py"),
    "no name": (("run", f"{PATIENTS}:x"), 2, r"holds no 'x'\n  got: experiments well\n  do:  name"),
    "no experiment": (("run", f"{PATIENTS}:PATIENTS"), 2, r"is no experiment\n  got: dict"),
    "answers none": (("run", f"{PATIENTS}:doubled"), 2, r"is no experiment\n  got: dict"),
    "needs arguments": (
        ("run", f"{PATIENTS}:asking"),
        2,
        r"without arguments\n  got: outputs, targets to",
    ),
    "no equals": (("run", SMALL, "--set", "seed"), 2, r"what is set is path=value\n  got: seed"),
    "no path": (
        ("run", SMALL, "--set", "data.train.rows=1"),
        2,
        r"data.train.rows\n  got: 'rows', w",
    ),
    "no kind": (("run", SMALL, "--set", "optimizer=sgd"), 2, r"optimizer is a Rule\n  got: 'sgd'"),
    "no threads": (("run", SMALL, "--threads", "0"), 2, r"torch has a thread at least"),
    "no number": (("run", SMALL, "--epochs", "x"), 2, r"Invalid value for --epochs"),
    "no command": (("nothing",), 2, r"Unknown command \"nothing\""),
    "no option": (("ls", "--nothing"), 2, r"Unknown option"),
    "no directory": (("ls", "nowhere"), 2, r"there is no directory nowhere"),
    "no run": (("show", "nowhere"), 1, r"nowhere holds no run\n  got: no experiment.json in it"),
    "no run to resume": (("resume", "nowhere"), 1, r"nowhere holds no run"),
    "no directories": (("report",), 2, r"a report is of one run or more"),
    "a bad experiment": (("run", SMALL, "--set", "seed=-1"), 1, r"error: .*seed"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, expected, said = MISTAKES[name]
    code, out, err = called(capsys, *arguments)
    assert code == expected, err
    assert out == ""
    assert err.startswith("error: ")
    assert re.search(said, err), err
    assert "Traceback" not in err


def test_settings(at: Path) -> None:
    made = Target(
        f"{PATIENTS}:well", ("seed=7", "data.train.batch_size=4", "chunk=none")
    ).experiment()
    assert made.seed == 7
    assert made.data["train"].steps == 8
    binary = "examples.binary_classification:experiment"
    own = Target(binary, ("lr=0.5", "compiled=false"), epochs=3, device="cpu").experiment()
    described = describe(own)
    assert "0.5" in [text for path, text in described.items() if path.endswith("<lr>.<value>")]
    assert "21" in [text for path, text in described.items() if path.endswith("<lr>.<steps>")]
    assert described["wrap"].startswith("eager")
    needed = Target("examples.resume:experiment", ("compiled=false",), epochs=2).experiment()
    assert describe(needed)["until.fold.init.<a>.fold.extract.<epochs>"] == "2"
    with pytest.raises(CommandError, match=r"data.train.rows; got 'rows', where there is .*table"):
        Target(f"{PATIENTS}:well", ("data.train.rows=1",)).experiment()


def test_a_file_is_as_good_as_a_module(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at / "mine.py").write_text("from tests.runs.patients import experiment\nmade = experiment()\n")
    assert called(capsys, "run", "mine.py:made", "--epochs", "1", "--out", "a")[0] == 0


def test_doctor(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "doctor", f"{PATIENTS}:well", "--steps", "10")
    assert code == 0
    assert out.startswith("nothing is wrong\n")
    code, out, _ = called(capsys, "doctor", f"{PATIENTS}:lowered", "--steps", "5")
    assert code == 1
    assert out.startswith("changing constant: the Python value 'config[lr]' of the step is changed")
    code, out, _ = called(capsys, "doctor", f"{PATIENTS}:lowered", "--steps", "5", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["well"] is False
    assert told["findings"][0]["kind"] == "changing constant"


def test_summary(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "summary", "examples.binary_classification:experiment")
    assert code == 0
    assert re.search(r"total +4,322 +194", out)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "resume", "report", "ls", "show", "doctor", "summary"):
        code, out, _ = called(capsys, command, "--help")
        assert code == 0
        assert f"Usage: artifact-fn {command}" in out
    code, out, _ = called(capsys, "--version")
    assert code == 0
    assert re.match(r"\d+\.\d+", out)


def test_an_interrupted_run_says_so_and_is_saved(at: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "artifact_fn.cli", "run", "long.py:made", "--out", "a"]
    (at / "long.py").write_text(
        "from artifact_fn.folds import at_most\nfrom tests.runs.patients import experiment\n"
        "made = experiment(until=at_most(100000))\n"
    )
    with subprocess.Popen(
        command, cwd=at, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "epoch 1" in process.stdout.readline()
        listing = subprocess.run(
            [sys.executable, "-m", "artifact_fn.cli", "ls", ".", "--json"],
            cwd=at, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(listing.stdout)["status"] == "running"
        assert f"pid {process.pid}" in json.loads(listing.stdout)["reason"]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 143
    assert "error: the run was interrupted by SIGTERM" in err
    assert "call resume to go on from there" in err
    assert done(load_run(at / "a")).mark is not None


def test_it_is_an_extra_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; sys.modules['cyclopts'] = None\n"
        "from artifact_fn.cli import main\nsys.exit(main(['ls']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 2
    assert 'pip install "artifact-fn[cli]"' in found.stderr
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"artifact-fn": "artifact_fn.cli:main"}
    assert {"cli", "report"} <= project["optional-dependencies"].keys()

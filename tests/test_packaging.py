"""Packaging: what an import costs and brings, what is said of extras, and the built package."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from venv import EnvBuilder

import pytest

from artifact_fn.errors import ExtraError
from artifact_fn.extras import extra

ROOT = Path(__file__).parent.parent
PATH = os.environ["PATH"]

HEAVY = [
    "IPython",
    "PIL",
    "clearml",
    "cyclopts",
    "jinja2",
    "matplotlib",
    "mlflow",
    "optuna",
    "pyarrow",
    "ray",
    "scipy",
    "sklearn",
    "tensorboard",
    "torch._dynamo",
    "torch._inductor",
    "wandb",
]


def said(program: str) -> str:
    """What a fresh process prints."""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_an_import_brings_nothing_that_is_heavy() -> None:
    found = said(f"import artifact_fn, sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert found == "[]"


def test_an_import_costs_little_beside_torchs() -> None:
    """In time of the processor, since others may be at work; a quarter of torch's is usual."""
    program = (
        "import time; a = time.process_time(); import torch, pandas; b = time.process_time()\n"
        "import artifact_fn; print((time.process_time() - b) / (b - a))"
    )
    assert min(float(said(program)) for _ in range(2)) < 0.5


WITHOUT = [
    ("artifact_fn.validation", "matplotlib", "validation"),
    ("artifact_fn.validation.binary_classification", "sklearn", "validation"),
    ("artifact_fn.validation.table_comparison", "scipy", "validation"),
    ("artifact_fn.training.plots", "matplotlib", "validation"),
    ("artifact_fn.runs.drawing", "matplotlib", "validation"),
    ("artifact_fn.runs.reports", "jinja2", "report"),
]


def test_what_is_not_installed_is_said_with_its_extra() -> None:
    told = said(
        f"import sys, importlib, artifact_fn\n"
        f"for module, absent, _ in {WITHOUT}:\n"
        f"    sys.modules[absent] = None  # as where it is not installed\n"
        f"    try: importlib.import_module(module)\n"
        f"    except ImportError as error: print(error)\n"
        f"    del sys.modules[absent]"
    )
    assert told.splitlines() == [
        f'this part needs the package {absent}; got none; pip install "artifact-fn[{name}]"'
        for _, absent, name in WITHOUT
    ]


def test_an_extra_that_is_missing_is_an_import_error_too() -> None:
    with (
        pytest.raises(ModuleNotFoundError) as found,
        extra("validation", "math", "no_such_package"),
    ):
        raise AssertionError("nothing is imported where something is missing")
    assert isinstance(found.value, ExtraError)
    assert found.value.name == "no_such_package"


SMOKE = """
import torch, torch.nn.functional as F, artifact_fn as af
from torch import nn
assert "site-packages" in af.__file__, af.__file__
x = torch.linspace(-1, 1, 64)[:, None]
train = af.Loader(af.Table({"x": x, "y": (x[:, 0] > 0).long()}), batch_size=16)
model = af.functional(lambda: nn.Linear(1, 2))
objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
optimizer = af.optim.adamw(0.1)
state = af.TrainState.create(model, optimizer, seed=0)
step = af.compiled(af.train_step(objective, optimizer))
run = af.fit(af.epochs(step, state, train), until=af.at_most(20), history=af.history())
print(run.last.scores["train/accuracy"] > 0.9)
experiment = af.Experiment(
    model=model, objective=objective, optimizer=optimizer, data={"train": train},
    until=af.at_most(2),
)
af.run(experiment, "run").unwrap()
print(len(af.load_run("run").unwrap()._inner_value.history))
"""


@pytest.mark.campaign
def test_a_wheel_and_an_sdist_install_and_train(tmp_path: Path) -> None:
    """In a fresh environment, away from the source; the wheel is that of the sdist."""
    EnvBuilder(with_pip=True).create(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"

    def ran(*arguments: str) -> str:
        found = subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": PATH},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    ran("-m", "pip", "install", "--quiet", "build")
    ran("-m", "build", "--outdir", str(tmp_path / "dist"), str(ROOT))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    held = zipfile.ZipFile(wheel).namelist()
    assert "artifact_fn/py.typed" in held
    assert {name.split("/")[0] for name in held} <= {
        "artifact_fn",
        wheel.name.rsplit("-", 3)[0] + ".dist-info",
    }
    kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / "artifact_fn").rglob("*.py")}
    assert kept <= set(held)
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert tops >= {"artifact_fn", "README.md", "pyproject.toml"}
    ran("-m", "pip", "install", "--quiet", str(wheel))
    assert ran("-c", SMOKE).split() == ["True", "2"]
    # Nothing of an extra is there, and the command line says which one it wants.
    found = subprocess.run(
        [tmp_path / "env" / "bin" / "artifact-fn", "ls"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert 'pip install "artifact-fn[cli]"' in found.stderr

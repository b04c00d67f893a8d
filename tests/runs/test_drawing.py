"""Drawing: real processes, real files; a bad figure is named and costs nothing else."""

import os
import signal
import time
from concurrent.futures import wait
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from artifact_fn.errors import ValidationError
from artifact_fn.folds import Epoch
from artifact_fn.runs.drawing import Drawing, drawing, drawn, path_of
from artifact_fn.validation import Plan, computed, select
from artifact_fn.validation import binary_classification as binary

ROWS = binary.classified(
    binary.BinarySpec(("no", "yes"), positive="yes"), ["no", "yes"], probability=[0.2, 0.6]
)


def failing() -> Figure:
    raise RuntimeError("no such colour\nin the whole palette")


def killed() -> Figure:
    os.kill(os.getpid(), signal.SIGKILL)
    return Figure()


def stamped(path: Path) -> Figure:
    """Leaves a mark when it is drawn."""
    path.write_text(repr(time.monotonic()))
    return Figure()


def files(directory: Path) -> list[str]:
    return sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*.png"))


def test_figures_are_drawn_in_order_and_faults_named(tmp_path: Path) -> None:
    with drawing(tmp_path) as figures:
        for i in range(3):
            figures.draw(f"stamp_{i}", partial(stamped, tmp_path / f"{i}.txt"))
        figures.draw("bad", failing)
        figures.draw("unsendable", lambda: Figure())
        figures.draw("x.1", Figure())
        figures.draw("x.2", Figure())
        figures.draw("several", {"a/b": Figure(), "größe (mm)": Figure()})
    assert files(tmp_path) == [
        "several/a%2Fb.png",
        "several/gr%C3%B6%C3%9Fe (mm).png",
        *(f"stamp_{i}.png" for i in range(3)),
        "x.1.png",
        "x.2.png",
    ]
    stamps = [float((tmp_path / f"{i}.txt").read_text()) for i in range(3)]
    assert stamps == sorted(stamps)
    assert [fault.name for fault in figures.faults] == ["bad", "unsendable"]
    assert figures.faults[0].reason == "RuntimeError: no such colour"
    with pytest.raises(ValidationError, match=r"inside `with drawing\(...\)`; got 'late' after"):
        figures.draw("late", Figure())


def test_a_killed_process_costs_its_figure_alone(tmp_path: Path) -> None:
    kills = (1, 4)
    stream = [
        Epoch(i, None, {}, {"val/P": killed if i in kills else Figure()}) for i in range(1, 7)
    ]
    with drawing(tmp_path) as figures:
        for epoch in drawn(stream, figures):
            if epoch.index == 5:  # the first is noticed while others wait, the second afterwards
                wait([figure.done for figure in figures._waiting])
    assert [fault.name for fault in figures.faults] == [f"epoch_{i}/val/P" for i in kills]
    assert "BrokenProcessPool" in figures.faults[0].reason
    assert files(tmp_path) == [f"epoch_{i}/val/P.png" for i in (2, 3, 5, 6)]


def test_a_deferred_plan_is_drawn_elsewhere(tmp_path: Path) -> None:
    plan = Plan(
        scores=select(binary.SCORES, "F1"),
        plots=select(binary.PLOTS, "ROC_CURVE"),
        plot_collections=select(binary.PLOT_COLLECTIONS, "CONFUSION_MATRIX_PLOTS"),
        deferred=True,
    )
    scores, artifacts = computed(plan, ROWS)
    assert scores == {"F1": 1.0}
    assert list(artifacts) == ["ROC_CURVE", "CONFUSION_MATRIX_PLOTS/*"]
    stream = [Epoch(4, None, scores, {f"val/{k}": v for k, v in artifacts.items()})]
    with drawing(tmp_path, dpi=40) as figures:
        assert list(drawn(stream, figures)) == stream
    assert figures.faults == []
    assert files(tmp_path) == [
        *(f"epoch_4/val/CONFUSION_MATRIX_PLOTS/{k}.png" for k in ("ALL", "NONE", "PRED", "TRUE")),
        "epoch_4/val/ROC_CURVE.png",
    ]
    with pytest.raises(ValidationError, match="a plan has artifacts"):
        Plan(deferred=True)


def test_what_waits_is_dropped_when_the_block_fails(tmp_path: Path) -> None:
    held: list[Drawing] = []

    def interrupted() -> None:
        with drawing(tmp_path) as figures:
            held.append(figures)
            for i in range(5):
                figures.draw(f"{i}", Figure())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(files(tmp_path)) < 5
    assert held[0].faults == []


@given(a=st.text(min_size=1), b=st.text(min_size=1))
def test_different_names_have_different_files(a: str, b: str) -> None:
    one, other = path_of(a).as_posix(), path_of(b).as_posix()
    assert (one == other) == (a == b)
    assert not Path(one).is_absolute()
    assert all(0 < len(part) <= 255 and part not in (".", "..") for part in one.split("/"))

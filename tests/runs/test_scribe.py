"""Scribe and pens: figures drawn by other processes, epochs written down in their order with them."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from artifact_fn.folds import at_most
from artifact_fn.runs import Interrupted, Saving, load_run, resume, run
from artifact_fn.runs.pens import Pens, UndrawnError
from artifact_fn.runs.storage.journal import read
from artifact_fn.training import Routine
from artifact_fn.training.routines import Prepared
from tests.runs.examples import done, experiment, fault, left, story


def curve(step: int) -> Figure:
    """A figure that says of which step it is."""
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1], [0, step])
    return figure


def pair(step: int) -> dict[str, Figure]:
    return {"a/b": curve(step), "b": curve(-step)}


def failing() -> Figure:
    raise RuntimeError("no such colour\nin the whole palette")


def killed() -> Figure:
    os.kill(os.getpid(), signal.SIGKILL)
    return Figure()


def endless(path: Path) -> Figure:
    """Says by a named pipe that it has begun, and never ends."""
    os.close(os.open(path, os.O_WRONLY))
    threading.Event().wait()
    return Figure()


def await_begun(path: Path) -> None:
    """Wait until somebody has the named pipe open for writing."""
    os.close(os.open(path, os.O_RDONLY))


def lonely() -> Figure:
    """Fails where figures that were drawn before are still in memory."""
    others = sum(isinstance(one, Figure) for one in gc.get_objects())
    if others:
        raise RuntimeError(f"{others} others")
    return curve(0)


def seven() -> int:
    return 7


def figures(*, deferred: bool, **more: Any) -> Routine:
    """A curve and a pair of curves an epoch."""

    def made(state: Any) -> Any:
        step = int(state.step)
        if deferred:
            found = {"val/curve": partial(curve, step), "val/pair/*": partial(pair, step), **more}
        else:
            each = {f"val/pair/{name}": figure for name, figure in pair(step).items()}
            found = {"val/curve": curve(step), **each}
        return {}, found

    prepared = Prepared(frozenset(), made)
    return Routine("figures", lambda index: True, lambda wrap, state: prepared)


def drawn(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.png"))}


def test_deferred_figures_are_those_that_the_run_itself_would_draw(tmp_path: Path) -> None:
    at_once = experiment(routines=[figures(deferred=False)], select=None)
    later = experiment(routines=[figures(deferred=True)], select=None)
    one = done(run(at_once, tmp_path / "at_once"))
    other = done(run(later, tmp_path / "later", pens=2))
    assert left(one) == left(other)
    assert story(tmp_path / "at_once") == story(tmp_path / "later")
    assert len(drawn(tmp_path / "later")) == 9
    assert drawn(tmp_path / "at_once") == drawn(tmp_path / "later")
    found = done(load_run(tmp_path / "later"))
    assert found.artifact("val/pair/a/b", 2).startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    bad = {"val/bad": failing, "val/dead": killed, "val/lambda": lambda: Figure(), "val/7": seven}
    given = experiment(routines=[figures(deferred=True, **bad)], select=None, until=at_most(1))
    with pytest.warns(UserWarning, match=r"epoch 1, val/bad: RuntimeError: no such.*and 1 more"):
        done(run(given, tmp_path))
    assert len(drawn(tmp_path)) == 3
    record = read(tmp_path / "journal.jsonl").records[0]
    assert record["undrawn"].keys() == bad.keys()
    assert record["undrawn"]["val/bad"] == "RuntimeError: no such colour"
    assert record["undrawn"]["val/dead"] == "its process has died"
    assert (
        "what is left undrawn is a figure; got what would be saved as .json"
        in (record["undrawn"]["val/7"])
    )


def test_a_signal_waits_for_no_endless_figure(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    routine = figures(deferred=True, **{"val/endless": partial(endless, begun)})
    given = experiment(routines=[routine], select=None, until=at_most(2), chunk=6)

    def interrupt() -> None:
        await_begun(begun)  # another process cannot set an event of ours
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.warns(UserWarning, match="epoch 1, val/endless: the run was ended before"):
        found = fault(run(given, tmp_path / "run", saving=Saving(background=False)))
    thread.join()
    assert isinstance(found, Interrupted)


KILLED = """
import os, sys
from tests.runs.examples import experiment
from tests.runs.test_scribe import figures
from artifact_fn.runs import run

def tell(*_, root=sys.argv[1], told=[]):
    # Python says whatever it opens or imports; what is there by then is told of once.
    if not told and os.path.exists(os.path.join(root, sys.argv[2])):
        told.append(True)
        os.write(1, b".")

if __name__ == "__main__":
    sys.addaudithook(tell)
    run(experiment(routines=[figures(deferred=True)], select=None), sys.argv[1]).unwrap()
"""


def test_a_killed_run_that_is_taken_up_has_every_figure(tmp_path: Path) -> None:
    given = experiment(routines=[figures(deferred=True)], select=None)
    whole = done(run(given, tmp_path / "whole"))
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for instant in ("artifacts", "journal.jsonl"):
        root = tmp_path / instant
        command = [sys.executable, str(script), str(root), instant]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            process.kill()
        taken_up = done(resume(given, root))
        assert left(taken_up) == left(whole)
        assert story(root) == story(tmp_path / "whole")
        assert drawn(root) == drawn(tmp_path / "whole")


def test_pens_leave_undrawn_what_is_given_up(tmp_path: Path) -> None:
    pens = Pens(1)
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    drawings = [pens.draw(partial(endless, begun)), pens.draw(Figure)]
    await_begun(begun)
    pens.give_up()
    pens.close()
    assert isinstance(drawings[0].exception(), UndrawnError)
    assert drawings[1].cancelled()


def itself(figure: Figure) -> Figure:
    return figure


def test_pens_keep_no_figure_that_is_drawn() -> None:
    # Broken builds: a pen that does not collect, and one that holds what it was last sent.
    pens = Pens(1)
    drawables = (partial(pair, 1), failing, lonely, partial(itself, curve(1)), lonely)
    drawings = [pens.draw(drawable) for drawable in drawables]
    pens.close()
    assert [type(drawing.exception()) for drawing in drawings[:2]] == [type(None), UndrawnError]
    assert all(drawing.result() for drawing in drawings[2:])


def test_pens_that_cannot_begin_say_why() -> None:
    # Broken build: a pen's thread that dies of it, so that the figure is waited for for ever.
    with get_context("spawn").Pool(1) as pool:
        assert "daemonic processes" in pool.apply(refused)


def refused() -> str:
    """In a process that may have no children."""
    pens = Pens(1)
    pens.ready()
    reason = str(pens.draw(lonely).exception(60))
    pens.close()
    return reason


@pytest.mark.parametrize("deferred", [True, False])
def test_pens_import_the_program_before_there_is_something_to_draw(
    tmp_path: Path, deferred: bool
) -> None:
    # Broken build: one whose pens begin with the first figure, which never comes here.
    begun: list[int] = []

    def made(state: Any) -> Any:
        end = time.monotonic() + 60
        while True:  # nothing else tells that a process has begun
            begun.append(sum(child.name == "pen" for child in active_children()))
            if begun[-1] == 2 * deferred or time.monotonic() > end:
                return {}, {}
            time.sleep(0.01)

    prepared = Prepared(frozenset(), made)
    idle = Routine("idle", lambda i: True, lambda wrap, state: prepared, deferred=deferred)
    done(run(experiment(routines=[idle], select=None), tmp_path, pens=2))
    assert begun[-1] == 2 * deferred
    assert max(begun) == 2 * deferred
    assert not active_children()

"""Laws of trackers: twice equals once, and what was acknowledged is never lost."""

import itertools
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn.runs import Damaged, Missing, run
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.storage.journal import read
from artifact_fn.runs.trackers import (
    Artifact,
    FileSystem,
    Memory,
    RefusedError,
    Scores,
    TrackerError,
    Undelivered,
    replay,
)
from artifact_fn.runs.trackers.cursor import Cursor, following, load, save
from artifact_fn.runs.trackers.delivery import Delivery
from artifact_fn.runs.trackers.extra import needed
from artifact_fn.runs.trackers.feeder import Feeder, fed, log
from artifact_fn.runs.trackers.names import mapped
from tests.runs.examples import done, experiment, fault
from tests.runs.trackers.examples import (
    STOP,
    DownError,
    Shaky,
    begun,
    epoch,
    failing,
    finished,
    remembered,
    scores_of,
    until,
    write,
)


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    log.propagate = False
    yield lines
    log.propagate = True
    log.removeHandler(handler)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_replay_twice_equals_once(tmp_path: Path) -> None:
    root = finished(tmp_path / "run")
    before = files_of(root)
    memory, disk = Memory(), FileSystem(tmp_path / "told")
    assert done(replay(root, memory)) == 6
    assert done(replay(root, disk)) == 6
    once, written = remembered(memory), files_of(tmp_path / "told")
    assert done(replay(root, memory)) == 6
    assert done(replay(root, disk)) == 6
    assert remembered(memory) == once
    assert files_of(tmp_path / "told") == written
    assert files_of(root) == before  # nothing is written to the run

    told = memory.runs["0123abcd"]
    found = {(n, e, s.step, v) for e, s in told.scores.items() for n, v in s.values.items()}
    assert found == scores_of(root)
    assert told.status is not None
    assert (told.status.state, told.status.reason) == ("finished", "it is enough")
    assert told.artifacts["val/array"][2].tolist() == [2.0, 3.0, 4.0]
    assert told.artifacts["val/values"][1] == {"n": 1, "x": [0.5, float("inf")]}
    assert told.artifacts["val/curve"][5].startswith(b"\x89PNG")
    assert told.head.params["optimizer.lr"] == "0.1"
    assert told.head.tags["command"] == "train.py -v"
    assert told.curve("train/loss")[4] == 0.25
    assert told.scores[1].at == 1772366400 + 1.5


def test_a_copy_on_another_machine_is_the_same_run(tmp_path: Path) -> None:
    memory = Memory()
    root = finished(tmp_path / "run")
    done(replay(root, memory))
    shutil.copytree(root, tmp_path / "elsewhere")
    done(replay(tmp_path / "elsewhere", memory))
    assert list(memory.runs) == ["0123abcd"]


FAILS = st.lists(st.booleans(), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    epochs=st.lists(st.integers(1, 4), max_size=9),
    before=FAILS,
    after=FAILS,
    cuts=st.lists(st.integers(0, 3), max_size=4),
    batch=st.integers(1, 4),
)
def test_whatever_fails_in_between_all_is_told_once(
    epochs: list[int], before: list[bool], after: list[bool], cuts: list[int], batch: int
) -> None:
    """Epochs come, some of them twice, while sends fail and feeders are killed at any time."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr("artifact_fn.runs.trackers.delivery.BATCH", batch)
        root = begun(Path(place) / "run")
        memory = Memory()
        shaky = Shaky(memory, failing(iter(before)), failing(iter(after)))
        delivery = Delivery(root, shaky, keep=True)
        kills = iter(cuts)
        for i, index in enumerate(epochs):
            write(root, [epoch(index, {"val/x": float(i)})])
            try:
                delivery.step()
            except DownError:
                delivery.drop()
            if next(kills, 3) == 0:  # killed: the cursor on disk is all that is left
                delivery._held.close()
                delivery = Delivery(root, shaky, keep=True)
        write(root, [STOP])
        told = 0
        while True:
            try:
                if not delivery.step():
                    break
                told = delivery.told
            except DownError:
                delivery.drop()
        delivery.close()
        assert told in (0, len(epochs) + 1)
        whole = Memory()
        done(replay(root, whole))
        assert remembered(memory) == remembered(whole)


def test_what_was_acknowledged_is_told_no_more(tmp_path: Path) -> None:
    root = finished(tmp_path / "run")
    shaky = Shaky(Memory())
    first = Delivery(root, shaky, keep=True)
    assert first.step()
    first.close()
    second = Delivery(root, shaky, keep=True)
    assert not second.step()
    assert second.told == 6
    second.close()
    assert shaky.calls == ["open", "send", "close", "open", "close"]


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 40])
def test_a_damaged_cursor_begins_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "cursor.json"
    save(path, Cursor(5, "a" * 64, 1))
    assert load(path) == Cursor(5, "a" * 64, 1)
    path.write_bytes(damage)
    assert load(path) == Cursor()


def test_a_cursor_in_a_journal_that_was_taken_back_begins_anew(tmp_path: Path) -> None:
    root = begun(tmp_path / "run")
    path = Directory(root).journal
    write(root, [epoch(1)])
    size = path.stat().st_size
    write(root, [epoch(2)])
    _, cursor = following(path, Cursor(), 9)
    assert following(path, cursor, 9) == ([], cursor)
    os.truncate(path, size)  # a disk that was full
    write(root, [epoch(2, {"x": 1.0}), epoch(3)])
    records, after = following(path, cursor, 9)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    with path.open("ab") as file:
        file.write(b'{"check":"torn')
    assert following(path, after, 9) == ([], after)
    with path.open("ab") as file:
        file.write(b" by a crash\n")
    assert following(path, after, 9) == ([], after)


def test_a_damaged_journal_is_told_up_to_there(tmp_path: Path) -> None:
    root = finished(tmp_path / "run")
    path = Directory(root).journal
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"epoch":3', b'"epoch":4')
    path.write_bytes(b"".join(lines))
    memory = Memory()
    found = fault(replay(root, memory))
    assert isinstance(found, Damaged)
    assert "line 3" in str(found)
    assert list(memory.runs["0123abcd"].scores) == [1, 2]
    assert isinstance(fault(replay(tmp_path / "nothing", memory)), Missing)


def test_one_item_that_is_refused_does_not_spoil_the_rest(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = finished(tmp_path / "run")
    monkeypatch.setenv("SOME_API_KEY", "hush-hush")
    memory = Memory()

    class Picky:
        name = "picky"

        def check(self) -> None:
            pass

        def open(self, head: Any) -> Any:
            inner = memory.open(head)

            class Connection:
                def send(self, items: Any) -> None:
                    if any(isinstance(i, Artifact) and i.name == "val/array" for i in items):
                        raise RefusedError("no arrays", got="hush-hush", do="none")
                    inner.send(items)

                def close(self) -> None:
                    pass

            return Connection()

    feeder = Feeder(root, Picky())
    feeder.end()
    assert feeder.join(20)
    assert len(said) == 5
    assert "hush" not in "".join(said)
    assert "no arrays; got ***" in said[0]
    lines = (root / "trackers" / "picky" / "refused.jsonl").read_text().splitlines()
    assert len(lines) == 5
    told = memory.runs["0123abcd"]
    assert "val/array" not in told.artifacts
    assert len(told.artifacts["val/curve"]) == len(told.scores) == 5
    assert "refusals: " in str(fault(replay(root, Picky())))


def test_down_is_said_once_and_up_again_too(tmp_path: Path, said: list[str]) -> None:
    root = finished(tmp_path / "run")
    memory = Memory()
    with fed(root, [Shaky(memory, failing(iter([True] * 3)))], linger=20):
        pass
    assert said == [
        "tracker shaky is down, and tried again: DownError: connection refused",
        "tracker shaky is up again",
    ]
    assert len(memory.runs["0123abcd"].scores) == 5


def test_replay_gives_up_in_the_end(tmp_path: Path) -> None:
    root = finished(tmp_path / "run")
    shaky = Shaky(Memory(), failing(itertools.repeat(True)))
    found = fault(replay(root, shaky, patience=0.5))
    assert isinstance(found, Undelivered)
    assert found.told == 0
    assert "DownError: connection refused" in str(found)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="a run is told once in each place"):
        run(experiment(), tmp_path / "r", trackers=[FileSystem(tmp_path), FileSystem(tmp_path)])
    assert not (tmp_path / "r").exists()


def test_a_run_tells_what_its_journal_says(tmp_path: Path) -> None:
    memory = Memory()
    answer = done(run(experiment(), tmp_path / "run", trackers=[memory], linger=20))
    (told,) = memory.runs.values()
    found = {(n, e, s.step, v) for e, s in told.scores.items() for n, v in s.values.items()}
    assert found == scores_of(tmp_path / "run")
    assert {s.step for s in told.scores.values()} == {6, 12, 18}
    assert dict(told.scores[3].values) == dict(answer.last.scores)
    assert told.status is not None
    assert told.status.state == "finished"


def hanging_until(event: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        event.wait(60)

    return wait


def test_a_backend_that_hangs_blocks_no_step_and_no_end(tmp_path: Path, said: list[str]) -> None:
    """Every batch waits for ever. Cuts come as fast as without it, and the run ends in time."""
    hanging = threading.Event()
    gaps: list[float] = []

    def timed(stream: Any) -> Any:
        def events() -> Iterator[Any]:
            last = None
            for event in stream.events():
                now = time.perf_counter()
                if last is not None:
                    gaps.append(now - last)
                yield event
                last = time.perf_counter()

        return attrs.evolve(stream, events=events)

    memory = Memory()
    shaky = Shaky(memory, hanging_until(hanging))
    began = time.monotonic()
    done(run(experiment(), tmp_path / "run", trackers=[shaky], linger=0.5, show=timed))
    took = time.monotonic() - began
    assert took < 5
    assert sorted(gaps)[-2] < 0.05  # but the first, which is tried
    assert said == [f"tracker shaky has not been told all of {tmp_path / 'run'}; replay it later"]
    hanging.set()
    assert done(replay(tmp_path / "run", memory)) == 4


def test_a_killed_feeder_goes_on(tmp_path: Path) -> None:
    """A process that is killed while it tells; the next one tells the rest, none twice."""
    root = begun(tmp_path / "run")
    write(root, [epoch(i) for i in range(1, 200)])
    told = tmp_path / "told"
    code = (
        "import sys; from pathlib import Path\n"
        "from artifact_fn.runs.trackers import FileSystem, delivery\n"
        "delivery.BATCH = 1\n"
        "d = delivery.Delivery(Path(sys.argv[1]), FileSystem(sys.argv[2]), keep=True)\n"
        "print('on', flush=True)\n"
        "while d.step(): pass\n"
    )
    for least in (20, 90):
        child = subprocess.Popen(
            [sys.executable, "-c", code, root, told], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "on\n"
        until(lambda: len(list(told.rglob("0*.json"))) >= least)  # noqa: B023
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        cursor = load(next(root.glob("trackers/*/cursor.json")))
        arrived = len(list(told.rglob("0*.json")))
        assert cursor.records <= arrived <= cursor.records + 1  # acknowledged, or just about
    write(root, [STOP])
    feeder = Feeder(root, FileSystem(told))
    feeder.end()
    assert feeder.join(20)
    whole = tmp_path / "whole"
    done(replay(root, FileSystem(whole)))
    assert files_of(told) == files_of(whole)


def test_a_tracker_that_says_too_early_that_it_has_it_is_caught(tmp_path: Path) -> None:
    """The laws can fail: a backend that keeps batches in its memory only loses them."""
    root = finished(tmp_path / "run")
    disk: list[Any] = []

    class Lazy:
        name = "lazy"

        def check(self) -> None:
            pass

        def open(self, head: Any) -> Any:
            waiting: list[Any] = []

            class Connection:
                def send(self, items: Any) -> None:
                    waiting.extend(items)  # and acknowledged

                def close(self) -> None:
                    disk.extend(waiting)

            return Connection()

    first = Delivery(root, Lazy(), keep=True)
    first.step()
    first._held.close()  # killed
    second = Delivery(root, Lazy(), keep=True)
    while second.step():
        pass
    second.close()
    assert not [item for item in disk if isinstance(item, Scores)]


@given(st.lists(st.text(max_size=30), unique=True, max_size=20))
def test_names_are_injective(names: list[str]) -> None:
    made = [mapped(name) for name in names]
    assert len(set(made)) == len(names)
    assert len({mapped(name) for name in {*names, *made}}) == len({*names, *made})
    assert all(len(name) <= 200 for name in made)


@pytest.mark.parametrize(
    "name", ["", "..", "a//b", "/a", "a/", "../x", "x" * 300, "ä", "a.", "a\0b"]
)
def test_names_that_backends_refuse_are_made(name: str) -> None:
    assert mapped(name) != name
    assert mapped(mapped(name)) != mapped(name)


def test_old_directories_are_told(tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "golden" / "format-1"
    memory = Memory()
    assert done(replay(golden, memory)) == len(read(golden / "journal.jsonl").records)
    (told,) = memory.runs.values()
    assert told.scores[2].step is None
    assert told.artifacts["val/confusion"][2].sum() == 10


def test_what_is_not_installed_is_said_with_its_extra() -> None:
    with pytest.raises(
        TrackerError, match=r"nowhere cannot be imported; .* pip install 'artifact-fn\[mlflow\]'"
    ):
        needed("nowhere.at_all", "mlflow")


def test_nothing_optional_is_imported_unless_it_is_used() -> None:
    code = (
        "import sys, artifact_fn.runs.trackers as t; t.MLflow(); t.TensorBoard('x')\n"
        "print([m for m in ('mlflow', 'tensorboard', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_progress_shows_once_that_a_tracker_is_down(tmp_path: Path) -> None:
    """On a terminal, above the line that moves; the logger's own last resort writes there."""
    code = (
        "import itertools, sys\n"
        "from rich.console import Console\n"
        "from artifact_fn.folds import at_most\n"
        "from artifact_fn.runs import progress, run\n"
        "from artifact_fn.runs.trackers import Memory\n"
        "from tests.runs.examples import done, experiment\n"
        "from tests.runs.trackers.examples import Shaky, failing\n"
        "t = Shaky(Memory(), failing(itertools.repeat(True)))\n"
        "c = Console(force_terminal=True, width=200)\n"
        "given = experiment(until=at_most(40))\n"
        "done(run(given, sys.argv[1], trackers=[t], linger=0, show=lambda s: progress(s, console=c)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    said = found.stdout + found.stderr
    assert said.count("tracker shaky is down, and tried again: DownError") == 1
    assert said.count("epoch 40") >= 1

"""Runs: what a directory costs: journal and checkpoints every epoch, and a large state saved.

An epoch is the medium task's: 125 compiled steps of 64 rows, and its end; with the task's two threads, and
with one, which leaves a core of two to the thread that writes. Beside it stands what no checkpoint can do
without: a thread that hashes as many bytes, writes them to one file and waits for the disk.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
import torch.nn.functional as F
from returns.unsafe import unsafe_perform_io
from torch import nn

import artifact_fn as af
from artifact_fn import tree
from artifact_fn.folds import Epoch
from artifact_fn.folds.fold import named
from artifact_fn.runs import Saving, opened
from artifact_fn.runs.saving import Writer
from artifact_fn.training import eager
from artifact_fn.training.experiment import UNTIL
from artifact_fn.training.stream import Event, Stream
from tests.bench import environments
from tests.bench.peers.models import network, set_up
from tests.bench.tasks import RATE, TASKS, arrays
from tests.bench.worker import confine

BLOCK, WARM = 20, 2
"""Epochs timed together, so that what a thread writes meanwhile is in; and blocks before."""

SIDE = 2888
"""Of a square layer: with Adam's moments 100 MB."""


def runs(rounds: int) -> None:
    """Blocks of epochs with a directory and without, one of each in turns; then 100 MB saved."""
    task = TASKS["medium"]
    confine(task)
    set_up(task)
    print(environments.machine())
    directory = Path(tempfile.mkdtemp())
    try:
        with _writers() as written:
            for threads in (task.threads, 1):
                torch.set_num_threads(threads)
                _overhead(directory / f"medium-{threads}", rounds, written)
            torch.set_num_threads(task.threads)
            _blocking(directory / "large", rounds, written)
    finally:
        shutil.rmtree(directory)


def _overhead(directory: Path, rounds: int, written: Callable[[], None]) -> None:
    task = TASKS["medium"]
    x, y = arrays(task)
    model = af.functional(lambda: network(task))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    experiment = af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.adam(RATE),
        data={af.Split.TRAIN: af.Loader(af.Table({"x": x, "y": y}), batch_size=task.batch)},
        until=af.at_most((rounds + WARM) * BLOCK),
        select=af.best("train/loss"),
    )
    times: dict[str, list[float]] = {"fit": [], "run": [], "least": []}
    bare, least = _blocks(experiment), _blocks(experiment, directory.with_suffix(".file"))
    next(bare)
    next(least)

    def watched(stream: Stream) -> Stream:
        def events() -> Iterator[Event]:
            began, count = time.perf_counter(), 0
            for event in stream.events():
                yield event  # what is done with it is done when the next one is asked for
                count += isinstance(event, Epoch)
                if isinstance(event, Epoch) and count % BLOCK == 0:
                    written()
                    times["run"].append(time.perf_counter() - began)
                    times["fit"].append(next(bare))
                    times["least"].append(next(least))
                    began = time.perf_counter()

        return attrs.evolve(stream, events=events)

    unsafe_perform_io(af.run(experiment, directory, show=watched).unwrap())
    each, floor = (
        [run / fit for run, fit in zip(times[name][WARM:], times["fit"][WARM:], strict=False)]
        for name in ("run", "least")
    )
    count = torch.get_num_threads()
    told = f"{count} thread{'s' * (count > 1)}"
    for name, found in times.items():
        median = statistics.median(found[WARM:]) / BLOCK
        print(f"{name:6} {median * 1e3:9.2f} ms an epoch of {task.steps} steps, {told}")
    low, middle, high = statistics.quantiles(each, n=4)
    print(
        f"half of the {len(each)} pairs of {BLOCK} epochs between {(low - 1) * 100:.1f} and "
        f"{(high - 1) * 100:.1f} %"
    )
    print(f"overhead of journal and checkpoint every epoch, {told}: {(middle - 1) * 100:.1f} %")
    print(
        f"of hashing {_bytes(experiment.state()) / 1e6:.1f} MB every epoch, and one file that is "
        f"synced, {told}: {(statistics.median(floor) - 1) * 100:.1f} %"
    )
    early, late = each[: len(each) // 2], each[len(each) // 2 :]
    print(
        f"in the first half of {len(each) * BLOCK} epochs {(statistics.median(early) - 1) * 100:.1f}, "
        f"in the second {(statistics.median(late) - 1) * 100:.1f} %"
    )


def _blocks(experiment: af.Experiment, file: Path | None = None) -> Iterator[float]:
    """Seconds of each block of epochs folded in memory as `fit` does, in this very thread.

    In another one torch would have threads of its own, and two teams wait for each other. With a file,
    another thread writes and removes it after each epoch.
    """
    folds = named({**experiment.asked(), UNTIL: experiment.until.fold})
    epochs, carry = iter(experiment.stream()), folds.init()
    content = os.urandom(_bytes(experiment.state()))
    writing: Future[None] = Future()
    writing.set_result(None)
    with ThreadPoolExecutor(1) as thread:
        while True:
            began = time.perf_counter()
            for epoch in itertools.islice(epochs, BLOCK):
                carry = folds.step(carry, epoch)
                experiment.until.fold.extract(carry[UNTIL])
                writing.result()
                if file is not None:
                    writing = thread.submit(_written, file, content)
            writing.result()
            yield time.perf_counter() - began


def _written(path: Path, content: bytes) -> None:
    """Hash some bytes, and have them on the disk."""
    hashlib.sha256(content).hexdigest()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


@contextlib.contextmanager
def _writers() -> Iterator[Callable[[], None]]:
    """What waits for all that the runs begun meanwhile have still to write."""
    made: list[Writer] = []

    def writer(*given: Any) -> Writer:
        made.append(Writer(*given))
        return made[-1]

    def wait() -> None:
        for each in made:
            each.wait()

    before, opened.Writer = Writer, writer  # type: ignore[assignment, attr-defined]
    try:
        yield wait
    finally:
        opened.Writer = before  # type: ignore[attr-defined]


def _blocking(directory: Path, rounds: int, written: Callable[[], None]) -> None:
    """How long an epoch's end keeps training waiting, where 100 MB are saved and where not."""
    generator = np.random.default_rng(0)
    rows = {"x": generator.standard_normal((16, SIDE)).astype(np.float32), "y": np.zeros(16, int)}
    model = af.functional(lambda: nn.Linear(SIDE, SIDE))
    experiment = af.Experiment(
        model=model,
        objective=af.supervised(model, F.cross_entropy),
        optimizer=af.optim.adam(RATE),
        data={af.Split.TRAIN: af.Loader(af.Table(rows), batch_size=16)},
        until=af.at_most(rounds * 2),
        wrap=eager,
    )
    size = _bytes(experiment.state())
    times: dict[bool, list[float]] = {True: [], False: []}

    def watched(stream: Stream) -> Stream:
        def events() -> Iterator[Event]:
            for event in stream.events():
                began = time.perf_counter()
                yield event
                if isinstance(event, Epoch):
                    times[event.index % 2 == 0].append(time.perf_counter() - began)
                    written()  # an epoch is longer than the disk takes

        return attrs.evolve(stream, events=events)

    saving = Saving(epochs=2, keep_last=1, keep_best=False)
    unsafe_perform_io(af.run(experiment, directory, show=watched, saving=saving).unwrap())
    for saved, found in times.items():
        told = "saved" if saved else "not saved"
        print(
            f"an epoch's end with {size / 1e6:.1f} MB of state, {told:9}: "
            f"median {statistics.median(found[1:]) * 1e3:.2f} ms, slowest {max(found[1:]) * 1e3:.2f}"
        )
    print(
        f"saving {size / 1e6:.0f} MB blocks training {statistics.median(times[True][1:]) * 1e3:.1f} ms, "
        f"{torch.get_num_threads()} threads"
    )


def _bytes(state: Any) -> int:
    leaves = [leaf for leaf in tree.paths(state).values() if isinstance(leaf, torch.Tensor)]
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves)

"""Cases: what each of several processes does and finds, for `test_parallel`.

    python -m tests.training.parallel_cases eager|compiled|chunks

Every case trains together and alone, in the same process, and tells how far both are apart.
"""

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import artifact_fn as af
from artifact_fn import random, tree
from artifact_fn.errors import ParallelError
from artifact_fn.optim import Rule
from artifact_fn.runs.distributed import processes
from artifact_fn.training import Stream, TrainState, compiled, diagnostics, eager, taps
from artifact_fn.training.parallel import (
    ALONE,
    Mesh,
    Shards,
    agreeing,
    check_agreement,
    data_parallel,
    gathered,
    held,
    scattered,
    sharded,
    synchronised,
)
from artifact_fn.training.parallel.mesh import Way, reduced

Network = Callable[[], nn.Module]


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 3))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3))


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.Dropout(0.5), nn.Linear(9, 3))


def loader(rows: int, size: int) -> af.Loader:
    x = random.normal(random.key(1), (rows, 5))
    y = (x[:, 0] > 0).to(torch.int64) + (x[:, 1] > 0.3).to(torch.int64)
    return af.Loader(af.Table({"x": x, "y": y}), size)


class Trained:
    """A small training by one mesh: 3 epochs of 2 whole batches, an odd one and a tiny one."""

    def __init__(
        self,
        mesh: Mesh,
        network: Network,
        optimizer: Rule,
        *,
        rows: int = 16 + 16 + 11,
        accumulate: int = 1,
        wrap: Any = eager,
        routines: bool = False,
        look: Callable[[Stream], Stream] = lambda stream: stream,
    ) -> None:
        model = af.functional(lambda: synchronised(network(), mesh))
        objective = af.supervised(
            model, F.cross_entropy, metrics=[af.metrics.accuracy(), af.metrics.confusion(3)]
        )
        step = af.train_step(objective, optimizer, accumulate=accumulate)
        first = TrainState.create(model, optimizer, seed=0)
        watching = [
            af.evaluation("val", objective, loader(20, 8)),
            diagnostics(taps.gradients(), taps.activation_gradients(model)),
        ]
        stream = af.epochs(
            wrap(data_parallel(step, mesh)),
            first,
            loader(rows, 16),
            routines=watching if routines else [],
        )
        run = af.fit(look(stream), until=af.at_most(3), history=af.history())
        self.history = run.answers["history"]
        self.state = run.last.state
        self.artifacts = run.last.artifacts


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference of two trees of numbers, relative to 1 or to their size."""
    one, other = tree.paths(ours), tree.paths(theirs)
    assert one.keys() == other.keys(), (sorted(one), sorted(other))
    worst = 0.0
    for path, leaf in one.items():
        a, b = torch.as_tensor(leaf).double(), torch.as_tensor(other[path]).double()
        assert a.shape == b.shape, path
        gap = ((a - b).abs() / b.abs().clamp(min=1.0)).nan_to_num(0.0)
        worst = max(worst, float(gap.max()) if gap.numel() else 0.0)
    return worst


def compare(mesh: Mesh, ours: Trained, theirs: Trained) -> dict[str, Any]:
    check_agreement(ours.state, mesh)
    assert list(ours.history.columns) == list(theirs.history.columns)
    return {
        "state": apart(gathered(ours.state, mesh), theirs.state),
        "history": apart(
            {"h": torch.tensor(ours.history.to_numpy())},
            {"h": torch.tensor(theirs.history.to_numpy())},
        ),
        "confusion": bool(
            (ours.artifacts["train/confusion"] == theirs.artifacts["train/confusion"]).all()
        ),
    }


def eagerly(mesh: Mesh) -> dict[str, Any]:
    sgd, adam = af.optim.sgd(0.05, momentum=0.9), af.optim.adamw(1e-2)
    clipped = af.optim.chain(af.optim.clip_by_global_norm(0.1), adam)
    in_front = af.optim.chain(af.optim.clip_by_global_norm(0.1), sharded(adam, mesh))
    found: dict[str, Any] = {}

    def both(name: str, ours: Trained, theirs: Trained) -> None:
        found[name] = compare(mesh, ours, theirs)

    both("plain", Trained(mesh, plain, adam), Trained(ALONE, plain, adam))
    both("normed", Trained(mesh, normed, sgd), Trained(ALONE, normed, sgd))
    # One row in the last batch: every process takes it whole.
    both("tiny", Trained(mesh, plain, sgd, rows=33), Trained(ALONE, plain, sgd, rows=33))
    both(
        "watched",
        Trained(mesh, plain, sharded(adam, mesh), routines=True),
        Trained(ALONE, plain, adam, routines=True),
    )
    both(
        "dropping",
        Trained(mesh, dropping, sgd, rows=48),
        Trained(ALONE, dropping, sgd, rows=48, accumulate=mesh.size),
    )
    both("sharded", Trained(mesh, plain, sharded(adam, mesh)), Trained(ALONE, plain, adam))
    both("in front", Trained(mesh, plain, in_front), Trained(ALONE, plain, clipped))
    found["wrong"] = compare(
        mesh, Trained(mesh, dropping, sgd, rows=48), Trained(ALONE, dropping, sgd, rows=48)
    )
    found["unsynchronised"] = unsynchronised(mesh)
    found["bytes"] = memory(mesh)
    found["spread"] = spread(mesh)
    found["summed"] = summed(mesh)
    found["apart"] = disagreement(mesh)
    return found


def unsynchronised(mesh: Mesh) -> str:
    """A BatchNorm over a process's own rows: another model, and one state everywhere."""
    model = af.functional(normed)
    objective = af.supervised(model, F.cross_entropy)
    optimizer = af.optim.sgd(0.05)
    step = data_parallel(af.train_step(objective, optimizer), mesh)
    state = TrainState.create(model, optimizer, seed=0)
    run = af.fit(agreeing(mesh)(af.epochs(step, state, loader(43, 16))), until=af.at_most(2))
    return check_agreement(run.last.state, mesh)


def memory(mesh: Mesh) -> list[int]:
    model = af.functional(lambda: nn.Linear(100, 100))
    adam = af.optim.adam(1e-3)
    states = [TrainState.create(model, rule, seed=0) for rule in (sharded(adam, mesh), adam)]
    return [held(state.opt_state) for state in states]


def summed(mesh: Mesh) -> bool:
    """Vectors of several dtypes in one message, of whose sums each process gets its part."""
    kinds = (torch.float32, torch.float64, torch.complex64, torch.bfloat16)
    whole = [torch.arange(3 * mesh.size).to(kind) for kind in kinds]
    ones = torch.ones(2, dtype=torch.int64)
    way: Way = "scatter"
    told = [vector * (mesh.rank + 1) for vector in whole]
    *parts, count = reduced(mesh, [*told, ones], [*(way for _ in kinds), "sum"])
    own, times = slice(3 * mesh.rank, 3 * mesh.rank + 3), mesh.size * (mesh.size + 1) // 2
    right = [torch.equal(a, b[own] * times) for a, b in zip(parts, whole, strict=True)]
    (alone,) = reduced(mesh, told[:1], [way])
    return all(right) and torch.equal(alone, parts[0]) and count.tolist() == [mesh.size] * 2


def spread(mesh: Mesh) -> bool:
    """A state joined and spread again is the same, to the bit."""
    trained = Trained(mesh, plain, sharded(af.optim.adamw(1e-2), mesh))
    assert isinstance(trained.state.opt_state, Shards)
    whole = gathered(trained.state, mesh)
    return tree.identical(scattered(whole, trained.state, mesh), trained.state)


def disagreement(mesh: Mesh) -> str:
    """One process whose weights are a bit off."""
    model = af.functional(plain)
    state = TrainState.create(model, af.optim.sgd(0.1), seed=0)
    if mesh.rank == 1:
        bias = state.params["2.bias"] * (1 + 1e-6)
        state = tree.replace(state, params={**state.params, "2.bias": bias})
    try:
        check_agreement(state, mesh)
    except ParallelError as error:
        return str(error)
    return "not noticed"


def compiled_steps(mesh: Mesh) -> dict[str, Any]:
    """One step a call; batches of one shape, as each is a program."""
    sgd = af.optim.sgd(0.05, momentum=0.9)

    def once(step: Any) -> Any:
        return compiled(step, chunk=1)

    ours = Trained(mesh, normed, sharded(sgd, mesh), rows=48, wrap=once)
    return {"normed": compare(mesh, ours, Trained(ALONE, normed, sgd, rows=48))}


def compiled_chunks(mesh: Mesh) -> dict[str, Any]:
    """Three steps a call."""
    sgd = af.optim.sgd(0.05, momentum=0.9)
    ours = Trained(mesh, normed, sharded(sgd, mesh), rows=48, wrap=compiled)
    return {"normed": compare(mesh, ours, Trained(ALONE, normed, sgd, rows=48))}


CASES = {"eager": eagerly, "compiled": compiled_steps, "chunks": compiled_chunks}


def main(which: str) -> None:
    torch.set_num_threads(1)
    with processes(timeout=600.0) as here:
        found = CASES[which](here.mesh)
    assert all(not isinstance(x, float) or math.isfinite(x) for x in tree.leaves(found))
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(sys.argv[1])

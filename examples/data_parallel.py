"""The same program in one process and in several, and what they train.

    torchrun --nproc-per-node 2 examples/data_parallel.py [--epochs 5] [--eager] [--sharded]

Trains a classifier with BatchNorm on a table whose last batch is short and odd, with an epoch's
order and every batch shared by the processes. Then each of them trains it once more, alone. The last
line is JSON: how far the two loss curves are apart, and the digests of all processes.
"""

import argparse
import json
import sys

import torch
import torch.nn.functional as F
from torch import nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.runs.distributed import processes
from artifact_fn.training import TrainState
from artifact_fn.training.parallel import (
    ALONE,
    Mesh,
    agreeing,
    check_agreement,
    data_parallel,
    held,
    sharded,
    synchronised,
)


def network() -> nn.Module:
    """8 features to 3 classes."""
    return nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))


def table(rows: int, seed: int) -> af.Table:
    """Three classes that depend on two of the features."""
    x = random.normal(random.key(seed), (rows, 8))
    y = (x[:, 0] > 0).to(torch.int64) + (x[:, 1] > 0.3).to(torch.int64)
    return af.Table({"x": x, "y": y})


def trained(mesh: Mesh, options: argparse.Namespace) -> tuple[list[float], TrainState]:
    """The loss of every epoch, and the last state."""
    model = af.functional(lambda: synchronised(network(), mesh))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    # SGD: the gradient of a bias before a BatchNorm is rounding, which Adam would enlarge.
    optimizer = af.optim.sgd(af.optim.cosine(0.1, steps=16 * options.epochs), momentum=0.9)
    if options.sharded:
        optimizer = sharded(optimizer, mesh)
    state = TrainState.create(model, optimizer, seed=0)
    step = data_parallel(af.train_step(objective, optimizer), mesh)
    stream = af.epochs(
        step if options.eager else af.compiled(step),
        state,
        af.Loader(table(1001, seed=1), 64),
        routines=[af.evaluation("val", objective, af.Loader(table(256, seed=2), 256))],
    )
    run = af.fit(agreeing(mesh)(stream), until=af.at_most(options.epochs), history=af.history())
    losses: list[float] = run.answers["history"]["train/loss"].tolist()
    return losses, run.last.state


def main() -> None:
    """Train together, then alone, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=5, help="so many (5)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--sharded", action="store_true", help="the optimizer's state in shards")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with processes(timeout=300.0) as here:
        together, state = trained(here.mesh, options)
        digest = check_agreement(state, here.mesh)
        sys.stderr.write(
            f"rank {here.mesh.rank} of {here.mesh.size}: digest {digest}, "
            f"{held(state.opt_state):,} bytes of the optimizer's state\n"
        )
        alone, whole = trained(ALONE, options)
        apart = max(abs(a - b) / abs(b) for a, b in zip(together, alone, strict=True))
        told = {
            "processes": here.mesh.size,
            "together": [round(loss, 6) for loss in together],
            "alone": [round(loss, 6) for loss in alone],
            "apart": apart,
            "bytes": [held(state.opt_state), held(whole.opt_state)],
            "digest": digest,
        }
        if here.mesh.rank == 0:
            print(json.dumps(told))


if __name__ == "__main__":
    main()

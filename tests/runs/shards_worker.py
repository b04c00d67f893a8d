"""Worker: one of the processes that write a state in shards, or read it.

python -m tests.runs.shards_worker write|read DIRECTORY...
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

import artifact_fn as af
from artifact_fn import random, tree
from artifact_fn.runs.distributed import load_shards, processes, save_shards
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.training import TrainState
from artifact_fn.training.parallel import Mesh, gathered, held, sharded

MARK = Mark(1, 2)


def fresh(mesh: Mesh) -> TrainState:
    """23 numbers in two dtypes: no count of processes but 1 divides them."""
    model = af.functional(
        lambda: nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.Linear(1, 4).double()})
    )
    return TrainState.create(model, sharded(af.optim.adamw(1e-2), mesh), seed=0)


def moved(mesh: Mesh) -> TrainState:
    """A state with something else than zeros in it."""
    state, rule = fresh(mesh), sharded(af.optim.adamw(1e-2), mesh)
    for i in range(3):
        grads = {
            path: random.normal(random.fold_in(random.key(i), at), tuple(leaf.shape)).to(leaf.dtype)
            for at, (path, leaf) in enumerate(state.params.items())
        }
        params, opt_state = rule.update(grads, state.opt_state, state.params)
        state = tree.replace(state, params=params, opt_state=opt_state, step=state.step + 1)
    return state


def main(what: str, *directories: str) -> None:
    torch.set_num_threads(1)
    with processes(timeout=600.0) as here:
        expected = moved(here.mesh)
        found = []
        for root in map(Path, directories):
            if what == "write":
                save_shards(root, MARK, expected, here.mesh)
            found.append(load_shards(root, MARK, fresh(here.mesh), here.mesh))
        told = {
            "same": [tree.identical(one, expected) for one in found],
            "digest": tree.digest(gathered(found[0], here.mesh)),
            "bytes": held(found[0].opt_state),
        }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

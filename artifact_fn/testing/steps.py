"""Steps: pure, of one meaning, compiled once (laws 1 to 3)."""

from typing import Any

import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import LawError
from artifact_fn.testing.purity import check_pure
from artifact_fn.training.compiled import compilations, compiled, eager
from artifact_fn.training.contracts import Step
from artifact_fn.training.preflight import check_finite, tried
from artifact_fn.training.state import TrainState


def check_step(
    step: Step[TrainState],
    state: TrainState,
    batch: Any,
    *,
    rtol: float = 1e-4,
    compile: bool = True,
    vmap: bool = True,
) -> None:
    """All that is promised of a step, on one state and batch.

    The contract (structure, statistics, a finite loss), purity by three layers, no storage shared
    between what is given and what is answered, a key that counts with the step; then compiled
    and vmapped against eager, and one compilation for one shape.

    Args:
        step: To be checked; of a compiled one, the step inside.
        state: A state for it.
        batch: A batch for it.
        rtol: How far eager, compiled and vmapped may differ by rounding, relative and absolute.
        compile: Whether to compile it (10 to 50 s).
        vmap: Whether to map it over two members.

    Raises:
        LawError: a law is broken.
        ArtifactFnError: the contract of a step is (see `training.preflight`).

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> step = train_step(supervised(model, F.cross_entropy), optimizer)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> check_step(step, state, batch, compile=False)
    """
    bare = eager(step)
    _, metrics = tried(bare, state, batch)
    check_finite(metrics)
    after, told = check_pure(bare, state, batch)
    _check_aliases({"state": state, "batch": batch}, {"state": after, "metrics": told})
    _check_key(bare, state, batch)
    if vmap:
        _check_vmap(bare, state, batch, rtol)
    if compile:
        _check_compiled(bare, state, batch, rtol)


def _check_aliases(given: Any, answer: Any) -> None:
    inputs = tree.paths(given)
    where = {leaf.untyped_storage().data_ptr(): path for path, leaf in inputs.items()}
    passed_on = {id(leaf) for leaf in inputs.values()}
    for path, leaf in tree.paths(answer).items():
        source = where.get(leaf.untyped_storage().data_ptr())
        if source is not None and leaf.numel() and id(leaf) not in passed_on:
            raise LawError(
                "what a step answers shares no memory with what it was given",
                got=f"{path} is a view of {source}",
                do="clone it, or hand the tensor on as it is",
            )


def _check_key(step: Step[TrainState], state: TrainState, batch: Any) -> None:
    """A step that draws must draw anew when only the count of steps has changed."""
    same = tree.identical(
        *(_told(step, tree.replace(state, key=random.key(seed)), batch) for seed in (1, 2))
    )
    if same:
        return
    later = tree.replace(state, step=state.step + 1)
    if tree.identical(_told(step, state, batch), _told(step, later, batch)):
        raise LawError(
            "each step draws numbers of its own",
            got="the same draws in two steps: the key is used as it is",
            do="derive the key of a step: random.fold_in(state.key, state.step)",
        )


def _told(step: Step[TrainState], state: TrainState, batch: Any) -> Any:
    after, metrics = step(state, batch)
    return after.params, after.buffers, metrics


def _check_vmap(step: Step[TrainState], state: TrainState, batch: Any, rtol: float) -> None:
    members = [tree.replace(state, key=random.key(seed)) for seed in (1, 2)]
    together = tree.map(lambda *leaves: torch.stack(leaves), members[0], members[1])
    found = torch.vmap(step, in_dims=(0, None))(together, batch)
    for i, member in enumerate(members):
        one = tree.map(lambda leaf, at=i: leaf[at], found)
        _check_close("vmapped", one, step(member, batch), rtol)


def _check_compiled(step: Step[TrainState], state: TrainState, batch: Any, rtol: float) -> None:
    wrapped = compiled(step)
    with torch.no_grad():
        found = wrapped(state, batch)
        _check_close("compiled", found, step(state, batch), rtol)
        before = compilations()
        check_pure(wrapped, found[0], batch)
        if compilations() != before:
            raise LawError(
                "a step is compiled once for one shape",
                got="a second compilation in the second step",
                do="keep counters and hyperparameters as tensors in the state: a Python number "
                "that changes is compiled anew",
            )


def _check_close(mode: str, found: Any, expected: Any, rtol: float) -> None:
    theirs = tree.paths(expected)
    for path, leaf in tree.paths(found).items():
        other = theirs[path]
        exact = not leaf.is_floating_point() and not leaf.is_complex()
        close = (
            torch.equal(leaf, other)
            if exact
            else torch.allclose(leaf, other, rtol=rtol, atol=rtol, equal_nan=True)
        )
        if not close:
            raise LawError(
                f"{mode} and eager mean the same",
                got=f"another value at {path}, off by {_off(leaf, other):.3g}",
                do="under Adam, a bias before a BatchNorm differs by rounding alone (use "
                "bias=False or check with sgd); else look for randomness without a key",
            )


def _off(a: Tensor, b: Tensor) -> float:
    return (a.double() - b.double()).abs().max().item() if a.shape == b.shape else float("inf")

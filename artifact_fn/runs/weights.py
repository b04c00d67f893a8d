"""Weights: parameters and optimizer states of other programs, and ours for them.

Reads safetensors, and torch's own files with `weights_only=True`, which run no code. What is read
must fit a state that was made: its names and shapes are what is expected; numbers are converted
to its dtypes.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artifact_fn import tree
from artifact_fn.errors import DataError
from artifact_fn.optim.leafwise import RuleState
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.tensors import dumped, loaded
from artifact_fn.training.state import TrainState

_MODEL = ("model_state", "model_state_dict", "state_dict", "model")
_OPTIMIZER = ("optimizer_state", "optimizer_state_dict", "optimizer")


def import_weights(path: str | Path, state: TrainState, *, prefix: str = "") -> TrainState:
    """A state with the weights of a file in the place of its own.

    Takes a safetensors file, a plain `state_dict`, or a checkpoint that holds one under
    `model_state` (as artifact-torch writes), `model_state_dict`, `state_dict` or `model`. Where it
    has the state of a torch optimizer beside it, and the state's optimizer has one rule of that
    kind, its moments and its count are taken over too; hyperparameters stay as configured.

    Args:
        path: Of the file; trusted or not, no code in it is run.
        state: What is expected, e.g. `experiment.state()`.
        prefix: What names in the file begin with and ours do not, e.g. `"module."`.

    Raises:
        DataError: the file is none of these; or names or shapes differ, or the optimizer is
            another one; names the first.
        Damaged, Storage: there is no such file, or it cannot be read.

    Example:
        >>> import tempfile
        >>> from artifact_fn.testing import small_experiment
        >>> state, path = small_experiment(seed=7).state(), tempfile.mkdtemp() + "/best.safetensors"
        >>> export_weights(state, path)
        >>> again = import_weights(path, small_experiment(seed=0).state())
        >>> torch.equal(again.params["weight"], state.params["weight"])
        True
    """
    path = Path(path)
    weights, optimizer = _read(path)
    weights = {
        name.removeprefix(prefix): leaf for name, leaf in weights.items() if name.startswith(prefix)
    }
    held = {**state.params, **state.buffers}
    _check(path, weights, held)
    moved = tree.replace(
        state,
        params={name: _like(weights[name], leaf) for name, leaf in state.params.items()},
        buffers={
            name: _like(weights[name], leaf) if name in weights else leaf
            for name, leaf in state.buffers.items()
        },
    )
    if optimizer is None:
        return moved
    names = [name for name in weights if name in state.params]
    return tree.replace(moved, opt_state=_with_moments(path, state.opt_state, optimizer, names))


def export_weights(state: TrainState, path: str | Path) -> None:
    """Write a state's parameters and buffers, by name, as a safetensors file.

    Args:
        state: On any device.
        path: Of the file, which is replaced as a whole.

    Raises:
        Storage: the disk refuses; what was there is still there.

    Example:
        >>> import tempfile
        >>> from artifact_fn.testing import small_experiment
        >>> export_weights(small_experiment().state(), tempfile.mkdtemp() + "/best.safetensors")
    """
    held = {name: leaf.detach() for name, leaf in {**state.params, **state.buffers}.items()}
    files.replace(Path(path), b"".join(dumped(held)))


def to_module(source: nn.Module | Callable[[], nn.Module], state: TrainState) -> nn.Module:
    """A plain module with a state's weights.

    Args:
        source: What `functional` was given: a module, which is copied, or a factory.
        state: Of the model that was made from it.

    Returns:
        A module of its own, in evaluation mode.

    Raises:
        DataError: the module has other parameters or buffers.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional
        >>> factory = lambda: nn.Linear(3, 2)
        >>> state = TrainState.create(functional(factory), sgd(0.1), seed=0)
        >>> module = to_module(factory, state)
        >>> torch.equal(module.weight, state.params["weight"])
        True
    """
    if isinstance(source, nn.Module):
        module = copy.deepcopy(source)
    else:
        with torch.random.fork_rng(devices=[]):
            module = source()
    places = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    held = {**state.params, **state.buffers}
    _check(Path(type(module).__name__), held, places)
    with torch.no_grad():
        for name, tensor in places.items():
            tensor.copy_(held[name])
    return module.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any] | None]:
    """The weights by name, and the state of an optimizer if there is one."""
    if path.suffix == ".safetensors":
        return loaded(files.read(path)), None
    files.read(path)  # for its faults
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as cause:
        raise DataError(
            f"{path} holds no weights that can be read without running code",
            got=f"{type(cause).__name__}: {str(cause).splitlines()[0]}",
            do="save a state_dict with torch.save, or a safetensors file",
        ) from cause
    if isinstance(found, Mapping):
        whole = next((found[key] for key in _MODEL if isinstance(found.get(key), Mapping)), found)
        if whole and all(isinstance(leaf, Tensor) for leaf in whole.values()):
            optimizer = next((found[key] for key in _OPTIMIZER if key in found), None)
            return dict(whole), None if whole is found else optimizer
    raise DataError(
        f"{path} holds no weights",
        got=f"{', '.join(map(str, found))}" if isinstance(found, Mapping) else type(found).__name__,
        do=f"save a dict of tensors, or one under {', '.join(_MODEL)}",
    )


def _check(path: Path, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    # A module keeps some buffers out of its state_dict, and tied weights in it twice.
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected and not _twin(name, given, expected)]
    for name in [*missing, *unknown]:
        raise DataError(
            f"the weights of {path} do not fit the state",
            got=f"no {name!r}" if name in expected else f"{name!r}, which it does not hold",
            do="build the state from the same architecture, or name a prefix",
        )
    for name, leaf in expected.items():
        if given[name].shape != leaf.shape:
            raise DataError(
                f"the weights of {path} do not fit the state",
                got=f"{name!r} of {list(given[name].shape)} instead of {list(leaf.shape)}",
                do="build the state from the same architecture",
            )


def _twin(name: str, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether a name that is not expected is a second one of a tied weight."""
    pointer = given[name].data_ptr()
    return any(given[other].data_ptr() == pointer for other in expected if other in given)


def _like(given: Tensor, leaf: Tensor) -> Tensor:
    return given.detach().to(leaf.device, leaf.dtype, copy=True).contiguous()


def _with_moments(
    path: Path, opt_state: Any, optimizer: Mapping[str, Any], names: list[str]
) -> Any:
    """An optimizer's state with the moments and the count of a torch optimizer."""
    entries = optimizer["state"]
    order = [index for group in optimizer["param_groups"] for index in group["params"]]
    rules = tree.records(opt_state, RuleState)
    if not entries:
        return opt_state
    first = entries[min(entries)]
    remembered = {name for name, value in first.items() if value is not None}
    moments = remembered - {"step"} - (set(rules[0].hyper) if rules else set())
    if len(rules) != 1 or len(order) != len(names) or moments != set(rules[0].moments):
        raise DataError(
            f"the optimizer of {path} does not fit the state's",
            got=f"moments {sorted(moments)} of {len(order)} parameters, for "
            f"{[sorted(rule.moments) for rule in rules]} of {len(names)}",
            do="configure the same rule, with every parameter trainable; or import the weights "
            "from a file without an optimizer",
        )
    missing = [name for name, index in zip(names, order, strict=True) if index not in entries]
    steps = {int(entry.get("step", 1)) for entry in entries.values()}
    if missing or len(steps) > 1:
        raise DataError(
            f"the optimizer of {path} has not updated all parameters as often",
            got=f"nothing of {missing[0]!r}" if missing else f"{sorted(steps)} updates",
            do="import the weights from a file without an optimizer: one count serves them all here",
        )
    return tree.map_records(lambda rule: _moved(rule, entries, order, names), opt_state, RuleState)


def _moved(
    rule: RuleState, entries: Mapping[int, Any], order: list[int], names: list[str]
) -> RuleState:
    by_name = dict(zip(names, (entries[index] for index in order), strict=True))
    first = by_name[names[0]]
    # Where torch keeps no count (SGD), there was a first update at least: it is a special one.
    count = torch.full_like(rule.count, int(first.get("step", 1)))
    return RuleState(
        count,
        {
            name: torch.full_like(value, float(first[name])) if name in first else value
            for name, value in rule.hyper.items()
        },
        {
            moment: {name: _like(by_name[name][moment], leaf) for name, leaf in leaves.items()}
            for moment, leaves in rule.moments.items()
        },
    )

"""Functional: an nn.Module, or a factory of one, as a pure Model."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.func import functional_call

from artifact_fn import random
from artifact_fn.errors import ModelError
from artifact_fn.training.contracts import Buffers, Model, Params
from artifact_fn.training.keyed import replace_dropout


def functional(source: nn.Module | Callable[[], nn.Module]) -> Model:
    """A Model from a module or from a factory of modules.

    Parameters with `requires_grad=False` are held among the buffers: they stay as they are and
    no optimizer sees them. Dropout draws from the key of each call. The module itself is copied,
    without its weights, and never called, changed or referred to again.

    Args:
        source: From a factory (`lambda: nn.Sequential(...)`), `init` draws the weights from its
            seed; it must build the same architecture every time. From a module, its weights as
            they are now are the only beginning, whatever the seed.

    Returns:
        Its parameters and buffers have the paths of `named_parameters` and `named_buffers`.

    Raises:
        ModelError: `source` is neither, or the module cannot be copied.

    Example:
        >>> model = functional(lambda: nn.Linear(3, 2))
        >>> params, buffers = model.init(0)
        >>> outputs, _ = model.apply(
        ...     params, buffers, torch.zeros(5, 3), key=random.key(0), training=False
        ... )
        >>> outputs.shape
        torch.Size([5, 2])
    """
    if isinstance(source, nn.Module):
        template, start = _template(source), _contents(source)
        return Model(lambda seed: _fresh(template, start), _apply(template), seeded=False)
    template = _template(_built(source, seed=0))

    def init(seed: int) -> tuple[Params, Buffers]:
        contents = _contents(_built(source, seed))
        if _shapes(contents) != template.shapes:
            changed = dict(_shapes(contents).items() ^ template.shapes.items())
            raise ModelError(
                "a factory builds the same architecture every time",
                got=f"other parameters or buffers at {', '.join(sorted(changed))}",
                do="draw no sizes at random in it",
            )
        return _fresh(template, contents)

    return Model(init, _apply(template), seeded=True)


@attrs.frozen(eq=False)
class _Template:
    """A module without its weights, and where they go.

    Attributes:
        training: In training mode, wrapped in `_Call`; every tensor on the meta device.
        evaluation: The same in evaluation mode.
        slots: Every physical place of a parameter or buffer, to the path of its tensor.
        trainable: Paths of the parameters that require gradients.
        fixed: Paths of the others.
        shapes: Of everything, by path.
        keyed: Paths of the keyed modules, within the wrapper.
    """

    training: nn.Module
    evaluation: nn.Module
    slots: Mapping[str, str]
    trainable: frozenset[str]
    fixed: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]]
    keyed: tuple[str, ...]


class _Call(nn.Module):
    """Calls any method of a module, so that functional_call can."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, method: str, args: tuple[Any, ...]) -> Any:
        if method == "forward":
            return self.module(*args)
        return getattr(self.module, method)(*args)


def _built(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The factory's module, drawn from a seed; the global generator is left as it was."""
    if not callable(factory):
        raise ModelError(
            "a model is made from an nn.Module or a function that builds one",
            got=type(factory).__name__,
            do="pass functional(lambda: nn.Sequential(...))",
        )
    random.key(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = factory()
    if not isinstance(module, nn.Module):
        raise ModelError(
            "a factory builds an nn.Module",
            got=type(module).__name__,
            do="return the module from the function",
        )
    return module


def _contents(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by path, each once: copies that nothing else can change."""
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {path: tensor.detach().clone() for path, tensor in held.items()}


def _shapes(contents: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {path: tuple(tensor.shape) for path, tensor in contents.items()}


def _template(module: nn.Module) -> _Template:
    parameters = dict(module.named_parameters())
    held = {**parameters, **dict(module.named_buffers())}
    # Not tie_weights=True, which corrupts a submodule reachable by two paths (pytorch#195593),
    # and not one key a tensor with tie_weights=False, which leaves the second place of a tied
    # parameter at its old value: one key for each physical place.
    canonical = {id(tensor): path for path, tensor in held.items()}
    slots = {
        f"module.{prefix}{'.' if prefix else ''}{name}": canonical[id(tensor)]
        for prefix, part in module.named_modules()
        for name, tensor in [*part._parameters.items(), *part._buffers.items()]
        if tensor is not None
    }
    empty: dict[int, Any] = {
        id(tensor): nn.Parameter(tensor.detach().to("meta"), requires_grad=tensor.requires_grad)
        if path in parameters
        else tensor.detach().to("meta")
        for path, tensor in held.items()
    }
    try:
        training = _Call(copy.deepcopy(module, empty))
        keyed = replace_dropout(training)
        evaluation = copy.deepcopy(training).eval()
    except Exception as cause:
        raise ModelError(
            f"a {type(module).__name__} could not be copied",
            got=f"{type(cause).__name__}: {cause}",
            do="hold tensors as parameters or buffers, and no open files, locks or generators",
        ) from cause
    trainable = frozenset(path for path, p in parameters.items() if p.requires_grad)
    return _Template(
        training=training.train(),
        evaluation=evaluation,
        slots=slots,
        trainable=trainable,
        fixed=frozenset(parameters) - trainable,
        shapes=_shapes(held),
        keyed=keyed,
    )


def _fresh(template: _Template, contents: Mapping[str, Tensor]) -> tuple[Params, Buffers]:
    """Copies of a module's contents, divided into what is trained and what is not."""
    params = {path: t.clone() for path, t in contents.items() if path in template.trainable}
    buffers = {path: t.clone() for path, t in contents.items() if path not in template.trainable}
    return params, buffers


def _apply(template: _Template) -> Any:
    def apply(
        params: Params,
        buffers: Buffers,
        inputs: Any,
        /,
        *,
        key: Tensor,
        training: bool,
        method: str = "forward",
    ) -> tuple[Any, Buffers]:
        # A training BatchNorm writes into the buffers it is given: it gets copies.
        after = {
            path: tensor if path in template.fixed else tensor.clone()
            for path, tensor in buffers.items()
        }
        held = {**params, **after}
        tensors = {slot: held[path] for slot, path in template.slots.items()}
        if training and template.keyed:
            keys = random.split(key, len(template.keyed))
            for i, path in enumerate(template.keyed):
                tensors[f"{path}.key"] = keys[i]
                tensors[f"{path}.calls"] = torch.zeros((), dtype=torch.int32, device=key.device)
        module = template.training if training else template.evaluation
        args = inputs if isinstance(inputs, tuple) else (inputs,)
        outputs = functional_call(module, tensors, (method, args), tie_weights=False)
        return outputs, after

    return apply

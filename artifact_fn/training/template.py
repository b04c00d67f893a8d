"""Template: a module without its weights, and where they go when it is called."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from artifact_fn.errors import ModelError, PurityError
from artifact_fn.training.attention import KeyedAttention
from artifact_fn.training.keyed import KeyedDropout, keyed_dropout
from artifact_fn.training.norms import normed
from artifact_fn.training.recurrent import recurrent


@attrs.frozen(eq=False)
class Mode:
    """A module ready to be called, in training or in evaluation mode.

    Attributes:
        module: A `Call` around the module; every tensor on the meta device.
        slots: Every physical place of a parameter or buffer, to the path of its tensor.
        keyed: Paths of the modules that draw from a key.
        attributes: Of the user's modules within, what each held when the template was made.
    """

    module: nn.Module
    slots: Mapping[str, str]
    keyed: tuple[str, ...]
    attributes: Mapping[nn.Module, Mapping[str, Any]]


@attrs.frozen(eq=False)
class Template:
    """What is known of a module besides its weights.

    Attributes:
        training: In training mode; modules that draw are keyed ones.
        evaluation: In evaluation mode.
        stacked: Both, with what is written out for many members at once; None where that is nothing.
        trainable: Paths of the parameters that require gradients.
        fixed: Paths of the others.
        shapes: Of everything, by path.
        key_arguments: Methods with an argument `key`, to its position.
    """

    training: Mode
    evaluation: Mode
    stacked: tuple[Mode, Mode] | None
    trainable: frozenset[str]
    fixed: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]]
    key_arguments: Mapping[str, int]


class Call(nn.Module):
    """Calls any method of a module, so that functional_call can, and looks at its buffers after."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], buffers: tuple[str, ...]
    ) -> tuple[Any, list[Tensor]]:
        """The answer, and the buffers at these places: a module may have put new ones there."""
        called = self.module if method == "forward" else getattr(self.module, method)
        answer = called(*args, **kwargs)
        return answer, [self.get_buffer(place) for place in buffers]


def template_of(module: nn.Module) -> Template:
    """The template of a module, which is copied and left as it is.

    Raises:
        ModelError: it cannot be copied, or holds what cannot be called purely.
    """
    parameters = dict(module.named_parameters())
    held = {**parameters, **dict(module.named_buffers())}
    _refuse_impure(module, held)
    empty: dict[int, Any] = {}
    names: dict[int, str] = {}
    for path, tensor in held.items():
        bare = tensor.detach().to("meta")
        if path in parameters:
            bare = nn.Parameter(bare, requires_grad=tensor.requires_grad)
        empty[id(tensor)], names[id(bare)] = bare, path
    training, evaluation = _both(module, empty, ())
    stacked = None
    if any(normed(part) is not None for part in module.modules()):
        first, second = _both(module, empty, (normed,))
        stacked = _mode(first, names), _mode(second, names)
    trainable = frozenset(path for path, p in parameters.items() if p.requires_grad)
    return Template(
        training=_mode(training, names),
        evaluation=_mode(evaluation, names),
        stacked=stacked,
        trainable=trainable,
        fixed=frozenset(parameters) - trainable,
        shapes={path: tuple(tensor.shape) for path, tensor in held.items()},
        key_arguments=_key_arguments(module),
    )


def _both(
    module: nn.Module, empty: Mapping[int, Any], more: "tuple[_Substitute, ...]"
) -> tuple[Call, Call]:
    """Copies of a module in training and in evaluation mode, with modules of ours in them."""
    try:
        evaluation = Call(copy.deepcopy(module, dict(empty))).eval()
        training = Call(copy.deepcopy(module, dict(empty))).train()
    except Exception as cause:
        raise ModelError(
            f"a {type(module).__name__} could not be copied",
            got=f"{type(cause).__name__}: {cause}",
            do="hold tensors as parameters or buffers, and no open files, locks or generators",
        ) from cause
    _replace(training, (*_WHEN_TRAINING, recurrent, *more))
    _replace(evaluation, (recurrent, *more))
    if module.training:  # a part that is frozen in evaluation mode (a BatchNorm, a trunk) stays so
        for path, part in module.named_modules():
            training.module.get_submodule(path).training = part.training
    return training, evaluation


def refuse_changes(mode: Mode) -> None:
    """Refuse a call that has left something behind in its module, and take it out again.

    Raises:
        PurityError: an attribute of a module is another object than it was.
    """
    for part, before in mode.attributes.items():
        now = vars(part)
        changed = [k for k in before.keys() | now.keys() if now.get(k) is not before.get(k)]
        if changed:
            now.clear()
            now.update(before)
            raise PurityError(
                "a module remembers nothing between calls but its buffers",
                got=f"{type(part).__name__}.{sorted(changed)[0]} set in a call",
                do="register it as a buffer of tensors, or answer it as an output",
            )


def _key_arguments(module: nn.Module) -> dict[str, int]:
    """The methods that have an argument `key`, and which one it is.

    Found beforehand: a signature cannot be looked at while a call is traced.
    """
    own = set(dir(type(module))) - (set(dir(nn.Module)) - {"forward"})
    signatures = {
        name: list(inspect.signature(getattr(module, name)).parameters)
        for name in own
        if inspect.isfunction(inspect.getattr_static(type(module), name))
    }
    return {name: names.index("key") for name, names in signatures.items() if "key" in names}


def _mode(call: nn.Module, names: Mapping[int, str]) -> Mode:
    # Not tie_weights=True, which corrupts a submodule reachable by two paths (pytorch#195593),
    # and not one key a tensor with tie_weights=False, which leaves the second place of a tied
    # parameter at its old value: one key for each physical place.
    slots = {
        f"{prefix}{'.' if prefix else ''}{name}": names[id(tensor)]
        for prefix, part in call.named_modules()
        for name, tensor in [*part._parameters.items(), *part._buffers.items()]
        if id(tensor) in names
    }
    keyed = tuple(
        path for path, m in call.named_modules() if isinstance(m, KeyedDropout | KeyedAttention)
    )
    # torch's own modules keep books of their own (an RNN of its flat weights), which are harmless.
    attributes = {
        part: dict(vars(part))
        for part in call.modules()
        if type(part).__module__.split(".")[0] != "torch"
    }
    return Mode(call, slots, keyed, attributes)


_Substitute = Callable[[nn.Module], nn.Module | None]


def _keyed_attention(module: nn.Module) -> nn.Module | None:
    if type(module) is nn.MultiheadAttention and module.dropout > 0:
        return KeyedAttention(module)
    return None


_WHEN_TRAINING: tuple[_Substitute, ...] = (keyed_dropout, _keyed_attention)


def _replace(root: nn.Module, substitutes: tuple[_Substitute, ...]) -> None:
    """Put modules of ours in the place of torch's; one reachable by two paths stays one."""
    made: dict[int, nn.Module] = {}
    for parent in list(root.modules()):
        for name, child in parent._modules.items():
            if child is None:
                continue
            for substitute in substitutes:
                keyed = made.get(id(child)) or substitute(child)
                if keyed is not None:
                    made[id(child)] = parent._modules[name] = keyed.train(child.training)
                    break


def _refuse_impure(module: nn.Module, held: Mapping[str, Tensor]) -> None:
    for path, tensor in held.items():
        if is_lazy(tensor):
            raise ModelError(
                f"{path} has no shape yet",
                got=f"a {type(tensor).__name__} of a lazy module",
                do="pass an example of its inputs: functional(..., example=x)",
            )
    for path, part in module.named_modules():
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.max_norm is not None:
            raise ModelError(
                f"{path or type(part).__name__} rescales its weights in place at every call",
                got=f"max_norm={part.max_norm}",
                do="leave max_norm out, and normalise the rows where they are used",
            )
        for name, value in vars(part).items():
            if isinstance(value, torch.Generator):
                raise ModelError(
                    f"{path or type(part).__name__}.{name} draws from a generator",
                    got="a torch.Generator",
                    do="take a `key` in forward and draw with artifact_fn.random",
                )

"""Functional: an nn.Module, or a factory of one, as a pure Model."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.func import functional_call

from artifact_fn import random
from artifact_fn.errors import ModelError
from artifact_fn.training.contracts import (
    Arguments,
    Buffers,
    HasForward,
    HasKeyedForward,
    Model,
    ModelInput,
    ModelOutput,
    NoOutput,
    Params,
)
from artifact_fn.training.declared import Declared, declared
from artifact_fn.training.template import Mode, Template, refuse_changes, template_of
from artifact_fn.training.watched import WATCH, Watching

# Which key a module's own `key` argument is; keyed modules count theirs from 0.
_OWN = 0x6D6F64


I = TypeVar("I", bound=ModelInput)  # noqa: E741
O = TypeVar("O", bound=ModelOutput)  # noqa: E741
Typed = HasForward[I, O] | HasKeyedForward[I, O]

# A class, a module, a function; of each, first what answers Any, then what answers an O. The order
# matters: a module's own `__call__` answers Any, so it passes for a factory of anything; and pyright,
# once it has refused a class where a module was wanted, refuses the class's modules too.


@overload
def functional(
    source: type[Typed[Any, NoOutput]], *, example: Any = None
) -> Model[Any, Any, None]: ...
@overload
def functional(source: type[Typed[I, O]], *, example: Any = None) -> Model[I, O, Declared]: ...
@overload
def functional(source: Typed[Any, NoOutput], *, example: Any = None) -> Model[Any, Any, None]: ...
@overload
def functional(source: Typed[I, O], *, example: Any = None) -> Model[I, O, Declared]: ...
@overload
def functional(
    source: Callable[[], Typed[Any, NoOutput]], *, example: Any = None
) -> Model[Any, Any, None]: ...
@overload
def functional(
    source: Callable[[], Typed[I, O]], *, example: Any = None
) -> Model[I, O, Declared]: ...
@overload
def functional(
    source: nn.Module | Callable[[], nn.Module], *, example: Any = None
) -> Model[Any, Any, None]: ...
def functional(source: Any, *, example: Any = None) -> Model[Any, Any, Any]:
    """A Model from a module or from a factory of modules.

    Parameters with `requires_grad=False` are held among the buffers: they stay as they are and
    no optimizer sees them. A part in evaluation mode (`trunk.eval()`) of a module in training
    mode stays in it. Dropout, that of attention too, draws from the key of each call; a
    module whose method takes an argument `key` is given one. The module itself is copied,
    without its weights, and never called, changed or referred to again.

    Where `forward` takes a `ModelInput` and answers a `ModelOutput`, so does the model, by its
    type: `class Net(nn.Module)` with `forward(self, inputs: XY) -> Logits` (and a `key: Tensor`,
    if it draws) makes a `Model[XY, Logits]`. Any other makes a `Model[Any, Any]`.

    Args:
        source: From a factory (`lambda: nn.Sequential(...)`), `init` draws the weights from its
            seed; it must build the same architecture every time. From a module, its weights as
            they are now are the only beginning, whatever the seed.
        example: Inputs of a lazy module (an input, a tuple, or `Arguments`), to find its shapes.

    Returns:
        Its parameters and buffers have the paths of `named_parameters` and `named_buffers`.

    Raises:
        ModelError: `source` is neither, or the module cannot be copied or called purely.

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
        template, start = template_of(source), _contents(source)
        return Model(
            lambda seed: _fresh(template, start),
            _apply(template),
            seeded=False,
            declared=declared(source),
            template=template,
        )
    first = _built(source, example, seed=0)
    template = template_of(first)

    def init(seed: int) -> tuple[Params, Buffers]:
        contents = _contents(_built(source, example, seed))
        shapes = {path: tuple(tensor.shape) for path, tensor in contents.items()}
        if shapes != template.shapes:
            changed = dict(shapes.items() ^ template.shapes.items())
            raise ModelError(
                "a factory builds the same architecture every time",
                got=f"other parameters or buffers at {', '.join(sorted(changed))}",
                do="draw no sizes at random in it",
            )
        return _fresh(template, contents)

    return Model(init, _apply(template), seeded=True, declared=declared(first), template=template)


def _built(factory: Callable[[], nn.Module], example: Any, seed: int) -> nn.Module:
    """The factory's module, drawn from a seed; the global generator is left as it was."""
    if not callable(factory):
        raise ModelError(
            "a model is made from an nn.Module or a function that builds one",
            got=type(factory).__name__,
            do="pass functional(lambda: nn.Sequential(...))",
        )
    random.key(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        module = factory()
        if not isinstance(module, nn.Module):
            raise ModelError(
                "a factory builds an nn.Module",
                got=type(module).__name__,
                do="return the module from the function",
            )
        if example is not None:
            # Only to find shapes: in evaluation mode no running statistic is moved.
            given = _arguments(example)
            module.eval()(*given.args, **given.kwargs)
            module.train()
    return module


def _contents(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by path, each once: copies that nothing else can change."""
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {path: tensor.detach().clone() for path, tensor in held.items()}


def _fresh(template: Template, contents: Mapping[str, Tensor]) -> tuple[Params, Buffers]:
    """Copies of a module's contents, divided into what is trained and what is not."""
    params = {path: t.clone() for path, t in contents.items() if path in template.trainable}
    buffers = {path: t.clone() for path, t in contents.items() if path not in template.trainable}
    return params, buffers


def _arguments(inputs: Any) -> Arguments:
    if isinstance(inputs, Arguments):
        return inputs
    return Arguments(inputs if isinstance(inputs, tuple) else (inputs,), {})


def _apply(template: Template) -> Any:
    fixed = template.fixed

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
        watching = _watching(params, template)
        seen = template if watching is None else watching.watched
        mode = seen.training if training else seen.evaluation
        if watching is None and template.stacked is not None and _of_members(buffers):
            mode = template.stacked[0 if training else 1]
        # A training BatchNorm writes into the buffers it is given: it gets copies.
        held = {**params, **{p: t if p in fixed else t.clone() for p, t in buffers.items()}}
        tensors = {slot: _of(held, path) for slot, path in mode.slots.items()}
        places = {p: slot for slot, p in mode.slots.items() if p in buffers and p not in fixed}
        given = _arguments(inputs)
        kwargs = dict(given.kwargs)
        if "key" not in kwargs and len(given.args) <= template.key_arguments.get(method, -1):
            kwargs["key"] = random.fold_in(key, _OWN)
        outputs, after = functional_call(
            mode.module,
            {**tensors, **_keys(mode, key), **({} if watching is None else watching.tensors)},
            (method, given.args, kwargs, tuple(places.values())),
            tie_weights=False,
        )
        if not torch.compiler.is_compiling():
            refuse_changes(mode)
        changed = dict(zip(places, after, strict=True))
        return outputs, {path: changed.get(path, tensor) for path, tensor in buffers.items()}

    return apply


def _of_members(buffers: Buffers) -> bool:
    """Whether this call is one of a vmap over members, whose buffers are their own."""
    return any(torch._C._functorch.is_batchedtensor(tensor) for tensor in buffers.values())


def _watching(params: Mapping[str, Any], template: Template) -> Watching | None:
    """Who watches this model, of those that an objective has handed on among the parameters."""
    for found in params.get(WATCH, ()):
        if found.watched.template is template:
            watching: Watching = found
            return watching
    return None


def _of(held: Mapping[str, Tensor], path: str) -> Tensor:
    if path not in held:
        raise ModelError(
            f"the model has a {path!r} that the state does not hold",
            got=f"{', '.join(held)}",
            do="make the state from this model: TrainState.create(model, optimizer, seed=0)",
        )
    return held[path]


def _keys(mode: Mode, key: Tensor) -> dict[str, Tensor]:
    """What the keyed modules of one call draw from."""
    if not mode.keyed:
        return {}
    keys = random.split(key, len(mode.keyed))
    return {
        name: tensor
        for i, path in enumerate(mode.keyed)
        for name, tensor in (
            (f"{path}.key", keys[i]),
            (f"{path}.calls", torch.zeros((), dtype=torch.int32, device=key.device)),
        )
    }

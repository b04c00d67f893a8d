"""Watched: a module whose outputs are looked at on their way, without being changed.

What is seen must leave a compiled step, and the body of a loop within it, as a value. Outputs are
therefore reduced at once, and added to a tensor that was made for this call. The gradient at an
output is reduced where it is known: in the backward pass, as the gradient of a vector of zeros
that the output does not depend on.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import torch
from torch import Tensor, nn

from artifact_fn.training.kept import HELD, Site, tensors
from artifact_fn.training.statistics import Statistic, joined
from artifact_fn.training.template import Mode, Template

WATCH = "artifact_fn: watched"
"""Where, among the parameters that an objective hands on, a model finds who watches it."""


@attrs.frozen(eq=False)
class Watched:
    """A model's module with hooks on it.

    Attributes:
        template: Of the model.
        training: In training mode.
        evaluation: In evaluation mode.
        sites: What is kept.
    """

    template: Template
    training: Mode
    evaluation: Mode
    sites: tuple[Site, ...]


class Watching(NamedTuple):
    """A watched module, and where the calls of one step add what is kept.

    A tuple, because it is made while a step is traced.

    Attributes:
        watched: The module.
        tensors: By their slot in the module.
    """

    watched: Watched
    tensors: Mapping[str, Tensor]


def watched(template: Template, sites: Sequence[Site]) -> Watched:
    """A copy of a model's module that keeps something of its outputs."""
    here: dict[str, list[tuple[int, Site]]] = {}
    for i, site in enumerate(sites):
        here.setdefault(site.path, []).append((i, site))
    hooks = {path: _hook(found) for path, found in here.items()}
    return Watched(
        template,
        _hooked(template.training, hooks, sites),
        _hooked(template.evaluation, hooks, sites),
        tuple(sites),
    )


Seen = Callable[[str, Tensor], None]
"""Told of the path of a module and its output."""


def overheard(template: Template, paths: Sequence[str], seen: Seen) -> Watched:
    """A copy of a model's module that tells of its outputs. For a call that nobody compiles."""

    def telling(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            found = _first(output)
            if found is not None:
                seen(path, found)

        return hook

    hooks = {path: telling(path) for path in paths}
    return Watched(
        template,
        _hooked(template.training, hooks, ()),
        _hooked(template.evaluation, hooks, ()),
        (),
    )


def watching(watched: Watched, rooms: Mapping[str, Tensor], key: Tensor) -> Watching:
    """Room for what one step keeps; arguments as of `kept.tensors`."""
    return Watching(watched, tensors(watched.sites, rooms, key))


def _hooked(mode: Mode, hooks: Mapping[str, Callable[..., Any]], sites: Sequence[Site]) -> Mode:
    """A mode with hooks on some of its modules, and slots for what they keep."""
    call = copy.deepcopy(mode.module)
    for i, site in enumerate(sites):
        fields = [] if site.gradient else [f"{i}_{j}" for j in range(len(site.kinds))]
        for name in [f"{i}_key", *(["gradient"] if site.gradient else fields)]:
            module = call.get_submodule(_inside(site.path))
            if f"{HELD}{name}" not in module._buffers:
                module.register_buffer(f"{HELD}{name}", torch.empty(0, device="meta"))
    for path, hook in hooks.items():
        call.get_submodule(_inside(path)).register_forward_hook(hook)
    attributes = {
        part: dict(vars(part))
        for part in call.modules()
        if type(part).__module__.split(".")[0] != "torch"
    }
    return attrs.evolve(mode, module=call, attributes=attributes)


def _inside(path: str) -> str:
    return f"module.{path}" if path else "module"


def _hook(here: Sequence[tuple[int, Site]]) -> Callable[..., Any]:
    """The hook on a module that does all that is asked of it."""
    outputs = [(i, site) for i, site in here if not site.gradient]
    gradients = [(i, site) for i, site in here if site.gradient]
    probe = _probe([site.reducer.reduce for _, site in gradients])

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        found = _first(output)
        if found is None:
            return None
        for i, site in outputs:
            new = site.reducer.reduce(found.detach(), getattr(module, f"{HELD}{i}_key"))
            for j, (field, (way, _, _)) in enumerate(zip(new.joins, site.kinds, strict=True)):
                held = getattr(module, f"{HELD}{i}_{j}")
                held.copy_(joined(way, held, getattr(new, field)))
        if not gradients:
            return None
        key = getattr(module, f"{HELD}{gradients[0][0]}_key")
        return _instead(output, probe(found, getattr(module, f"{HELD}gradient"), key))

    return hook


def _probe(
    reduce: Sequence[Callable[[Tensor, Tensor], Statistic]],
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Hands a tensor on; the gradient of its second argument is what is kept of the gradient.

    It closes over functions and no records: its backward pass could not be traced.
    """
    each = tuple(reduce)

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(output: Tensor, room: Tensor, key: Tensor) -> Tensor:
            return output.clone()  # not a view: what comes next may write into it

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            ctx.save_for_backward(inputs[2])

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            (key,) = ctx.saved_tensors
            grad = grads[0].detach()
            packed = [
                getattr(found, field).reshape(-1).to(torch.float64)
                for found in [one(grad, key) for one in each]
                for field in found.joins
            ]
            return grads[0], torch.cat(packed), None

    def probe(output: Tensor, room: Tensor, key: Tensor) -> Tensor:
        passed: Tensor = Probe.apply(output, room, key)  # type: ignore[no-untyped-call]
        return passed

    return probe


def _first(output: Any) -> Tensor | None:
    """What is looked at of an output: the tensor, or the first one of a tuple."""
    found = output[0] if isinstance(output, tuple | list) and output else output
    return found if isinstance(found, Tensor) and found.is_floating_point() else None


def _instead(output: Any, found: Tensor) -> Any:
    if isinstance(output, Tensor):
        return found
    whole = [found, *output[1:]]
    return type(output)(*whole) if hasattr(output, "_fields") else type(output)(whole)

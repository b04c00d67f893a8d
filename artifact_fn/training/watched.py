"""Watched: a module whose outputs are looked at on their way, without being changed.

What is seen must leave a compiled step, and the body of a loop within it, as a value. Outputs are
therefore reduced at once, and added to a tensor that was made for this call. The gradient at an
output is reduced where it is known: in the backward pass, as the gradient of a vector of zeros
that the output does not depend on.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs
import torch
from torch import Tensor, nn

from artifact_fn import random, tree
from artifact_fn.training.reducers import Reducer
from artifact_fn.training.statistics import Statistic, joined, joins, neutral
from artifact_fn.training.template import Mode, Template

WATCH = "artifact_fn: watched"
"""Where, among the parameters that an objective hands on, a model finds who watches it."""

_HELD = "_artifact_fn_watched_"


@attrs.frozen(eq=False)
class Site:
    """One reduction of the outputs of one module, or of the gradient at them.

    Attributes:
        name: Of the result, e.g. `activations/body.0/std`.
        path: Of the module.
        reducer: What is kept.
        gradient: Whether of the gradient.
        example: A statistic that it has answered, for its shapes.
    """

    name: str
    path: str
    reducer: Reducer
    gradient: bool
    example: Statistic

    def leaves(self) -> list[tuple[str, torch.Size, torch.dtype]]:
        """How each leaf is joined, its shape and dtype."""
        ways = joins({"": self.example})
        parts = zip(ways, tree.leaves(self.example), strict=True)
        return [(way, leaf.shape, leaf.dtype) for way, leaf in parts]

    def size(self) -> int:
        """Numbers in it."""
        return sum(shape.numel() for _, shape, _ in self.leaves())

    def statistic(self, leaves: Sequence[Tensor]) -> Statistic:
        """What has been kept, as a statistic."""
        spec = tree.flatten(self.example)[1]
        found: Statistic = tree.unflatten([leaf.clone() for leaf in leaves], spec)
        return found

    def unpacked(self, packed: Tensor) -> Statistic:
        """What has been kept, from one vector of float64."""
        parts = torch.split(packed, [shape.numel() for _, shape, _ in self.leaves()])
        kinds = zip(parts, self.leaves(), strict=True)
        return self.statistic([part.reshape(shape).to(kind) for part, (_, shape, kind) in kinds])


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


@attrs.frozen(eq=False)
class Watching:
    """A watched module, and where one call of it adds what is kept.

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


def watching(watched: Watched, packed: Mapping[str, Tensor], key: Tensor) -> Watching:
    """Room for what one call keeps.

    Args:
        watched: The module.
        packed: For each site of a gradient, by name, zeros float64 [size] to be derived by.
        key: int32 [2], for reducers that draw.
    """
    tensors: dict[str, Tensor] = {}
    for i, site in enumerate(watched.sites):
        at = f"module.{site.path}.{_HELD}{i}" if site.path else f"module.{_HELD}{i}"
        tensors[f"{at}_key"] = random.fold_in(key, i)
        if site.gradient:
            tensors[f"{at}_0"] = packed[site.name]
            continue
        for j, (way, shape, kind) in enumerate(site.leaves()):
            # Counts are int64 whatever they count; neutral says so.
            tensors[f"{at}_{j}"] = neutral(cast(Any, way), shape, kind, key.device)
    return Watching(watched, tensors)


def kept(watching: Watching) -> dict[str, Statistic]:
    """What has been kept of outputs, after the call."""
    found = {}
    for i, site in enumerate(watching.watched.sites):
        if not site.gradient:
            at = f"module.{site.path}.{_HELD}{i}" if site.path else f"module.{_HELD}{i}"
            leaves = [watching.tensors[f"{at}_{j}"] for j in range(len(site.leaves()))]
            found[site.name] = site.statistic(leaves)
    return found


def _hooked(mode: Mode, hooks: Mapping[str, Callable[..., Any]], sites: Sequence[Site]) -> Mode:
    """A mode with hooks on some of its modules, and slots for what they keep."""
    call = copy.deepcopy(mode.module)
    for i, site in enumerate(sites):
        module = call.get_submodule(_inside(site.path))
        names = ["key", *(["0"] if site.gradient else map(str, range(len(site.leaves()))))]
        for name in names:
            module.register_buffer(f"{_HELD}{i}_{name}", torch.empty(0, device="meta"))
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
    probes = {i: _probe(site) for i, site in here if site.gradient}

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        found = _first(output)
        if found is None:
            return None
        passed = found
        for i, site in here:
            key = getattr(module, f"{_HELD}{i}_key")
            if site.gradient:
                passed = probes[i](passed, getattr(module, f"{_HELD}{i}_0"), key)
                continue
            new = tree.leaves(site.reducer.reduce(found.detach(), key))
            for j, ((way, _, _), leaf) in enumerate(zip(site.leaves(), new, strict=True)):
                room = getattr(module, f"{_HELD}{i}_{j}")
                room.copy_(joined(cast(Any, way), room, leaf))
        return None if passed is found else _instead(output, passed)

    return hook


def _probe(site: Site) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Hands a tensor on; the gradient of its second argument is what is kept of the gradient."""

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
            leaves = tree.leaves(site.reducer.reduce(grads[0].detach(), key))
            packed = torch.cat([leaf.reshape(-1).to(torch.float64) for leaf in leaves])
            return grads[0], packed, None

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

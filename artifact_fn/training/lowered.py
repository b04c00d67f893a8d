"""Lowered: a function of tensors as a graph of torch's own operations.

The operations are recorded while the function runs on tensors that have a shape and no numbers,
which takes a fraction of a second; the gradient is taken meanwhile, so that a graph holds it
written out. Two functions with one graph are one program, whatever Python they were made of.
"""

import hashlib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, fx

from artifact_fn.training.products import ordered

Function = Callable[..., Any]
"""Tensors to a sequence of tensors, or to one."""


@attrs.frozen(eq=False)
class Lowered:
    """A graph and what it was recorded with.

    Attributes:
        graph: A `torch.fx.GraphModule` of operations without side effects, but for a last `copy_`
            into what is overwritten.
        given: Tensors without numbers, like those it takes.
        constants: Tensors that the function holds itself; they are given after the others.
    """

    graph: Any
    given: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]

    def digest(self) -> str:
        """SHA-256 of the operations and of the shapes they are for; 64 hexadecimal digits."""
        parts = [
            (name, module.code)
            for name, module in self.graph.named_modules()
            if isinstance(module, fx.GraphModule)
        ]
        kinds = [(tuple(x.shape), x.stride(), str(x.dtype), str(x.device)) for x in self.given]
        return hashlib.sha256(repr((parts, kinds)).encode()).hexdigest()


def lowered(function: Function, examples: Sequence[Tensor]) -> Lowered:
    """A pure function, written out.

    Args:
        function: Tensors to tensors.
        examples: Like the ones it will be called with; their numbers are not looked at.
    """
    mode, given = _without_numbers(examples)
    graph, constants, beside = _recorded(function, mode, given)
    return Lowered(graph, (*given, *beside), constants)


def lowered_loop(turn: Function, carry: Sequence[Tensor], fixed: Sequence[Tensor]) -> Lowered:
    """A loop, written out: its graph takes (turns, *carry, *fixed) and answers the last carry.

    Args:
        turn: (which one, *carry, *fixed) to the next carry. Turns are counted from 0, in int64 [].
        carry: Like what turns hand on to each other.
        fixed: Like what all turns are given.
    """
    mode, (count, turns, *others) = _without_numbers(
        [torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64), *carry, *fixed]
    )
    held = len(carry)

    def body(at: Tensor, turns: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        # What a loop hands on may not be what it was given.
        return at + 1, *turn(at, *rest)

    def condition(at: Tensor, turns: Tensor, *rest: Tensor) -> Tensor:
        return at < turns

    inner, constants, beside = _recorded(body, mode, [count, turns, *others])
    asked, _, _ = _recorded(condition, mode, [count, turns, *others, *beside])

    outer = fx.Graph()
    given = [turns, *others, *beside]
    places = []
    for i, value in enumerate(given):
        places.append(outer.placeholder(f"given_{i}"))
        places[-1].meta["val"] = value
    start = outer.call_function(
        torch.ops.aten.full.default, ([], 0), {"dtype": torch.int64, "device": count.device}
    )
    start.meta["val"] = count
    # The loop's operation takes what is handed on first, and then all that is not.
    order = [0, *range(2, held + 2), 1, *range(held + 2, len(given) + 1)]
    root = torch.nn.Module()
    root.asked, root.turn = _reordered(asked, order), _reordered(inner, order)
    loop = outer.call_function(
        torch.ops.higher_order.while_loop,
        (
            outer.get_attr("asked"),
            outer.get_attr("turn"),
            (start, *places[1 : held + 1]),
            (places[0], *places[held + 1 :]),
        ),
    )
    loop.meta["val"] = (count, *others[:held])
    answers = []
    for i, value in enumerate(others[:held]):
        answers.append(outer.call_function(operator.getitem, (loop, i + 1)))
        answers[-1].meta["val"] = value
    outer.output(tuple(answers))
    return Lowered(fx.GraphModule(root, outer), tuple(given), constants)


def _without_numbers(examples: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
    # Not at the top: they take a second to import.
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # A number read off a tensor would freeze it, or be a cut through the graph.
    shapes = ShapeEnv(allow_scalar_outputs=False, allow_dynamic_output_shape_ops=False)
    mode = FakeTensorMode(shape_env=shapes, allow_non_fake_inputs=True)
    return mode, [mode.from_tensor(x.detach(), static_shapes=True) for x in examples]


def _recorded(
    function: Function, mode: Any, given: Sequence[Tensor]
) -> tuple[fx.GraphModule, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """A function as a graph that is given the tensors it held itself, after the others.

    Those tensors come with it, and without their numbers.
    """
    from torch._dispatch.python import enable_python_dispatcher
    from torch._inductor.decomposition import select_decomp_table
    from torch.fx.experimental.proxy_tensor import make_fx

    def recorded(function: Function) -> fx.GraphModule:
        # Its arguments are numbered: how a function calls them is not part of what it does.
        numbered = make_fx(
            lambda *tensors: function(*tensors),
            decomposition_table=select_decomp_table(),
            _allow_non_fake_inputs=True,
        )
        return numbered(*given)

    with (
        torch.no_grad(),
        enable_python_dispatcher(),
        # What asks whether it is being compiled is told so.
        torch.compiler._compile_session_context(),
    ):
        try:
            graph = recorded(torch.func.functionalize(function, remove="mutations"))
        except RuntimeError:
            # Gradients that a user has written are no functions to torch; their operations are.
            graph = recorded(torch.func.functionalize(recorded(function), remove="mutations"))
        ordered(graph)
    return graph, *_lifted(graph, mode)


def _lifted(graph: fx.GraphModule, mode: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Take the tensors out that a graph holds; from now on they are given, last."""
    found: dict[str, Tensor] = {}
    places: dict[str, fx.Node] = {}
    last = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    for node in list(graph.graph.nodes):
        held = getattr(graph, node.target, None) if node.op == "get_attr" else None
        if not isinstance(held, Tensor):
            continue
        if node.target not in found:
            found[node.target] = held
            with graph.graph.inserting_after(last):
                last = places[node.target] = graph.graph.placeholder(f"held_{len(found)}")
            last.meta["val"] = mode.from_tensor(held, static_shapes=True)
        node.replace_all_uses_with(places[node.target])
        graph.graph.erase_node(node)
    for name in found:
        delattr(graph, name)
    if found:
        graph.recompile()
    return tuple(found.values()), tuple(node.meta["val"] for node in places.values())


def _reordered(graph: fx.GraphModule, order: Sequence[int]) -> fx.GraphModule:
    """The same graph, given `order[i]` as its argument i."""
    places = [node for node in graph.graph.nodes if node.op == "placeholder"]
    first = next(node for node in graph.graph.nodes if node.op != "placeholder")
    for i in order:
        first.prepend(places[i])
    graph.recompile()
    return graph

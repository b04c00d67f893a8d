"""Recurrent: torch's recurrent layers, with keyed dropout between them, in a form that compiles."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from artifact_fn.training.keyed import keyed_dropout

States = tuple[Tensor, ...]
"""What a layer hands from step to step: (h,), of an LSTM (h, c); each [directions, B, H]."""


class Recurrent(nn.Module):
    """An `nn.RNN`, `nn.LSTM` or `nn.GRU`, with its arguments and its answer.

    Dynamo refuses torch's own modules. Here each layer is torch's own kernel when it is called,
    and a loop over the steps, written out, when it is traced: a graph as long as the sequence.

    Args:
        inner: Holds the parameters and the options; its parameters keep their names.
    """

    def __init__(self, inner: nn.RNNBase) -> None:
        super().__init__()
        self.weights: list[list[str]] = [list(names) for names in inner._all_weights]
        for names in self.weights:
            for name in names:
                self.register_parameter(name, getattr(inner, name))
        self.kind = inner.mode
        self.bias, self.batch_first = inner.bias, inner.batch_first
        self.layers, self.directions = inner.num_layers, 1 + inner.bidirectional
        self.sizes = [inner.proj_size or inner.hidden_size, inner.hidden_size]
        self.between = keyed_dropout(nn.Dropout(inner.dropout)) if inner.dropout else None

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """As the module of torch: sequences [T, B, F], [B, T, F] with `batch_first`, or [T, F]."""
        packed = input if isinstance(input, PackedSequence) else None
        x: Tensor = input if packed is None else packed.data
        unbatched = packed is None and x.ndim == 2
        if unbatched:
            x = x.unsqueeze(1)
        elif packed is None and self.batch_first:
            x = x.transpose(0, 1)
        before = self._before(x, hx, unbatched, packed)
        after: list[States] = []
        for layer in range(self.layers):
            rows = slice(layer * self.directions, (layer + 1) * self.directions)
            states = tuple(state[rows] for state in before)
            x, found = self._layer(layer, x, states, packed)
            after.append(found)
            if self.between is not None and layer + 1 < self.layers:
                x = self.between(x)
        hidden = tuple(torch.cat(parts) for parts in zip(*after, strict=True))
        if packed is not None:
            hidden = tuple(_rows(state, packed.unsorted_indices) for state in hidden)
            return PackedSequence(x, *packed[1:]), self._answered(hidden)
        if unbatched:
            return x.squeeze(1), self._answered(tuple(state.squeeze(1) for state in hidden))
        return x.transpose(0, 1) if self.batch_first else x, self._answered(hidden)

    def _answered(self, hidden: States) -> Any:
        return hidden if self.kind == "LSTM" else hidden[0]

    def _before(self, x: Tensor, hx: Any, unbatched: bool, packed: PackedSequence | None) -> States:
        """The states before the first step: each [layers * directions, B, H]."""
        if hx is None:
            rows = x.shape[1] if packed is None else int(packed.batch_sizes[0])
            count = self.layers * self.directions
            sizes = self.sizes if self.kind == "LSTM" else self.sizes[:1]
            return tuple(x.new_zeros(count, rows, size) for size in sizes)
        states: States = tuple(hx) if self.kind == "LSTM" else (hx,)
        if unbatched:
            return tuple(state.unsqueeze(1) for state in states)
        indices = None if packed is None else packed.sorted_indices
        return tuple(_rows(state, indices) for state in states)

    def _layer(
        self, layer: int, x: Tensor, states: States, packed: PackedSequence | None
    ) -> tuple[Tensor, States]:
        first = layer * self.directions
        weights = [
            [getattr(self, name) for name in names]
            for names in self.weights[first : first + self.directions]
        ]
        if not torch.compiler.is_compiling():
            return self._native(x, states, [w for part in weights for w in part], packed)
        outputs: list[Tensor] = []
        ends: list[States] = []
        for i, part in enumerate(weights):
            start = tuple(state[i] for state in states)
            steps = range(x.shape[0]) if i == 0 else range(x.shape[0] - 1, -1, -1)
            output, end = self._unrolled(x, start, part, steps)
            outputs.append(output)
            ends.append(end)
        joined = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
        return torch.cat(outputs, dim=-1), joined

    def _native(
        self, x: Tensor, states: States, weights: list[Tensor], packed: PackedSequence | None
    ) -> tuple[Tensor, States]:
        kernel = getattr(torch, self.kind.lower())
        given = states if self.kind == "LSTM" else states[0]
        options = (weights, self.bias, 1, 0.0, self.training, self.directions == 2)
        if packed is None:
            output, *after = kernel(x, given, *options, False)
        else:
            output, *after = kernel(x, packed.batch_sizes, given, *options)
        return output, tuple(after)

    def _unrolled(
        self, x: Tensor, states: States, weights: list[Tensor], steps: range
    ) -> tuple[Tensor, States]:
        """One direction of one layer; equations as in the documentation of torch's modules."""
        into, back, *rest = weights
        bias_into, bias_back = (rest[0], rest[1]) if self.bias else (None, None)
        project = weights[-1] if self.sizes[0] != self.sizes[1] else None
        entering = F.linear(x, into, bias_into)
        outputs: list[Tensor] = []
        for t in steps:
            states = _CELLS[self.kind](entering[t], F.linear(states[0], back, bias_back), states)
            if project is not None:
                states = (F.linear(states[0], project), *states[1:])
            outputs.append(states[0])
        return torch.stack(outputs if steps.step > 0 else outputs[::-1]), states


def _lstm(into: Tensor, back: Tensor, states: States) -> States:
    i, f, g, o = (into + back).chunk(4, dim=-1)
    cell = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru(into: Tensor, back: Tensor, states: States) -> States:
    (into_r, into_z, into_n), (back_r, back_z, back_n) = into.chunk(3, -1), back.chunk(3, -1)
    z = (into_z + back_z).sigmoid()
    n = (into_n + (into_r + back_r).sigmoid() * back_n).tanh()
    return ((1 - z) * n + z * states[0],)


_CELLS: dict[str, Callable[[Tensor, Tensor, States], States]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": lambda into, back, states: ((into + back).tanh(),),
    "RNN_RELU": lambda into, back, states: ((into + back).relu(),),
}


def _rows(state: Tensor, indices: Tensor | None) -> Tensor:
    return state if indices is None else state.index_select(1, indices)


def recurrent(module: nn.Module) -> nn.Module | None:
    """The substitute for one of torch's recurrent layers; None for any other."""
    # Not for what inherits from them, or is parametrized: that computes something of its own.
    return Recurrent(module) if type(module) in (nn.RNN, nn.LSTM, nn.GRU) else None  # type: ignore[arg-type]

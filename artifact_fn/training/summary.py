"""Summary: what a model is made of, by path: parameters, buffers, their shapes, what a call costs."""

import html
from typing import Any

import attrs
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from artifact_fn import random
from artifact_fn.errors import ModelError
from artifact_fn.training.contracts import Model
from artifact_fn.training.state import TrainState


@attrs.frozen
class Part:
    """A module of a model that holds something itself.

    Attributes:
        path: In the model; empty for the model itself.
        parameters: Numbers that are trained.
        buffers: Numbers that are not: running statistics, frozen parameters.
        shapes: Of each tensor, by its name in the module.
        dtype: Of its tensors, without `torch.`.
        bytes: Of its tensors.
        flops: Floating-point operations of the products, convolutions and attention in one forward
            call, or None where it was not called.
    """

    path: str
    parameters: int
    buffers: int
    shapes: str
    dtype: str
    bytes: int
    flops: int | None


@attrs.frozen
class Summary:
    """A model by its parts; shown as a table by `print`, rich and notebooks.

    Attributes:
        parts: In the order of their first tensor.
        flops: Of one forward call, of everything; None where it was not called.
    """

    parts: tuple[Part, ...]
    flops: int | None = None

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return sum(part.parameters for part in self.parts)

    @property
    def buffers(self) -> int:
        """Numbers that are not."""
        return sum(part.buffers for part in self.parts)

    def frame(self) -> pd.DataFrame:
        """A row a part, with the index `path`."""
        return pd.DataFrame([attrs.asdict(part) for part in self.parts]).set_index("path")

    def __str__(self) -> str:
        """A table for people, as wide as it needs."""
        rows = [_header(self), *_cells(self)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        numbers = {
            i for i, name in enumerate(rows[0]) if name in ("parameters", "buffers", "FLOPs")
        }
        return "\n".join(
            "  ".join(
                cell.rjust(width) if i in numbers else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head, *rows = [
            [html.escape(cell) for cell in row] for row in (_header(self), *_cells(self))
        ]
        body = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
        return f"<table><thead><tr><th>{'</th><th>'.join(head)}</th></tr></thead><tbody>{body}</tbody></table>"


def summary(state: TrainState, model: Model | None = None, inputs: Any = None) -> Summary:
    """What a model is made of.

    Args:
        state: Of the model, e.g. `experiment.state()`.
        model: Called once, in evaluation mode, to count what a call costs.
        inputs: What it is called with, as its `apply` takes them.

    Returns:
        Its parts. `print` shows a table, `.frame()` is a DataFrame.

    Raises:
        ModelError: there are inputs and no model, or a model and no inputs.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))
        >>> state = TrainState.create(model, sgd(0.1), seed=0)
        >>> print(summary(state, model, torch.zeros(5, 3)))
        path   parameters  buffers  shapes                   dtype    FLOPs
        0               8        0  weight [2, 3], bias [2]  float32     60
        total           8        0                                       60
    """
    if (model is None) != (inputs is None):
        raise ModelError(
            "what a call costs is counted of a model and its inputs",
            got="no model" if model is None else "no inputs",
            do="give both, or neither",
        )
    counted = {} if model is None else _counted(state, model, inputs)
    held: dict[str, dict[str, Tensor]] = {}
    for path, tensor in {**state.params, **state.buffers}.items():
        module, _, name = path.rpartition(".")
        held.setdefault(module, {})[name] = tensor
    parts = tuple(
        Part(
            path,
            sum(t.numel() for n, t in tensors.items() if _joined(path, n) in state.params),
            sum(t.numel() for n, t in tensors.items() if _joined(path, n) in state.buffers),
            ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()),
            ", ".join(dict.fromkeys(str(t.dtype).removeprefix("torch.") for t in tensors.values())),
            sum(t.numel() * t.element_size() for t in tensors.values()),
            None if model is None else counted.get(path, 0),
        )
        for path, tensors in held.items()
    )
    return Summary(parts, counted.get("Global") if model is not None else None)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _counted(state: TrainState, model: Model, inputs: Any) -> dict[str, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.apply(
            state.params, state.buffers, inputs, key=random.fold_in(state.key, 0), training=False
        )
    counts = {name: sum(by.values()) for name, by in counter.get_flop_counts().items()}
    own = {name.removeprefix("Call.module."): count for name, count in counts.items()}
    return {**own, "": counts.get("Call.module", 0), "Global": counts.get("Global", 0)}


def _header(told: Summary) -> list[str]:
    head = ["path", "parameters", "buffers", "shapes", "dtype"]
    return [*head, "FLOPs"] if told.flops is not None else head


def _cells(told: Summary) -> list[list[str]]:
    rows = [
        [
            part.path or "(itself)",
            f"{part.parameters:,}",
            f"{part.buffers:,}",
            part.shapes,
            part.dtype,
        ]
        for part in told.parts
    ]
    rows.append(["total", f"{told.parameters:,}", f"{told.buffers:,}", "", ""])
    if told.flops is None:
        return rows
    counts = [*(part.flops for part in told.parts), told.flops]
    return [[*row, f"{count:,}"] for row, count in zip(rows, counts, strict=True)]

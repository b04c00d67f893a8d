"""Agreement: whether what is declared is there: columns in a batch, outputs of a forward.

The checkers compare types before a program runs. What they cannot see is compared here: in memory
when a workflow is made, otherwise at the first batch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from torch import Tensor

from artifact_fn.errors import DataError, ModelError, ObjectiveError
from artifact_fn.training.contracts import Buffers, Gathered, Model, Params, Source
from artifact_fn.training.declared import Declared, Keys


def check_model(model: Any) -> None:
    """Refuse a module, or anything else, where a model is taken.

    Raises:
        ModelError: it is no `Model`.
    """
    if not isinstance(model, Model):
        raise ModelError(
            "a model is made by functional",
            got=f"a {type(model).__name__}",
            do="pass artifact_fn.functional(module), or of a function that builds one: "
            "functional(lambda: nn.Linear(3, 2))",
        )


def check_columns(source: Source[Any], needed: Keys, reader: str) -> None:
    """Refuse a source in memory that lacks a column; others are seen at their first batch.

    Raises:
        DataError: it names the reader and the column.
    """
    if isinstance(source, Gathered):
        check_batch(source.columns, needed, reader)


def check_batch(batch: Mapping[str, Any], needed: Keys, reader: str) -> None:
    """Refuse a batch that lacks a column.

    Raises:
        DataError: it names the reader and the column.
    """
    for name in _missing(batch, needed):
        raise DataError(
            f"{reader} reads the column {name!r}, which the batches do not hold",
            got=f"columns {', '.join(map(repr, batch)) or 'none'}",
            do="add the column, or declare it NotRequired if it may be missing",
        )


def check_promise(promised: Keys, needed: Keys, reader: str) -> None:
    """Refuse to read an output that a model does not declare.

    Raises:
        ObjectiveError: it names the reader and the output.
    """
    for name in _missing(promised, needed) if promised is not None else []:
        raise ObjectiveError(
            f"{reader} reads the output {name!r}, which the model does not declare",
            got=f"outputs {', '.join(map(repr, promised or ())) or 'none'}",
            do="read another output, or pair it with another model",
        )


def check_aligned(outputs: Any, targets: Any, column: str) -> None:
    """Refuse a column of numbers beside a list of them, which arithmetic would make a square.

    `(outputs - targets) ** 2` of [B, 1] and [B] is [B, B]: every output against every target,
    whose mean can be minimised and says nothing. Targets that are integers are classes.

    Raises:
        ObjectiveError: floating targets are [B] and outputs [B, 1], or the reverse.
    """
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return
    ours, theirs = tuple(outputs.shape), tuple(targets.shape)
    if not targets.is_floating_point() or (ours != (*theirs, 1) and theirs != (*ours, 1)):
        return
    lacking = f"{column}[:, None]" if len(theirs) < len(ours) else f"{column}.squeeze(-1)"
    raise ObjectiveError(
        "outputs and targets are of one shape, or arithmetic pairs every row with every other",
        got=f"outputs {list(ours)} and targets {column!r} {list(theirs)}",
        do=f"reshape the column, {lacking}, or let the model squeeze its outputs; a loss that "
        "reshapes them itself is taken by minimise",
    )


def check_outputs(outputs: Any, declared: Declared) -> None:
    """Refuse outputs that are not what a forward has declared.

    Raises:
        ModelError: they are no mapping, or a key is missing.
    """
    if not isinstance(outputs, Mapping):
        raise ModelError(
            f"{declared.name}.forward declares a dict of outputs",
            got=type(outputs).__name__,
            do="answer a dict with the declared keys",
        )
    for name in _missing(outputs, declared.outputs):
        raise ModelError(
            f"{declared.name}.forward declares the output {name!r} and does not answer it",
            got=f"outputs {', '.join(map(repr, outputs)) or 'none'}",
            do="answer every declared key, or declare it NotRequired",
        )


def checked(model: Model[Any, Any, Declared]) -> Model[Any, Any, Declared]:
    """The model that compares what it is given, and what it answers, with what it declares."""
    declared = model.declared

    def apply(
        params: Params, buffers: Buffers, inputs: Any, /, **how: Any
    ) -> tuple[Any, dict[str, Tensor]]:
        check_batch(inputs, declared.inputs, f"{declared.name}.forward")
        outputs, after = model.apply(params, buffers, inputs, **how)
        check_outputs(outputs, declared)
        return outputs, after

    return attrs.evolve(model, apply=apply)


def _missing(there: Iterable[str] | None, needed: Keys) -> list[str]:
    names = list(there or ())
    return [key for key in needed or () if key not in names]

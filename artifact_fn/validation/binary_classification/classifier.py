"""Classifier: what gives each row of a batch a probability."""

from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn.errors import ValidationError

S_contra = TypeVar("S_contra", contravariant=True)
B_contra = TypeVar("B_contra", contravariant=True)
S = TypeVar("S")
B = TypeVar("B")


class BinaryClassifier(Protocol[S_contra, B_contra]):
    """Classifies rows: a pure function of a state and a batch.

    Example:
        >>> class Even:
        ...     def classify(self, state, batch):
        ...         return torch.full((len(batch["x"]),), 0.5)
        >>> Even().classify(None, {"x": torch.ones(2, 3)})
        tensor([0.5000, 0.5000])
    """

    def classify(self, state: S_contra, batch: B_contra, /) -> Tensor:
        """The probability of the positive class.

        Args:
            state: Usually a `TrainState`.
            batch: As the objective takes it, of B rows.

        Returns:
            Floating [B], in [0, 1].
        """
        ...


def probabilities(
    classifier: BinaryClassifier[S, B], state: S, batch: B, rows: int
) -> NDArray[np.float64]:
    """A batch's probabilities, found to be what the classifier promises.

    Args:
        classifier: Asked once, without gradients.
        state: As for `classify`.
        batch: As for `classify`.
        rows: How many the batch has.

    Returns:
        Float64 [rows], on the host.

    Raises:
        ValidationError: it answers no floating tensor [rows], NaN, or anything outside [0, 1].

    Example:
        >>> import torch
        >>> class Even:
        ...     def classify(self, state, batch):
        ...         return torch.full((2,), 0.5)
        >>> probabilities(Even(), None, {"x": torch.ones(2, 3)}, rows=2)
        array([0.5, 0.5])
    """
    with torch.no_grad():
        answer: Any = classifier.classify(state, batch)
    if not isinstance(answer, Tensor) or not answer.is_floating_point():
        kind = str(answer.dtype) if isinstance(answer, Tensor) else type(answer).__name__
        raise ValidationError(
            "a classifier answers a tensor of floating-point probabilities",
            got=kind,
            do="let classify() return e.g. torch.sigmoid(logits)",
        )
    if tuple(answer.shape) != (rows,):
        hint = ", e.g. probabilities[:, 1]" if answer.ndim == 2 and answer.shape[1] == 2 else ""
        raise ValidationError(
            "a classifier answers one probability a row, that of the positive class",
            got=f"shape {list(answer.shape)} for {rows} rows",
            do=f"let classify() return shape [{rows}]{hint}",
        )
    values = answer.detach().cpu().to(torch.float64).numpy()
    wrong = ~((values >= -1e-6) & (values <= 1.0 + 1e-6))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValidationError(
            "a classifier answers probabilities",
            got=f"{values[row]} in row {row} ({int(wrong.sum())} such rows)",
            do="let classify() return probabilities and not logits; NaN means a diverged model",
        )
    return values.clip(0.0, 1.0)

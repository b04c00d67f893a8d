"""Synthesizer: what makes synthetic tables from a state."""

from typing import Any, Protocol, TypeVar

import pandas as pd
import torch
from torch import Tensor

from artifact_fn.errors import ValidationError
from artifact_fn.validation.table_comparison.encoded import Encoded, encode
from artifact_fn.validation.table_comparison.spec import TabularSpec

S_contra = TypeVar("S_contra", contravariant=True)
P_contra = TypeVar("P_contra", contravariant=True)
S = TypeVar("S")
P = TypeVar("P")


class TableSynthesizer(Protocol[S_contra, P_contra]):
    """Generates rows: a pure function of a state and a key.

    Example:
        >>> class Counted:
        ...     def generate(self, state, key, n, params):
        ...         return pd.DataFrame({"age": range(n)})
        >>> Counted().generate(None, None, 3, None)["age"].tolist()
        [0, 1, 2]
    """

    def generate(self, state: S_contra, key: Tensor, n: int, params: P_contra, /) -> pd.DataFrame:
        """A synthetic table.

        Args:
            state: Usually a `TrainState`.
            key: All randomness comes from it: int32 [2].
            n: Rows, at least 1.
            params: Whatever the synthesizer lets its users choose, a temperature perhaps.

        Returns:
            n rows with the columns of the real table.
        """
        ...


def generated(
    synthesizer: TableSynthesizer[S, P], spec: TabularSpec, state: S, key: Tensor, n: int, params: P
) -> tuple[pd.DataFrame, Encoded]:
    """A synthetic table that was found to be what the synthesizer promises.

    Args:
        synthesizer: Asked once, without gradients.
        spec: Of the real table.
        state: As for `generate`.
        key: As for `generate`.
        n: Rows, at least 1.
        params: As for `generate`.

    Returns:
        The table as it was generated, and encoded for comparison.

    Raises:
        ValidationError: `n` is below 1, or there are more or less rows than asked for.
        DataError: it is no DataFrame or no table of this specification, as `encode`.

    Example:
        >>> import pandas as pd
        >>> import torch
        >>> from artifact_fn import random
        >>> class Same:
        ...     def generate(self, state, key, n, params):
        ...         return pd.DataFrame({"age": range(n)})
        >>> real = pd.DataFrame({"age": [3, 1, 2]})
        >>> spec = TabularSpec.from_frame(real, continuous=["age"])
        >>> table, encoded = generated(Same(), spec, None, random.key(0), 2, None)
        >>> table["age"].tolist(), encoded.numbers.tolist()
        ([0, 1], [[0.0], [1.0]])
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValidationError(
            "a synthetic table has rows", got=f"n={n!r}", do="ask for a whole number of at least 1"
        )
    with torch.no_grad():
        frame: Any = synthesizer.generate(state, key, n, params)
    encoded = encode(spec, frame, table="the synthetic table")
    if len(frame) != n:
        raise ValidationError(
            "a synthesizer generates as many rows as it is asked for",
            got=f"{len(frame)} rows instead of {n}",
            do="let generate() return exactly n rows",
        )
    return frame, encoded

"""Law 1 as a function: whoever is called leaves everything as it was, and says the same twice."""

import random as python_random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artifact_fn import tree


def assert_pure(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function twice; fail if an argument, a generator or the answer changed.

    Three layers: torch's version counters (who writes), digests of all leaves (BatchNorm writes
    without counting), and the three global generators.
    """
    tensors = [leaf for leaf in tree.leaves(arguments) if isinstance(leaf, Tensor)]
    versions, before = [t._version for t in tensors], tree.digest(tensors)
    generators = _generators()
    answer = function(*arguments)
    assert [t._version for t in tensors] == versions, "an argument was written to"
    assert tree.digest(tensors) == before, "an argument has another value"
    assert _generators() == generators, "a global generator has moved"
    assert tree.identical(function(*arguments), answer), "the second answer differs"
    return answer


def _generators() -> str:
    torch_state = tree.digest(torch.get_rng_state())
    return f"{torch_state} {python_random.getstate()} {np.random.get_state()}"

"""Torch groups: hyperparameters of a rule's state, as torch.optim keeps them in groups."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

OF_PARAMETERS = ("mu_product", "eta", "mu")
"""Scalars that torch keeps with each parameter, and a rule once."""

BUILT_IN = ("weight_decay", "decoupled_decay", "momentum")
"""Where these are 0, a rule leaves them out of its arithmetic."""

_PAIRS = {
    "beta1": ("betas", 0),
    "beta2": ("betas", 1),
    "eta_minus": ("etas", 0),
    "eta_plus": ("etas", 1),
    "least": ("step_sizes", 0),
    "greatest": ("step_sizes", 1),
}


def from_group(group: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Hyperparameters by our names; None for those that the group has not.

    Example:
        >>> from_group({"lr": 0.1, "betas": (0.9, 0.99)}, ["lr", "beta2", "eps"])
        {'lr': 0.1, 'beta2': 0.99, 'eps': None}
    """
    found: dict[str, Any] = {}
    for name in names:
        if name in _PAIRS:
            pair, i = _PAIRS[name]
            found[name] = group[pair][i] if pair in group else None
        elif name not in (*OF_PARAMETERS, "lr_scale"):
            found[name] = group.get(name)
    decay = group.get("weight_decay", 0.0)  # rprop has none
    if "decoupled_decay" in found:  # nadam and radam tell the two apart by name, torch by a flag
        decoupled = group.get("decoupled_weight_decay", False)
        found["decoupled_decay"] = decay if decoupled else 0.0
        decay = 0.0 if decoupled else decay
    return found | ({"weight_decay": decay} if "weight_decay" in found else {})


def into_group(group: Mapping[str, Any], hyper: Mapping[str, Tensor]) -> dict[str, Any]:
    """A group with the hyperparameters of a rule's state in it."""
    found = dict(group)
    for name, tensor in hyper.items():
        value = tensor.item()
        if name in _PAIRS:
            pair, i = _PAIRS[name]
            both = list(found[pair])
            both[i] = value
            found[pair] = tuple(both)
        elif name in group:
            found[name] = value
    if "decoupled_decay" in hyper and group["decoupled_weight_decay"]:
        found["weight_decay"] = hyper["decoupled_decay"].item()
    return found

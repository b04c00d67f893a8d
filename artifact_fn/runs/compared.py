"""Compared: an experiment and where it runs, with what the run was begun with."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import attrs

from artifact_fn.runs.description import describe, differences, field_of
from artifact_fn.runs.faults import Changed
from artifact_fn.runs.provenance import moved
from artifact_fn.runs.session import everything
from artifact_fn.training.experiment import Experiment

_ALWAYS = frozenset({"data", "seed", "chunk"})
"""Fields whose description no other version of a package changes."""


@attrs.frozen
class Compared:
    """What is another than it was, and is gone on with.

    Attributes:
        fields: Of the experiment, accepted by name.
        told: For people: versions, threads, and what may differ because of them.
    """

    fields: frozenset[str]
    told: tuple[str, ...]


def compared(
    then: Mapping[str, Any],
    description: Mapping[str, str],
    bits: Mapping[str, Any],
    allow: Collection[str],
) -> Compared:
    """Compare what `experiment.json` says with what there is now.

    Args:
        then: What it says.
        description: Of the experiment now.
        bits: Of the environment now, what may change bits.
        allow: Fields that may differ.

    Raises:
        Changed: something else differs.
    """
    before = then["environment"]["bits"]
    changed = differences(then["experiment"], description)
    told = moved(before, bits)
    # Other versions build the same parts of other functions, whose code reads otherwise, too.
    versions = before.get("artifact-fn") != bits.get("artifact-fn") or any(
        _minor(before.get(name)) != _minor(bits.get(name)) for name in ("python", "torch")
    )
    refused = {
        path: how
        for path, how in changed.items()
        if field_of(path) not in allow and (field_of(path) in _ALWAYS or not versions)
    }
    if refused:
        raise Changed(refused)
    doubtful = sorted({field_of(path) for path in changed} - set(allow))
    if doubtful:
        told.append(f"{', '.join(doubtful)} built otherwise by these versions")
    return Compared(frozenset(map(field_of, changed)) & set(allow), tuple(told))


def fold_digests(experiment: Experiment) -> dict[str, str]:
    """What each fold of an experiment is made of, in 16 hex digits."""
    return {name: _digest(describe(fold)) for name, fold in everything(experiment).items()}


def _digest(description: Mapping[str, str]) -> str:
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _minor(version: Any) -> tuple[str, ...]:
    return tuple(str(version).split(".")[:2])

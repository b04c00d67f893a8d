"""Artifact-core: any artifact of its registries, custom ones too, as an artifact of ours.

It needs the extra `artifact-core`, which is imported when something here is called. What it computes is
its own affair, as is its configuration file; it is given what our toolkits have validated.
"""

from functools import partial
from importlib import import_module
from typing import Any, Literal

import attrs
import pandas as pd

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Artifact, chosen
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.table_comparison.encoded import Comparison, Encoded

Toolkit = Literal["table_comparison", "binary_classification"]
Kind = Literal["score", "array", "plot", "score_collection", "array_collection", "plot_collection"]
PREFIXES = {"table_comparison": "TableComparison", "binary_classification": "BinaryClassification"}


@attrs.frozen(eq=False)
class Resources:
    """What artifact-core's artifacts are computed from; making it takes 0.3 ms a classified row.

    Attributes:
        toolkit: Whose.
        spec: Its `TabularDataSpec` or `BinaryClassSpec`.
        held: Its resources.
    """

    toolkit: Toolkit
    spec: Any
    held: Any


def of_tables(pair: Comparison) -> Resources:
    """Two tables for artifact-core, made once for all its artifacts.

    Its specification lists the categories of the comparison, unseen ones included.

    Raises:
        ValidationError: artifact-core is not there.
    """
    core, spi = _module("table_comparison"), _module("table_comparison.spi")
    real, synthetic = _frame(pair.real), _frame(pair.synthetic)
    fitted = core.TabularDataSpec.from_df(
        real, cts_features=list(pair.spec.continuous), cat_features=list(pair.spec.categorical)
    ).to_dict()
    for name, categories in zip(pair.spec.categorical, pair.categories, strict=True):
        fitted["categorical"][name]["ls_categories"] = list(categories)
    held = spi.TableComparisonArtifactResources(dataset_real=real, dataset_synthetic=synthetic)
    return Resources("table_comparison", core.TabularDataSpec.from_dict(fitted), held)


def of_labels(rows: Classified) -> Resources:
    """A label set for artifact-core, made once for all its artifacts.

    Raises:
        ValidationError: artifact-core is not there.
    """
    core, spi = _module("binary_classification"), _module("binary_classification.spi")
    spec = core.BinaryClassSpec(
        class_names=list(rows.spec.classes),
        positive_class=rows.spec.positive,
        label_name=rows.spec.label,
    )
    names = {True: rows.spec.positive, False: rows.spec.negative}
    ids = range(len(rows)) if rows.ids is None else rows.ids
    held = spi.BinaryClassificationArtifactResources.from_spec(
        class_spec=spec,
        true=dict(zip(ids, map(names.__getitem__, rows.true.tolist()), strict=True)),
        predicted=dict(zip(ids, map(names.__getitem__, rows.predicted.tolist()), strict=True)),
        probs_pos=dict(zip(ids, rows.probability.tolist(), strict=True)),
    )
    return Resources("binary_classification", spec, held)


def artifact(toolkit: Toolkit, kind: Kind, name: str) -> Artifact[Resources, Any]:
    """One artifact of a registry, as a function of `Resources`.

    Args:
        toolkit: Which toolkit's.
        kind: Which registry's.
        name: As it is registered; a custom one must have been imported by now.

    Returns:
        A function that answers a float, array or figure, or a dict of one of them.

    Raises:
        ValidationError: artifact-core is not there, or has no artifact of that name and kind.
    """
    chosen("toolkit", toolkit, Toolkit)
    chosen("kind", kind, Kind)
    try:
        _registry(toolkit, kind).get(name, _example(toolkit))
    except ValueError as error:
        raise ValidationError(
            f"artifact-core has no {kind} {name!r} for {toolkit}",
            got=str(error),
            do="name one that is registered, and import the module of a custom one before",
        ) from error
    return partial(_compute, kind=kind, name=name)


def _compute(resources: Resources, *, kind: Kind, name: str) -> Any:
    result = _registry(resources.toolkit, kind).get(name, resources.spec)(resources.held)
    if kind == "score":
        return float(result)
    return dict(result) if kind.endswith("collection") else result


def _registry(toolkit: Toolkit, kind: Kind) -> Any:
    camel = "".join(word.capitalize() for word in kind.split("_"))
    return getattr(_module(f"{toolkit}.spi"), f"{PREFIXES[toolkit]}{camel}Registry")


def _example(toolkit: Toolkit) -> Any:
    """A specification of the smallest kind, to ask a registry with."""
    core = _module(toolkit)
    if toolkit == "table_comparison":
        return core.TabularDataSpec.from_df(pd.DataFrame({"x": [0.0, 1.0]}), cts_features=["x"])
    return core.BinaryClassSpec(class_names=["0", "1"], positive_class="1")


def _frame(table: Encoded) -> pd.DataFrame:
    columns: dict[str, Any] = dict(zip(table.spec.continuous, table.numbers.T, strict=True))
    for i, name in enumerate(table.spec.categorical):
        texts = pd.Series(table.categories[i], dtype=object)
        columns[name] = texts.iloc[table.codes[:, i]].to_numpy()
    return pd.DataFrame({name: columns[name] for name in table.spec.names})


def _module(name: str) -> Any:
    try:
        return import_module(f"artifact_core.{name}")
    except ModuleNotFoundError as error:
        raise ValidationError(
            "artifact-core cannot be imported",
            got=str(error),
            do="pip install 'artifact_fn[artifact-core]', in an environment with pandas 2",
        ) from error

"""Record what artifact-core computes, as the oracle of tests/validation/test_against_artifact_core.py.

Run where artifact-core is (recorded with 0.2.1, matplotlib 3.10), from the top of the repository:

    python -m tests.recorded.artifact_core > tests/recorded/artifact_core.json
"""

import dataclasses
import json
import math
import sys
import warnings
from importlib.metadata import version

import matplotlib as mpl
import numpy as np
from artifact_core.binary_classification import (
    BinaryClassificationArrayCollectionType,
    BinaryClassificationArrayType,
    BinaryClassificationPlotCollectionType,
    BinaryClassificationPlotType,
    BinaryClassificationScoreCollectionType,
    BinaryClassificationScoreType,
    BinaryClassSpec,
)
from artifact_core.binary_classification import spi as binary
from artifact_core.table_comparison import (
    TableComparisonArrayCollectionType,
    TableComparisonArrayType,
    TableComparisonPlotCollectionType,
    TableComparisonPlotType,
    TableComparisonScoreCollectionType,
    TableComparisonScoreType,
    TabularDataSpec,
)
from artifact_core.table_comparison import spi as table

from tests.validation.cases import label_sets, tables

TABLE = {
    "score": (TableComparisonScoreType, table.TableComparisonScoreRegistry),
    "array": (TableComparisonArrayType, table.TableComparisonArrayRegistry),
    "plot": (TableComparisonPlotType, table.TableComparisonPlotRegistry),
    "score_collection": (TableComparisonScoreCollectionType, table.TableComparisonScoreCollectionRegistry),
    "array_collection": (TableComparisonArrayCollectionType, table.TableComparisonArrayCollectionRegistry),
    "plot_collection": (TableComparisonPlotCollectionType, table.TableComparisonPlotCollectionRegistry),
}  # fmt: skip
BINARY = {
    "score": (BinaryClassificationScoreType, binary.BinaryClassificationScoreRegistry),
    "array": (BinaryClassificationArrayType, binary.BinaryClassificationArrayRegistry),
    "plot": (BinaryClassificationPlotType, binary.BinaryClassificationPlotRegistry),
    "score_collection": (BinaryClassificationScoreCollectionType, binary.BinaryClassificationScoreCollectionRegistry),
    "array_collection": (BinaryClassificationArrayCollectionType, binary.BinaryClassificationArrayCollectionRegistry),
    "plot_collection": (BinaryClassificationPlotCollectionType, binary.BinaryClassificationPlotCollectionRegistry),
}  # fmt: skip
VARIANTS = {
    "CORRELATION_DISTANCE": [
        {"categorical_association_type": c, "continuous_association_type": n, "vector_distance_metric": d}
        for c in ("THEILS_U", "CRAMERS_V")
        for n, d in (("PEARSON", "L2"), ("SPEARMAN", "MAE"), ("KENDALL", "COSINE_SIMILARITY"))
    ],
    "MEAN_JS_DISTANCE": [{"n_bins_cts_histogram": 7}, {"categorical_only": True}],
    "JS_DISTANCE": [{"n_bins_cts_histogram": 7}, {"categorical_only": True}],
    "NORMALIZED_CONFUSION_COUNTS": [{"normalization": n} for n in ("TRUE", "PRED", "ALL")],
}  # fmt: skip

BITMAPS = {
    "plot": ("PDF", "CDF", "DESCRIPTIVE_STATS_ALIGNMENT"),
    "plot_collection": ("CORRELATION_HEATMAPS",),
}
"""Figures that are pictures of other figures, or drawn over pyplot's current one: by name alone."""


def plain(result):
    """Numbers and arrays as JSON."""
    if isinstance(result, dict):
        return {name: plain(value) for name, value in result.items()}
    if isinstance(result, np.ndarray):
        return plain(result.tolist())
    if isinstance(result, list):
        return [plain(value) for value in result]
    value = float(result)
    return None if math.isnan(value) else value


def drawn(figure):
    """What a figure of one panel shows: its lines, points, texts and bars.

    Left out are density lines (200 points) and histograms (50 bars and more).
    """
    axes = figure.axes[0]
    lines = [np.stack([np.asarray(v, float) for v in line.get_data()]) for line in axes.lines]
    bars = [bar.get_height() for bar in axes.patches]
    return {
        "lines": [plain(line) for line in lines if line.shape[1] < 200],
        "points": [plain(np.asarray(c.get_offsets(), float)) for c in axes.collections if len(c.get_offsets())],
        "texts": [text.get_text() for text in axes.texts],
        "bars": plain(bars) if len(bars) < 50 else [],
    }  # fmt: skip


def set_to(artifact, parameters):
    """The same artifact with other parameters."""
    fields = {
        f.name: getattr(artifact.hyperparams, f.name)
        for f in dataclasses.fields(artifact.hyperparams)
    }
    values = {
        name: type(fields[name])[value] if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    return type(artifact)(
        resource_spec=artifact.resource_spec,
        hyperparams=dataclasses.replace(artifact.hyperparams, **values),
    )


def record(kinds, spec, resources, *, figures):
    """Every artifact's answer by kind and name, and the variants of some."""
    held = {kind: {} for kind in kinds}
    held["variants"] = []
    for kind, (types, registry) in kinds.items():
        for artifact_type in types:
            name = artifact_type.name
            if "plot" in kind:
                bitmap = name.endswith("JUXTAPOSITION") or name in BITMAPS[kind]
                if bitmap or not figures:
                    held[kind][name] = None
                else:
                    result = registry.get(artifact_type, spec)(resources)
                    held[kind][name] = (
                        {key: drawn(figure) for key, figure in result.items()}
                        if kind == "plot_collection"
                        else drawn(result)
                    )
                continue
            artifact = registry.get(artifact_type, spec)
            held[kind][name] = plain(artifact(resources))
            for parameters in VARIANTS.get(name, ()):
                answer = plain(set_to(artifact, parameters)(resources))
                held["variants"].append([kind, name, parameters, answer])
    return held


def main():
    """Print one JSON object."""
    mpl.use("Agg")
    warnings.simplefilter("ignore")
    recorded = {"artifact-core": version("artifact-core"), "tables": {}, "labels": {}}
    for name, case in tables().items():
        spec = TabularDataSpec.from_df(
            case.real, cts_features=case.continuous, cat_features=case.categorical
        )
        resources = table.TableComparisonArtifactResources(
            dataset_real=case.real.copy(), dataset_synthetic=case.synthetic.copy()
        )
        answers = record(TABLE, spec, resources, figures=name == "ties")
        recorded["tables"][name] = {"digest": case.digest(), **answers}
    spec = BinaryClassSpec(class_names=["0", "1"], positive_class="1", label_name="y")
    for name, case in label_sets().items():
        resources = binary.BinaryClassificationArtifactResources.from_spec(
            class_spec=spec,
            true=dict(enumerate(case.true)),
            predicted=dict(enumerate(case.predicted)),
            probs_pos=dict(enumerate(case.probability)) if case.probability else None,
        )
        answers = record(BINARY, spec, resources, figures=name == "random")
        recorded["labels"][name] = {"digest": case.digest(), **answers}
    json.dump(recorded, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()

"""artifact-core: the same scores, timed where it is installed. Prints one JSON object."""

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd


def seconds(work: Callable[[], Any]) -> float:
    """The least of two turns."""
    took = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def main(path: str) -> None:
    from artifact_core import binary_classification as binary
    from artifact_core import table_comparison as tables
    from artifact_core.binary_classification import spi as binary_spi
    from artifact_core.table_comparison import spi as tables_spi

    warnings.simplefilter("ignore")
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    real, synthetic = (pd.DataFrame(given[name]) for name in ("real", "synthetic"))
    categorical = given["categorical"]
    spec = tables.TabularDataSpec.from_df(
        real,
        cts_features=[name for name in real if name not in categorical],
        cat_features=categorical,
    )
    pair = tables_spi.TableComparisonArtifactResources(real, synthetic)
    classes = binary.BinaryClassSpec(class_names=["0", "1"], positive_class="1")

    def label_set() -> Any:
        return binary_spi.BinaryClassificationArtifactResources.from_spec(
            class_spec=classes,
            true=dict(enumerate(given["true"])),
            predicted=dict(enumerate(given["predicted"])),
            probs_pos=dict(enumerate(given["probability"])),
        )

    rows = label_set()

    def every(types: Any, registry: Any, spec: Any, data: Any) -> None:
        for artifact_type in types:
            registry.get(artifact_type, spec)(data)

    def table_core() -> None:
        for kind in ("Score", "ScoreCollection", "ArrayCollection"):
            types = getattr(tables, f"TableComparison{kind}Type")
            every(types, getattr(tables_spi, f"TableComparison{kind}Registry"), spec, pair)

    def binary_kinds(*kinds: str) -> None:
        for kind in kinds:
            types = getattr(binary, f"BinaryClassification{kind}Type")
            registry = getattr(binary_spi, f"BinaryClassification{kind}Registry")
            every(types, registry, classes, rows)

    took = {
        "validating 10,000 labels": seconds(label_set),
        "all 20 binary scores": seconds(lambda: binary_kinds("Score")),
        "all binary collections and arrays": seconds(
            lambda: binary_kinds("ScoreCollection", "Array", "ArrayCollection")
        ),
        "all table scores and collections": seconds(table_core),
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main(sys.argv[1])

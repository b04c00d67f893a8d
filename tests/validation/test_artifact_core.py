"""artifact-core's own artifacts as ours; all but the complaint where it is not needs the extra."""

import pickle
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from artifact_fn.errors import ValidationError
from artifact_fn.validation import artifact_core as core
from tests.validation.test_against_artifact_core import RECORDED, check, data

needs_it = pytest.mark.skipif(find_spec("artifact_core") is None, reason="extra artifact-core")
values: list[Any] = ["score", "array", "score_collection", "array_collection"]


@pytest.mark.skipif(find_spec("artifact_core") is not None, reason="it is there")
def test_where_it_is_not_we_say_what_to_do() -> None:
    message = r"artifact-core cannot be imported; got No module named 'artifact_core'; pip install"
    with pytest.raises(ValidationError, match=message):
        core.artifact("table_comparison", "score", "MEAN_JS_DISTANCE")
    with pytest.raises(ValidationError, match=message):
        core.of_labels(data("labels", "random"))


@needs_it
@pytest.mark.filterwarnings("ignore")
def test_it_computes_what_was_recorded() -> None:
    tables = core.of_tables(data("tables", "mixed"))
    labels = core.of_labels(data("labels", "random"))
    for resources, recorded in (
        (tables, RECORDED["tables"]["mixed"]),
        (labels, RECORDED["labels"]["random"]),
    ):
        for kind in values:
            for name, answer in recorded[kind].items():
                check(core.artifact(resources.toolkit, kind, name)(resources), answer)


@needs_it
@pytest.mark.filterwarnings("ignore")
def test_it_draws() -> None:
    tables = core.of_tables(data("tables", "ties"))
    assert isinstance(core.artifact("table_comparison", "plot", "MEAN_ALIGNMENT")(tables), Figure)
    figures = core.artifact("table_comparison", "plot_collection", "CDF")(tables)
    assert list(figures) == ["level", "half"]


@needs_it
def test_a_custom_artifact_is_one_as_well() -> None:
    spi: Any = pytest.importorskip("artifact_core.table_comparison.spi")
    params: Any = pytest.importorskip("artifact_core.spi.artifact").ArtifactHyperparams

    @spi.TableComparisonScoreRegistry.register_custom_artifact("MORE_ROWS")
    class MoreRows(spi.TableComparisonScore[params]):  # type: ignore[misc]
        def _compare_datasets(self, dataset_real: Any, dataset_synthetic: Any) -> float:
            return len(dataset_synthetic) / len(dataset_real)

    more = core.artifact("table_comparison", "score", "MORE_ROWS")
    resources = core.of_tables(data("tables", "mixed"))
    assert pickle.loads(pickle.dumps(more))(resources) == 110 / 160


@needs_it
def test_unknown_names_are_refused_when_they_are_made() -> None:
    with pytest.raises(
        ValidationError, match=r"has no score 'F3' for binary_classification; got .*F3"
    ):
        core.artifact("binary_classification", "score", "F3")


@needs_it
def test_frames_are_what_was_compared() -> None:
    pair = data("tables", "unseen")
    resources = core.of_tables(pair)
    assert resources.held.dataset_synthetic["region"].isin(["moon", "mars"]).any()
    np.testing.assert_array_equal(resources.held.dataset_real["age"], pair.real.numbers[:, 0])
    assert resources.spec.cat_unique_map["region"] == list(pair.categories[0])


def test_kinds_and_toolkits_have_names() -> None:
    with pytest.raises(ValidationError, match=r"toolkit is one of 2 names; got 'tables'; give"):
        core.artifact("tables", "score", "X")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"kind is one of 6 names; got 'figure'; give"):
        core.artifact("table_comparison", "figure", "X")  # type: ignore[arg-type]

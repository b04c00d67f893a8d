"""Table comparison: a synthetic table held against the real one."""

from artifact_fn.validation.table_comparison.arrays import ARRAY_COLLECTIONS, ARRAYS
from artifact_fn.validation.table_comparison.encoded import Comparison, Encoded, compare, encode
from artifact_fn.validation.table_comparison.plots import PLOT_COLLECTIONS, PLOTS
from artifact_fn.validation.table_comparison.routine import validation
from artifact_fn.validation.table_comparison.scores import SCORE_COLLECTIONS, SCORES
from artifact_fn.validation.table_comparison.spec import Categorical, Continuous, TabularSpec
from artifact_fn.validation.table_comparison.synthesizer import TableSynthesizer, generated

__all__ = [
    "ARRAYS",
    "ARRAY_COLLECTIONS",
    "PLOTS",
    "PLOT_COLLECTIONS",
    "SCORES",
    "SCORE_COLLECTIONS",
    "Categorical",
    "Comparison",
    "Continuous",
    "Encoded",
    "TableSynthesizer",
    "TabularSpec",
    "compare",
    "encode",
    "generated",
    "validation",
]

"""Testing: the laws as functions, for the tests of your own steps, folds, metrics and rules.

Each raises `LawError` with what broke, where, and the likely cause; none needs pytest.
"""

from artifact_fn.testing.experiments import small_experiment
from artifact_fn.testing.folds import check_fold
from artifact_fn.testing.metrics import check_metric
from artifact_fn.testing.purity import check_pure
from artifact_fn.testing.resume import check_resume
from artifact_fn.testing.rules import check_rule, check_transform
from artifact_fn.testing.steps import check_step

__all__ = [
    "check_fold",
    "check_metric",
    "check_pure",
    "check_resume",
    "check_rule",
    "check_step",
    "check_transform",
    "small_experiment",
]

"""Validation: domain toolkits of pure functions that judge what a model makes.

from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables
"""

from artifact_fn.extras import extra

with extra("validation", "matplotlib", "scipy", "sklearn"):
    from artifact_fn.validation.artifacts import Artifact, Catalogue, select
    from artifact_fn.validation.plan import Plan, computed

__all__ = ["Artifact", "Catalogue", "Plan", "computed", "select"]

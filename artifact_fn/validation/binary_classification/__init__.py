"""Binary classification: predicted classes and probabilities held against the true classes."""

from artifact_fn.validation.binary_classification.arrays import ARRAY_COLLECTIONS, ARRAYS
from artifact_fn.validation.binary_classification.classified import Classified, classified
from artifact_fn.validation.binary_classification.classifier import BinaryClassifier, probabilities
from artifact_fn.validation.binary_classification.plots import PLOT_COLLECTIONS, PLOTS
from artifact_fn.validation.binary_classification.routine import validation
from artifact_fn.validation.binary_classification.score_collections import SCORE_COLLECTIONS
from artifact_fn.validation.binary_classification.scores import SCORES
from artifact_fn.validation.binary_classification.spec import BinarySpec

__all__ = [
    "ARRAYS",
    "ARRAY_COLLECTIONS",
    "PLOTS",
    "PLOT_COLLECTIONS",
    "SCORES",
    "SCORE_COLLECTIONS",
    "BinaryClassifier",
    "BinarySpec",
    "Classified",
    "classified",
    "probabilities",
    "validation",
]

"""Data: where batches come from."""

from artifact_fn.data.loader import Loader
from artifact_fn.data.place import place
from artifact_fn.data.split import Split
from artifact_fn.data.table import Table

__all__ = ["Loader", "Split", "Table", "place"]

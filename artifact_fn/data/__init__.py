"""Data: where batches come from."""

from artifact_fn.data.batches import Batches, from_batches
from artifact_fn.data.cross_validation import cross_validation
from artifact_fn.data.cursor import resumable
from artifact_fn.data.frames import from_frame, from_parquet
from artifact_fn.data.from_torch import from_torch
from artifact_fn.data.loader import Loader
from artifact_fn.data.memmap import Mapped, from_npy
from artifact_fn.data.place import place
from artifact_fn.data.prefetch import Prefetched, prefetched
from artifact_fn.data.split import Split
from artifact_fn.data.table import Table
from artifact_fn.data.torch_loader import TorchLoader, TorchStream

__all__ = [
    "Batches",
    "Loader",
    "Mapped",
    "Prefetched",
    "Split",
    "Table",
    "TorchLoader",
    "TorchStream",
    "cross_validation",
    "from_batches",
    "from_frame",
    "from_npy",
    "from_parquet",
    "from_torch",
    "place",
    "prefetched",
    "resumable",
]

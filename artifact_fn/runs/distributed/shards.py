"""Shards: checkpoints of a state that is spread over processes, and read by any number of them.

The tensors go through torch.distributed.checkpoint, each process writing its own parts as
safetensors, so nothing is pickled; a checkpoint as a whole is what `runs.storage` makes: it is
written aside, every byte of it is in a manifest, and it gets its name by one rename.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from artifact_fn import tree
from artifact_fn.errors import DataError
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage import checkpoint, files
from artifact_fn.runs.storage.checkpoint import ASIDE, FORMAT, MANIFEST, Mark
from artifact_fn.runs.storage.sealed import seal
from artifact_fn.training.flat import joining
from artifact_fn.training.parallel.mesh import Mesh
from artifact_fn.training.parallel.sharded import Shards
from artifact_fn.training.state import TrainState


def save_shards(root: Path, mark: Mark, state: TrainState, mesh: Mesh) -> Path:
    """Write a state as the checkpoint `mark`, each process its own shards of it.

    All processes of the mesh call it; the directory is one that all of them see.

    Args:
        root: Directory of all checkpoints.
        mark: Where the run is.
        state: Its sharded parts are this process's.
        mesh: Who takes part.

    Returns:
        Its directory.

    Raises:
        Storage: the disk refuses, in the process where it does; nothing has the name of a
            checkpoint then.

    Example:
        >>> import tempfile
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.training.parallel import ALONE
        >>> state = small_experiment().state()
        >>> save_shards(Path(tempfile.mkdtemp()), Mark(0, 0), state, ALONE).name
        '...'
    """
    aside, final = root / f"{ASIDE}{mark.name}", root / mark.name
    if mesh.rank == 0:
        files.make(root)
        files.discard(aside)
        with files.told(aside):
            aside.mkdir()
    _met(mesh)
    with files.told(aside), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch means to change in its own parts
        writer = HuggingFaceStorageWriter(str(aside), save_distributed=True)
        state_dict_saver.save(_parts(state, mesh), storage_writer=writer, no_dist=mesh.size == 1)
    _met(mesh)
    if mesh.rank == 0:
        listed = {}
        for path in sorted(aside.iterdir()):
            _synced(path)
            listed[path.name] = {"size": path.stat().st_size, "sha256": _digest(path)}
        manifest = {
            "format": FORMAT,
            "checkpoint": mark.name,
            "about": {"step": mark.step, "processes": mesh.size, "shards": True},
            "files": listed,
        }
        files.write(aside / MANIFEST, [seal(manifest)[0]])
        files.sync(aside)
        if final.exists():
            files.discard(final)
        files.publish(aside, final)
    _met(mesh)
    return final


def load_shards(root: Path, mark: Mark, fresh: TrainState, mesh: Mesh) -> TrainState:
    """The state of a checkpoint, spread over the processes that read it.

    They may be more or fewer than those that wrote it. All of them call this, and each looks
    at every byte before it takes any.

    Args:
        root: Directory of all checkpoints.
        mark: Which.
        fresh: A state of the same model and optimizer for this mesh, such as `TrainState.create`
            makes; it is left as it is.
        mesh: Who takes part.

    Raises:
        Damaged: a file of it is missing, or not what was written; names the file.
        DataError: it was written by a later version, or of another model or optimizer.
        Storage: the disk refuses.

    Example:
        >>> import tempfile
        >>> from artifact_fn import tree
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.training.parallel import ALONE
        >>> root, state = Path(tempfile.mkdtemp()), small_experiment(seed=1).state()
        >>> saved = save_shards(root, Mark(0, 0), state, ALONE)
        >>> again = load_shards(root, Mark(0, 0), small_experiment(seed=0).state(), ALONE)
        >>> tree.identical(again, state)
        True
    """
    where = root / mark.name
    for name, told in checkpoint.described(root, mark)["files"].items():
        path = where / name
        if not path.is_file() or path.is_symlink():
            raise Damaged(path, "no such file")
        with files.told(path):
            same = path.stat().st_size == told["size"] and _digest(path) == told["sha256"]
        if not same:
            raise Damaged(path, "other bytes than were written")
    empty: TrainState = tree.map(torch.empty_like, fresh)
    parts = _parts(empty, mesh)
    reader = HuggingFaceStorageReader(str(where))
    held: Mapping[str, Any] = reader.read_metadata().state_dict_metadata
    for name, part in parts.items():
        size = list(held[name].size) if name in held else None
        if size != list(part.shape):
            raise DataError(
                "the saved state does not fit",
                got=f"{name}: {size or 'nothing'} saved, {list(part.shape)} expected",
                do="read it with the model and optimizer that it was written with",
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state_dict_loader.load(parts, storage_reader=reader, no_dist=mesh.size == 1)
    return _filled(empty, parts, mesh)


def _parts(state: TrainState, mesh: Mesh) -> dict[str, Any]:
    """The leaves of a state by path: shards as parts of a whole, everything else as it is."""
    device = _device_mesh(mesh, state)
    return {
        path: leaf if size is None else _part(leaf, size, mesh, device)
        for path, leaf, size in _leaves(state)
    }


def _leaves(state: TrainState) -> Iterator[tuple[str, Tensor, int | None]]:
    """Path, leaf, and for a shard the length of the whole vector."""
    sizes = {kind: len(vector) for kind, vector in joining(state.params)[0](state.params).items()}
    sharded = {
        id(leaf) for one in tree.records(state.opt_state, Shards) for leaf in tree.leaves(one)
    }
    for path, leaf in tree.paths(state).items():
        # A shard is known by the dtype that its path ends in; a rule's scalars are no shards.
        kind = path.rsplit("/", 1)[-1]
        yield path, leaf, sizes.get(kind) if id(leaf) in sharded and leaf.ndim == 1 else None


def _part(shard: Tensor, size: int, mesh: Mesh, device: DeviceMesh | None) -> Any:
    """A shard as its part of a whole; what pads the last ones belongs to nobody."""
    start = mesh.rank * len(shard)
    own = shard[: max(0, min(len(shard), size - start))]
    if device is None:
        return own
    return DTensor.from_local(
        own, device, [Shard(0)], run_check=False, shape=torch.Size([size]), stride=(1,)
    )


def _filled(empty: TrainState, parts: dict[str, Any], mesh: Mesh) -> TrainState:
    """The state whose leaves have been read; padding is zero."""
    found = []
    for path, leaf, size in _leaves(empty):
        read = parts[path]
        local: Tensor = read.to_local() if isinstance(read, DTensor) else read
        if size is not None:
            whole = torch.zeros_like(leaf)
            whole[: len(local)] = local
            local = whole
        found.append(local)
    state: TrainState = tree.unflatten(found, tree.flatten(empty)[1])
    return state


def _device_mesh(mesh: Mesh, state: TrainState) -> DeviceMesh | None:
    if mesh.size == 1:
        return None
    return init_device_mesh(state.step.device.type, (mesh.size,))


def _met(mesh: Mesh) -> None:
    if mesh.size > 1:
        dist.barrier()


def _synced(path: Path) -> None:
    """Wait until the disk has a file that another wrote."""
    with files.told(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

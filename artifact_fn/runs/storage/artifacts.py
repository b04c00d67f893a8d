"""Artifacts: what was computed for an epoch, as files that any tool can open.

Figures become PNG, arrays NPZ (without pickle), everything else JSON.
"""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from artifact_fn.errors import DataError
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.names import divided, safe
from artifact_fn.runs.storage.values import decode, encode

Listed = dict[str, Any]
"""What the journal says of an artifact: its file, from the run's directory, size and SHA-256."""


def save(root: Path, name: str, epoch: int, value: Any) -> Listed:
    """Write one artifact to `artifacts/<split>/<NAME>/<epoch>.*`.

    Args:
        root: Of the run.
        name: `split/NAME`, any text.
        epoch: Its index.
        value: A matplotlib figure, an array, a mapping of arrays, or what `values.encode` takes
            without tensors.

    Raises:
        DataError: the value is none of these.
        Storage: the disk refuses.
    """
    return write(root, name, epoch, *rendered(name, value))


def write(root: Path, name: str, epoch: int, suffix: str, data: bytes) -> Listed:
    """Write the bytes of an artifact, as `rendered` made them; otherwise as `save`."""
    split, rest = divided(name)
    path = root / "artifacts" / safe(split) / safe(rest) / f"{epoch:06}{suffix}"
    files.make(path.parent)
    content = files.replace(path, data)
    return {
        "file": str(path.relative_to(root)),
        "size": content.size,
        "sha256": content.sha256,
    }


def content(root: Path, listed: Mapping[str, Any]) -> bytes:
    """The bytes of an artifact's file.

    Raises:
        Damaged: it is missing or not what was written.
    """
    path = root / listed["file"]
    data = files.read(path)
    if files.digest(data) != listed["sha256"]:
        raise Damaged(path, "other bytes than were written")
    return data


def load(root: Path, listed: Mapping[str, Any]) -> Any:
    """An artifact as it was: arrays and values; of a figure, the bytes of its PNG.

    Raises:
        Damaged: its file is missing or not what was written.
    """
    path, data = root / listed["file"], content(root, listed)
    if path.suffix == ".npz":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if "names" not in arrays:
                return arrays["array"]
            return {str(name): arrays[f"array{i}"] for i, name in enumerate(arrays["names"])}
    return decode(json.loads(data), {}) if path.suffix == ".json" else data


def rendered(name: str, value: Any) -> tuple[str, bytes]:
    """The suffix and the bytes of an artifact's file.

    Raises:
        DataError: as `save`.
    """
    if _is_figure(value):
        return ".png", _png(value)
    if isinstance(value, Tensor):
        value = (value.float() if value.is_floating_point() else value).detach().cpu().numpy()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return ".npz", _npz({"array": value})
    if isinstance(value, Mapping) and value and all(_is_array(part) for part in value.values()):
        names = np.array([str(key) for key in value])
        numbered = {f"array{i}": part for i, part in enumerate(value.values())}
        return ".npz", _npz({"names": names, **numbered})
    try:
        encoded = encode(dict(value) if isinstance(value, Mapping) else value)
    except DataError as cause:
        raise _refused(name, cause.got) from cause
    if encoded.tensors:
        raise _refused(name, "tensors or arrays among other things")
    return ".json", json.dumps(encoded.document, allow_nan=False).encode()


def _png(figure: Any) -> bytes:
    """A figure's pixels as `savefig` writes them, sooner.

    It is drawn once, where `savefig` draws one with a layout twice; and what is opaque everywhere
    is packed without its opacity, so that the quickest packing is hardly larger.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    written, before = io.BytesIO(), figure.canvas
    try:
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
    finally:
        figure.set_canvas(before)
    image = Image.fromarray(pixels)
    image = image.convert("RGB") if (pixels[..., 3] == 255).all() else image
    image.save(written, "png", compress_level=1, dpi=(figure.dpi, figure.dpi))
    return written.getvalue()


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.dtype.hasobject


def _is_figure(value: Any) -> bool:
    # Who has a figure has imported matplotlib; nobody else needs it.
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def _npz(arrays: dict[str, Any]) -> bytes:
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return written.getvalue()


def _refused(name: str, got: str) -> DataError:
    return DataError(
        f"the artifact {name!r} cannot be saved",
        got=got,
        do="answer a matplotlib figure, an array, a mapping of arrays, or plain values",
    )

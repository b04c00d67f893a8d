"""Words: what rank 0 says to the others between two events of a run."""

import json

import attrs
import safetensors.torch
import torch
import torch.distributed as dist

from artifact_fn.runs.distributed.processes import Processes
from artifact_fn.runs.storage.tensors import dumped
from artifact_fn.runs.storage.values import decode, encode
from artifact_fn.training.experiment import Place

END, GO, BEGIN = range(3)
"""It is over; make the next event; make a stream from the place that follows."""


def tell(here: Processes, word: int) -> None:
    """Say a number; alone, to nobody."""
    if here.mesh.size > 1:
        dist.broadcast(torch.tensor([word]), src=0)


def hear(here: Processes) -> int:
    """The number that rank 0 says next."""
    word = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(word, src=0)
    return int(word)


def say(here: Processes, data: bytes) -> None:
    """Say some bytes; alone, to nobody."""
    if here.mesh.size > 1:
        tell(here, len(data))
        if data:
            dist.broadcast(torch.frombuffer(bytearray(data), dtype=torch.uint8), src=0)


def heard_bytes(here: Processes) -> bytes:
    """The bytes that rank 0 says next."""
    data = torch.zeros(hear(here), dtype=torch.uint8)
    if len(data):
        dist.broadcast(data, src=0)
    return data.numpy().tobytes()


def send(here: Processes, start: Place) -> None:
    """A place, as it would be saved: nothing is pickled."""
    fields = {field.name: getattr(start, field.name) for field in attrs.fields(Place)}
    encoded = encode(fields)
    say(here, json.dumps(encoded.document, allow_nan=False).encode())
    say(here, b"".join(bytes(part) for part in dumped(encoded.tensors)))


def received(here: Processes) -> Place:
    """The place that rank 0 sends next, on this process's device."""
    document = json.loads(heard_bytes(here))
    tensors = safetensors.torch.load(heard_bytes(here))
    return Place(**decode(document, tensors, device=None if here.device == "cpu" else here.device))

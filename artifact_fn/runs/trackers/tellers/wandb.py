"""Weights & Biases: a run of it, told from a process of its own.

Its client writes what it is told into a file, from another process again, and says nothing when it
has done so. The file is read back: to leave out what was told before, and to know when a batch has
arrived. It is a log as LevelDB keeps it, of protocol buffers.
"""

import json
import os
import shutil
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_BLOCK, _HEAD, _LAST = 32768, struct.Struct("<IHB"), (1, 4)
_POLL = 0.05

Point = tuple[str, int, int]
"""A key, an epoch, and a time in milliseconds."""


class Teller:
    """A run.

    Args:
        about: `id`, `name`, `project`, `entity`, `group`, `axis`, `place`, whether it is
            `offline`, and `config`.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        import wandb

        self.offline = about["offline"]
        place = Path(about["place"])
        place.mkdir(parents=True, exist_ok=True)
        old = sorted(place.glob(f"wandb/*-{about['id']}/run-{about['id']}.wandb"))
        rows = [row for path in old for row in rows_of(path)] if self.offline else []
        self.run = wandb.init(
            project=about["project"],
            entity=about["entity"],
            group=about["group"],
            id=about["id"],
            name=about["name"],
            config=about["config"],
            dir=str(place),
            mode="offline" if self.offline else "online",
            resume=None if self.offline else "allow",
            save_code=False,
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_meta=True,
                x_transaction_log_flush_interval=_POLL,
            ),
        )
        if not self.offline:
            self.run.config.update(about["config"], allow_val_change=True)
            rows = list(self._served().scan_history())
        self.run.define_metric("*", step_metric=about["axis"])
        self.file = Path(self.run.settings.sync_file)
        self.there = {point for row in rows for point in points_of(row)}
        self.next = 1 + max((int(row["_step"]) for row in rows), default=-1)

    def send(self, order: Mapping[str, Any]) -> None:
        """Tell rows, files and a status, and wait until they have arrived."""
        from wandb import Image

        last, saved = -1, []
        for row in order["rows"]:
            given = {**row["values"], **{k: Image(path) for k, path in row["images"].items()}}
            epoch, at = row["epoch"], row["at"]
            fresh = {k: v for k, v in given.items() if (k, epoch, _ms(at)) not in self.there}
            if fresh:
                whole = {**fresh, "epoch": epoch, "_timestamp": at}
                if row["step"] is not None:
                    whole["step"] = row["step"]
                self.run.log(whole, step=self.next, commit=True)
                self.there.update((k, epoch, _ms(at)) for k in fresh)
                last, self.next = self.next, self.next + 1
        for name, path in order["files"]:
            to = Path(self.run.dir) / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            self.run.save(str(to), base_path=self.run.dir, policy="now")
            saved.append(name)
        config = {**({"names": order["names"]} if order["names"] else {}), **order["config"]}
        if config:
            self.run.config.update(config, allow_val_change=True)
        self._arrive(last, saved, config)

    def close(self, code: int) -> None:
        """End it."""
        import wandb

        self.run.finish(exit_code=code)
        wandb.teardown(exit_code=code)

    def _arrive(self, step: int, saved: list[str], config: Mapping[str, Any]) -> None:
        while not _holds(self.file, step, saved, config):
            time.sleep(_POLL)
        handle = os.open(self.file, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        while not self.offline and step > (self._served().lastHistoryStep or -1):
            time.sleep(1.0)

    def _served(self) -> Any:
        """The run, as the server has it."""
        from wandb import Api

        return Api().run(f"{self.run.entity}/{self.run.project}/{self.run.id}")


def points_of(row: Mapping[str, Any]) -> Iterator[Point]:
    """What a row tells."""
    if "epoch" in row and "_timestamp" in row:
        for key in row:
            yield key, int(row["epoch"]), _ms(row["_timestamp"])


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file, up to where it was torn."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = path.read_bytes(), 7, b""
    while True:
        left = _BLOCK - at % _BLOCK
        at += left if left < _HEAD.size else 0
        if at + _HEAD.size > len(data):
            return
        _, size, kind = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + size > len(data):
            return
        parts += data[at : at + size]
        at += size
        if kind in _LAST:
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of history in a `.wandb` file; of what is nested, the first key."""
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            row: dict[str, Any] = {}
            for item in record.history.item:
                keys, value = list(item.nested_key) or [item.key], json.loads(item.value_json)
                if len(keys) > 1:
                    row.setdefault(keys[0], {})[keys[-1]] = value
                else:
                    row[keys[0]] = value
            yield row


def _holds(path: Path, step: int, saved: list[str], config: Mapping[str, Any]) -> bool:
    files: set[str] = set()
    held: dict[str, Any] = {}
    reached = -1
    for record in records(path):
        match record.WhichOneof("record_type"):
            case "history":
                reached = max(reached, record.history.step.num)
            case "files":
                files |= {file.path for file in record.files.files}
            case "config":
                held |= {
                    (list(item.nested_key) or [item.key])[0]: json.loads(item.value_json)
                    for item in record.config.update
                }
    return reached >= step and files >= set(saved) and all(held.get(k) == config[k] for k in config)


def _ms(at: float) -> int:
    return round(float(at) * 1000)

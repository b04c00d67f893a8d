"""What both of artifact-torch's demos are made of: plans, a trainer's settings, the end of a run."""

import time
from functools import partial
from typing import Any

import torch
from artifact_experiment.tracking import DataSplit, FilesystemTrackingClient
from artifact_torch.nn.callbacks import AllActivationsPDF, LossCallback
from artifact_torch.nn.early_stopping import EpochBoundStopper, StopperUpdateData
from artifact_torch.nn.plans import ForwardHookPlan, ModelIOPlan

from tests.bench.demos.given import EVERY, RATE

KINDS = ("score", "array", "plot", "score_collection", "array_collection", "plot_collection")


def _none(cls: type, context: Any) -> list[Any]:
    return []


def _callback_plan(name: str, base: type, kind: str, make: Any) -> type:
    """A plan of callbacks of one kind: its six hooks, five of which answer nothing."""
    hooks: dict[str, Any] = {f"_get_{each}_callbacks": classmethod(_none) for each in KINDS}
    hooks[f"_get_{kind}_callbacks"] = classmethod(lambda cls, context: [make(context)])
    return type(name, (base,), hooks)


def losses(period: int) -> type:
    """The plan that reports losses every so many epochs."""
    return _callback_plan(
        f"Losses{period}",
        ModelIOPlan,
        "score",
        lambda context: LossCallback(period=period, writer=context.score_writer),
    )


ACTIVATIONS = _callback_plan(
    "Activations",
    ForwardHookPlan,
    "plot",
    lambda context: AllActivationsPDF(period=EVERY, writer=context.plot_writer),
)
"""The plan that draws what all layers put out."""


def artifact_plan(base: type, enums: dict[str, tuple[Any, tuple[str, ...]]]) -> type:
    """The plan of a domain with artifacts by kind and name."""
    hooks: dict[str, Any] = {f"_get_{kind}_types": staticmethod(list) for kind in KINDS}
    for kind, (enum, names) in enums.items():
        hooks[f"_get_{kind}_types"] = staticmethod(partial(_chosen, enum, names))
    return type("Artifacts", (base,), hooks)


def _chosen(enum: Any, names: tuple[str, ...]) -> list[Any]:
    return [enum[name] for name in names]


class Settings:
    """A trainer's hooks, the same in both demos but for `epochs`."""

    epochs: int

    @staticmethod
    def _get_optimizer(model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=RATE)

    @staticmethod
    def _get_scheduler(optimizer: torch.optim.Optimizer) -> None:
        return None

    @staticmethod
    def _get_device() -> torch.device:
        return torch.device("cpu")

    @staticmethod
    def _get_checkpoint_period() -> int:
        return EVERY

    @staticmethod
    def _get_model_tracker() -> None:
        return None

    def _get_model_tracking_criterion(self) -> None:
        return None

    @classmethod
    def _get_early_stopper(cls) -> EpochBoundStopper:
        return EpochBoundStopper(max_n_epochs=cls.epochs)

    def _get_stopper_update_data(self) -> StopperUpdateData:
        return StopperUpdateData(n_epochs_elapsed=self.n_epochs_elapsed)  # type: ignore[attr-defined]


def finished(client: FilesystemTrackingClient) -> None:
    """Wait until everything is written: `stop` alone would drop what is still queued."""
    while not client.queue.queue.empty():
        if not client._logger_worker._thread.is_alive():
            raise SystemExit("the tracking worker has died; items are lost")
        time.sleep(0.01)
    client.stop()


BOTH = (DataSplit.TRAIN, DataSplit.VALIDATION)

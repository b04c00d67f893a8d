"""Lightning: a LightningModule that logs loss, accuracy and learning rate an epoch."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.bench.peers.models import DEVICE, network, set_up
from tests.bench.tasks import RATE, Task, arrays


class Classifier(lightning.LightningModule):  # type: ignore[misc, unused-ignore]
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network = network(task)

    def training_step(self, batch: Any, _: int) -> Any:
        xs, ys = batch
        out = self.network(xs)
        loss = F.cross_entropy(out, ys)
        right = (out.argmax(1) == ys).float().mean()
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        told = {"loss": loss, "accuracy": right, "lr": rate}
        self.log_dict(told, on_step=False, on_epoch=True, batch_size=len(xs))
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=RATE)


def prepare(task: Task) -> Callable[[int], dict[str, float]]:
    set_up(task)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    x, y = map(torch.from_numpy, arrays(task))
    loader = DataLoader(TensorDataset(x, y), batch_size=task.batch, shuffle=True)
    module = Classifier(task)

    def run(epochs: int) -> dict[str, float]:
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if DEVICE == "cuda" else DEVICE,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return {name: float(value) for name, value in trainer.callback_metrics.items()}

    return run

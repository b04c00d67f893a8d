"""Types, modules, sources and readers that the programs put together, rightly and wrongly."""

from collections.abc import Callable
from typing import NotRequired, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import ReadOnly

import artifact_fn as af
from artifact_fn import random
from artifact_fn.folds import Fold
from artifact_fn.training import Model, Outcome, Routine, Workflow
from artifact_fn.training.pairing import I, O
from artifact_fn.training.statistics import answers


class X(af.ModelInput):
    x: Tensor


class XY(af.ModelInput):
    x: Tensor
    y: Tensor


class XYMask(af.ModelInput):
    x: Tensor
    y: Tensor
    mask: Tensor


class XYMaybe(af.ModelInput):
    x: Tensor
    y: Tensor
    mask: NotRequired[Tensor]


class XMask(af.ModelInput):
    x: Tensor
    mask: Tensor


class Logits(af.ModelOutput):
    logits: Tensor


class Hidden(af.ModelOutput):
    logits: Tensor
    hidden: Tensor


class Recon(af.ModelOutput):
    recon: Tensor


class Both(af.ModelOutput):
    logits: Tensor
    recon: Tensor


class Pair(af.ModelOutput):
    logits: tuple[Tensor, Tensor]


class Nothing(af.ModelInput):
    pass


class ReadsX(af.ModelInput):
    x: ReadOnly[Tensor]


class ReadsY(af.ModelInput):
    y: ReadOnly[Tensor]


class ReadsMask(af.ModelInput):
    mask: ReadOnly[Tensor]


class MayReadMask(af.ModelInput):
    y: ReadOnly[Tensor]
    mask: ReadOnly[NotRequired[Tensor]]


class ReadsLogits(af.ModelOutput):
    logits: ReadOnly[Tensor]


class ReadsRecon(af.ModelOutput):
    recon: ReadOnly[Tensor]


class Classifier(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, width), nn.Linear(width, 2)

    def forward(self, inputs: X) -> Hidden:
        hidden = torch.tanh(self.body(inputs["x"]))
        return {"hidden": hidden, "logits": self.head(hidden)}


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, inputs: XMask) -> Logits:
        return {"logits": self.head(inputs["x"] * inputs["mask"])}


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 3)

    def forward(self, inputs: X) -> Recon:
        return {"recon": self.body(inputs["x"])}


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head, self.body = nn.Linear(3, 2), nn.Linear(3, 3)

    def forward(self, inputs: X) -> Both:
        return {"logits": self.head(inputs["x"]), "recon": self.body(inputs["x"])}


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, inputs: X, key: Tensor) -> Logits:
        x = inputs["x"]
        return {"logits": self.head(x + random.normal(key, x.shape))}


def cross_entropy(inputs: ReadsY, outputs: ReadsLogits) -> Tensor:
    return F.cross_entropy(outputs["logits"], inputs["y"])


def error(inputs: ReadsX, outputs: ReadsRecon) -> Tensor:
    return F.mse_loss(outputs["recon"], inputs["x"])


def size(inputs: Nothing, outputs: ReadsLogits) -> Tensor:
    return outputs["logits"].square().mean()


def right(inputs: ReadsY, outputs: ReadsLogits) -> Tensor:
    return outputs["logits"].argmax(1) == inputs["y"]


def far(inputs: ReadsX, outputs: ReadsRecon) -> Tensor:
    return (outputs["recon"] - inputs["x"]).abs().mean(1)


def seen(inputs: ReadsMask, outputs: ReadsLogits) -> Tensor:
    return inputs["mask"].mean(1)


def weighted_right(inputs: MayReadMask, outputs: ReadsLogits) -> Tensor:
    hit = (outputs["logits"].argmax(1) == inputs["y"]).to(torch.float32)
    return hit * inputs["mask"].mean(1) if "mask" in inputs else hit


_X = random.normal(random.key(5), (12, 3))
TABLE = af.Table({"x": _X, "y": (_X[:, 0] > 0).to(torch.int64), "mask": torch.ones(12, 3)})
LOADER = af.Loader(TABLE, batch_size=8)
ONLY_X = LOADER.typed(X)
TRAIN = LOADER.typed(XY)
MASKED = LOADER.typed(XYMask)
MAYBE = LOADER.typed(XYMaybe)
OPTIMIZER = af.optim.sgd(0.1)


M = TypeVar("M", bound=nn.Module)


def drawn(make: Callable[[], M]) -> M:
    """A module, without moving the global generator."""
    with torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
        return make()


def two_steps(workflow: Workflow[I, O]) -> dict[str, float]:
    """The scores of the second of two steps on the workflow's own source."""
    step, state = workflow.step(OPTIMIZER), workflow.state(OPTIMIZER, seed=0)
    batches = workflow.source.batches(state.key, 1)
    state, _ = step(state, next(batches))
    state, metrics = step(state, next(batches))
    return answers(metrics)[0]


def use(model: Model[X, Logits]) -> None:
    """Something that needs a classifier of x."""


def counting(outcome: Outcome[ReadsY, ReadsLogits]) -> int:
    return int((outcome.outputs["logits"].argmax(1) == outcome.inputs["y"]).sum())


def _zero() -> int:
    return 0


def _same(count: int) -> float:
    return float(count)


HITS: Fold[Outcome[ReadsY, ReadsLogits], int, float] = Fold(
    _zero, lambda count, outcome: count + counting(outcome), _same
)
MASKED_ROWS: Fold[Outcome[ReadsMask, ReadsLogits], int, float] = Fold(
    _zero, lambda count, outcome: count + int(outcome.inputs["mask"].sum()), _same
)


def after_two_epochs(workflow: Workflow[I, O], *routines: Routine) -> dict[str, float]:
    """The scores of the second epoch."""
    state = workflow.state(OPTIMIZER, seed=0)
    stream = af.epochs(workflow.step(OPTIMIZER), state, workflow.source, routines=routines)
    return dict(af.fit(stream, until=af.at_most(2)).last.scores)

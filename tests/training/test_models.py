"""Models of many kinds, trained for a few steps, eager and compiled."""

from typing import Any

import attrs
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from artifact_fn import optim, random, tree
from artifact_fn.optim import Optimizer
from artifact_fn.training import (
    Model,
    Objective,
    Step,
    TrainState,
    compiled,
    from_output,
    functional,
    metrics,
    minimise,
    sequence,
    supervised,
    train_step,
    weighted,
)
from artifact_fn.training.preflight import tried
from artifact_fn.training.statistics import answers

SGD = optim.sgd(0.05, momentum=0.9)


@attrs.frozen(eq=False)
class Task:
    """Something to train: a state, its step and a batch; what should fall."""

    state: TrainState
    step: Step[TrainState]
    batch: Any
    falls: str = "loss"


def task(model: Model, goal: Objective, batch: Any, optimizer: Optimizer = SGD) -> Task:
    return Task(TrainState.create(model, optimizer, seed=0), train_step(goal, optimizer), batch)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return random.normal(random.key(seed), shape)


def classes(rows: int, below: int) -> Tensor:
    return torch.arange(rows) % below


def cnn_on_digits() -> Task:
    images, digits = load_digits(return_X_y=True)
    batch = {
        "x": torch.tensor(images[:64] / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8),
        "y": torch.tensor(digits[:64]),
    }
    model = functional(
        lambda: nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Dropout2d(0.1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )
    )
    return task(model, supervised(model, F.cross_entropy, metrics=[metrics.accuracy()]), batch)


class Sequence(nn.Module):
    """Tokens to classes by a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(7, 4), nn.LSTM(4, 6, batch_first=True)
        self.out = nn.Linear(6, 3)

    def forward(self, tokens: Tensor) -> Any:
        return self.out(self.lstm(self.embed(tokens))[0][:, -1])


def lstm() -> Task:
    model = functional(Sequence)
    batch = {"x": (noise(12, 5) * 3).to(torch.int64) % 7, "y": classes(12, 3)}
    return task(model, supervised(model, F.cross_entropy), batch)


def transformer() -> Task:
    def build() -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        return nn.Sequential(nn.Linear(4, 8), encoder, nn.Flatten(), nn.Linear(40, 3))

    model = functional(build)
    batch = {"x": noise(12, 5, 4), "y": classes(12, 3)}
    return task(model, supervised(model, F.cross_entropy), batch)


class MessagePassing(nn.Module):
    """Two rounds of sums over the neighbours of a graph's nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.between = nn.Linear(4, 8), nn.Linear(16, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, nodes: Tensor, edges: Tensor) -> Any:
        hidden = torch.relu(self.into(nodes))
        for _ in range(2):
            messages = torch.zeros_like(hidden).index_add(0, edges[:, 1], hidden[edges[:, 0]])
            hidden = torch.relu(self.between(torch.cat([hidden, messages], dim=-1)))
        return self.out(hidden)


def graph() -> Task:
    model = functional(MessagePassing)
    start = torch.arange(30)
    edges = torch.stack([start % 10, (start * 7 + 3) % 10], dim=1)
    batch = {"nodes": noise(10, 4), "edges": edges, "y": classes(10, 3)}
    return task(model, supervised(model, F.cross_entropy, inputs=("nodes", "edges")), batch)


class Vae(nn.Module):
    """A variational autoencoder that answers its own loss."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, batch: Any, *, key: Tensor) -> Any:
        mean, log_variance = self.encode(batch["x"]).chunk(2, dim=-1)
        latent = mean + torch.exp(log_variance / 2) * random.normal(key, mean.shape)
        rows = self.decode(latent)
        divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum(-1).mean() / 2
        error = (rows - batch["x"]).square().sum(-1).mean()
        return {"rows": rows, "t_loss": error + 0.1 * divergence}


def vae() -> Task:
    model = functional(Vae)
    goal = minimise(model, from_output("t_loss"))
    return task(model, goal, {"x": noise(20, 6)}, optim.adam(1e-2))


class Gan(nn.Module):
    """A generator and its critic."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, real: Tensor, *, key: Tensor) -> Any:
        fake = self.generator(random.normal(key, (real.shape[0], 3)))
        return {"real": self.critic(real), "fake": self.critic(fake)}


def critic_loss(outputs: Any, batch: Any) -> Tensor:
    return F.softplus(-outputs["real"]).mean() + F.softplus(outputs["fake"]).mean()


def generator_loss(outputs: Any, batch: Any) -> Tensor:
    return F.softplus(-outputs["fake"]).mean()


def gan() -> Task:
    model = functional(Gan)
    only = {"critic": "critic/*", "generator": "generator/*"}
    optimizers = {"critic": optim.adam(1e-2), "generator": optim.adam(1e-3)}
    losses = {"critic": critic_loss, "generator": generator_loss}
    steps = [
        train_step(
            minimise(model, losses[name], inputs="x"), optimizers[name], name=name, only=only[name]
        )
        for name in only
    ]
    state = TrainState.create(model, optimizers, seed=0, only=only)
    return Task(state, sequence(*steps), {"x": noise(16, 2) + 2}, falls="critic/loss")


class TiedAutoencoder(nn.Module):
    """Decodes with the transposed weight of its encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 6), nn.Linear(6, 6)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Any:
        return self.decode(torch.tanh(self.encode(x)))


def tied_autoencoder() -> Task:
    model = functional(TiedAutoencoder)
    return task(model, supervised(model, F.mse_loss, targets="x"), {"x": noise(16, 6)})


class TwoHeads(nn.Module):
    """One trunk, two answers."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.kind, self.size = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Any:
        hidden = torch.relu(self.trunk(x))
        return {"kind": self.kind(hidden), "size": self.size(hidden).squeeze(-1)}


def multi_task() -> Task:
    model = functional(TwoHeads)
    losses = {
        "kind": lambda o, b: F.cross_entropy(o["kind"], b["kind"]),
        "size": weighted(0.3, lambda o, b: F.mse_loss(o["size"], b["size"])),
    }
    batch = {"x": noise(12, 4), "kind": classes(12, 3), "size": noise(12, seed=3)}
    return task(model, minimise(model, losses, inputs={"x": "x"}), batch)


def fine_tuning() -> Task:
    def build() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        module[0].requires_grad_(False)
        return module

    model = functional(build)
    return task(model, supervised(model, F.cross_entropy), {"x": noise(12, 4), "y": classes(12, 3)})


class Carrying(nn.Module):
    """A recurrent cell whose state is carried from batch to batch, as a buffer."""

    hidden: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(4, 5), nn.Linear(5, 1)
        self.register_buffer("hidden", torch.zeros(6, 5))

    def forward(self, x: Tensor) -> Any:
        after = self.cell(x, self.hidden)
        self.hidden = after.detach()
        return self.out(after)


def recurrent_state() -> Task:
    model = functional(Carrying)
    batch = {"x": noise(6, 4), "y": noise(6, 1, seed=2)}
    return task(model, supervised(model, F.mse_loss), batch)


TASKS = [
    lstm,
    cnn_on_digits, transformer, graph, vae, gan, tied_autoencoder, multi_task, fine_tuning,
    recurrent_state,
]  # fmt: skip


def after(step: Any, start: TrainState, batch: Any, steps: int) -> tuple[TrainState, list[Any]]:
    state = start
    losses: list[Any] = []
    with torch.no_grad():
        for _ in range(steps):
            state, found = step(state, batch)
            losses.append(answers(found)[0])
    return state, losses


@pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)
def test_it_trains_and_compiled_is_eager(make: Any) -> None:
    it = make()
    tried(it.step, it.state, it.batch)
    eager_state, eager = after(it.step, it.state, it.batch, 12)
    assert eager[-1][it.falls] < eager[0][it.falls]
    state, told = after(compiled(it.step), it.state, it.batch, 5)
    for ours, theirs in zip(told, eager, strict=False):
        assert ours == pytest.approx(theirs, rel=2e-4, abs=1e-5)
    assert int(eager_state.step) * 5 == int(state.step) * 12


def test_each_optimizer_of_several_trains_its_own() -> None:
    it = gan()
    assert {k.split(".")[0] for k in it.state.opt_state["critic"].moments["exp_avg"]} == {"critic"}
    only_critic = train_step(
        minimise(functional(Gan), critic_loss, inputs="x"),
        optim.adam(1e-2),
        name="critic",
        only="critic/*",
    )
    state, told = only_critic(it.state, it.batch)
    assert set(told) == {"critic/loss", "critic/lr", "critic/grad_norm"}
    for path, param in state.params.items():
        assert torch.equal(param, it.state.params[path]) == path.startswith("generator")
    assert tree.identical(state.opt_state["generator"], it.state.opt_state["generator"])


def test_a_recurrent_state_is_carried() -> None:
    it = recurrent_state()
    one, _ = it.step(it.state, it.batch)
    two, _ = it.step(one, it.batch)
    assert not torch.equal(one.buffers["hidden"], it.state.buffers["hidden"])
    assert not torch.equal(one.buffers["hidden"], two.buffers["hidden"])

"""Hypergradients: the validation loss, differentiated through training steps.

    python examples/hypergradients.py [--steps 20] [--flipped 20] [--seed 0]

A step is a pure function and an optimizer's hyperparameters are tensors in its state, so the loss
on the validation rows after k steps is a function of the learning rate, the weight decay and the
weight of each training row, and `torch.func.grad` is all it takes to differentiate it. Each
gradient is held against a central difference. Then labels are flipped on purpose: the rows whose
weight should fall, says the gradient, are mostly those. The last line printed is one JSON object.
"""

import argparse
import json
from collections.abc import Callable

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import random, tree
from artifact_fn.training import minimise

ROWS = 128
Hyper = dict[str, Tensor]


def columns(flipped: int, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Training and validation rows, standardised; and which training labels are flipped."""
    measurements, benign = load_breast_cancer(return_X_y=True)
    x, y = torch.as_tensor(measurements), torch.as_tensor(benign)
    order = random.permutation(random.key(seed), len(x))
    x = (x - x[order[:ROWS]].mean(0)) / x[order[:ROWS]].std(0)
    train, val = order[:ROWS], order[ROWS:]
    wrong = torch.arange(ROWS) < flipped
    labels = torch.where(wrong, 1 - y[train], y[train])
    return {"x": x[train], "y": labels}, {"x": x[val], "y": y[val]}, wrong


def validation_loss(steps: int, flipped: int, seed: int) -> tuple[Callable[[Hyper], Tensor], Hyper]:
    """The loss after training, as a function of hyperparameters; and where to look at it."""
    train, val, _ = columns(flipped, seed)
    model = af.functional(
        lambda: nn.Sequential(nn.Linear(30, 16), nn.Tanh(), nn.Linear(16, 2)).double()
    )
    objective = minimise(
        model,
        lambda outputs, batch: (
            batch["weight"] * F.cross_entropy(outputs, batch["y"], reduction="none")
        ).mean(),
        inputs="x",
    )
    optimizer = af.optim.adamw(5e-3, weight_decay=0.1)
    step = af.train_step(objective, optimizer)
    start = af.TrainState.create(model, optimizer, seed=seed)

    def loss(hyper: Hyper) -> Tensor:
        rates = {"lr": hyper["lr"], "weight_decay": hyper["weight_decay"]}
        opt_state = tree.replace(start.opt_state, hyper=start.opt_state.hyper | rates)
        state = tree.replace(start, opt_state=opt_state)
        for _ in range(steps):
            state, _ = step(state, {**train, "weight": hyper["weight"]})
        logits, _ = model.apply(
            state.params, state.buffers, val["x"], key=state.key, training=False
        )
        return F.cross_entropy(logits, val["y"])

    known = start.opt_state.hyper
    weight = torch.ones(ROWS, dtype=torch.float64)
    return loss, {"lr": known["lr"], "weight_decay": known["weight_decay"], "weight": weight}


def difference(loss: Callable[[Hyper], Tensor], hyper: Hyper, name: str, row: int = 0) -> float:
    """A central difference of the loss, by one number of a hyperparameter."""

    def moved(by: float) -> Tensor:
        values = hyper[name].clone()
        values.view(-1)[row] += by
        return loss({**hyper, name: values})

    width = 1e-5 * float(hyper[name].reshape(-1)[row])
    return float(moved(width) - moved(-width)) / (2 * width)


def main(steps: int, flipped: int, seed: int) -> dict[str, object]:
    """Differentiate, compare, print."""
    loss, hyper = validation_loss(steps, flipped, seed)
    grads, value = torch.func.grad_and_value(loss)(hyper)
    print(f"validation loss after {steps} steps: {value.item():.6f}")
    row = int(grads["weight"].argmax())
    compared = {}
    for name, at in (("lr", 0), ("weight_decay", 0), ("weight", row)):
        found = grads[name].reshape(-1)[at].item()
        expected = difference(loss, hyper, name, at)
        compared[name] = [found, expected]
        label = f"{name}[{at}]" if name == "weight" else name
        print(f"d loss / d {label:<13} {found:+.9f}   by differences {expected:+.9f}")
    _, _, wrong = columns(flipped, seed)
    worst = grads["weight"].argsort(descending=True)[:flipped]
    caught = int(wrong[worst].sum())
    print(f"{caught} of the {flipped} rows whose weight should fall most have a flipped label")
    return {"loss": value.item(), "gradients": compared, "caught": caught, "flipped": flipped}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--flipped", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(main(options.steps, options.flipped, options.seed)))

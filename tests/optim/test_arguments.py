"""Arguments of rules: refused where torch refuses them, and in words that help."""

from typing import Any

import pytest
import torch

from artifact_fn import optim
from artifact_fn.errors import OptimError

OF_MOMENTS = ["lr", "eps", "weight_decay"]
NEGATIVE = {
    "SGD": ["lr", "momentum", "weight_decay"],
    "Adam": OF_MOMENTS,
    "AdamW": OF_MOMENTS,
    "NAdam": [*OF_MOMENTS, "momentum_decay"],
    "RAdam": OF_MOMENTS,
    "Adamax": OF_MOMENTS,
    "Adagrad": [*OF_MOMENTS, "lr_decay", "initial_accumulator_value"],
    "Adadelta": [*OF_MOMENTS, "rho"],
    "RMSprop": [*OF_MOMENTS, "alpha", "momentum"],
    "ASGD": ["lr", "weight_decay"],
    "Rprop": ["lr"],
    "Muon": ["lr", "weight_decay", "momentum"],
}
BAD: list[tuple[str, Any]] = [
    (name, {argument: -0.5}) for name, arguments in NEGATIVE.items() for argument in arguments
]
BAD += [
    (name, {"betas": betas})
    for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax")
    for betas in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, -0.1))
]
BAD += [
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("Adadelta", {"rho": 1.5}),
    ("Rprop", {"etas": (1.2, 1.5)}),
    ("Rprop", {"etas": (0.5, 0.9)}),
]


@pytest.mark.parametrize(("name", "options"), BAD, ids=str)
def test_what_torch_refuses_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        getattr(torch.optim, name)([torch.nn.Parameter(torch.eye(2))], **options)
    argument = next(iter(options))
    what = "a learning rate" if argument == "lr" else "beta" if argument == "betas" else argument
    with pytest.raises(OptimError, match=rf"(?i){what}.*; got .*; give"):
        getattr(optim, name.lower())(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.sgd(-0.1), r"a learning rate is a number from 0; got -0.1; give a finite"),
        (lambda: optim.adam(float("inf")), r"a learning rate is a number from 0; got inf"),
        (
            lambda: optim.adam("0.1"),  # type: ignore[arg-type]
            r"a learning rate is a number from 0; got '0.1'; give a finite number .* or a schedule",
        ),
        (lambda: optim.sgd(momentum=-1), r"momentum is not negative; got momentum=-1; give 0 or"),
        (
            lambda: optim.sgd(nesterov=True),
            r"Nesterov's method needs momentum and no dampening; got momentum=0.0, .*; give mom",
        ),
        (
            lambda: optim.adam(betas=(0.9, 1.0)),
            r"each beta lies in \[0, 1\); got betas=\(0.9, 1.0\); give e.g. 0.9, 0.999",
        ),
        (
            lambda: optim.adamw(weight_decay=float("nan")),
            r"weight_decay is not negative; got .*nan",
        ),
        (lambda: optim.adadelta(rho=1.5), r"rho lies in \[0, 1\]; got rho=1.5; give e.g. 0.9"),
        (
            lambda: optim.rprop(etas=(1.2, 0.5)),
            r"etas lie on both sides of 1; got etas=\(1.2, 0.5\); give e.g. 0.5, 1.2",
        ),
        (
            lambda: optim.rprop(optim.cosine(0.1, steps=3)),  # type: ignore[arg-type]
            r"rprop has no rate to schedule: .* size; got a schedule; give a number",
        ),
        (
            lambda: optim.rprop(step_sizes=(1.0, 0.1)),
            r"positive, the least before the greatest; got step_sizes=\(1.0, 0.1\); give e.g. 1e-6",
        ),
        (lambda: optim.lion(betas=(0.9, 1.0)), r"each beta lies in \[0, 1\); got betas"),
        (lambda: optim.lion(weight_decay=-1.0), r"weight_decay is not negative; got weight_d"),
        (lambda: optim.muon(ns_steps=100), r"ns_steps is below 100; got ns_steps=100; give e.g. 5"),
        (
            lambda: optim.muon(ns_coefficients=(1.0, 2.0)),  # type: ignore[arg-type]
            r"a quintic polynomial .* has 3 coefficients; got ns_coefficients=\(1.0, 2.0\); give",
        ),
        (
            lambda: optim.muon(adjust_lr_fn="none"),  # type: ignore[arg-type]
            r"adjusted to a matrix in one of two ways; got adjust_lr_fn='none'; give 'original' or",
        ),
    ],
)
def test_messages_help(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()

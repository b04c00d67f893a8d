"""Functional: a module as pure functions, against the module itself."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import random, tree
from artifact_fn.errors import ModelError
from artifact_fn.training import Model, functional

KEY = random.key(5)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 3)
    )


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 4)
        self.decode = nn.Linear(4, 4)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Any:
        return self.decode(torch.tanh(self.encode(x)))


class Shared(nn.Module):
    """One submodule reachable by two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first

    def forward(self, x: Tensor) -> Any:
        return self.again(torch.tanh(self.first(x)))


MODULES = {
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)), (5, 4)),
    "conv": (conv, (3, 2, 4, 4)),
    "layer norm": (lambda: nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2)), (5, 4)),
    "tied": (Tied, (5, 4)),
    "shared": (Shared, (5, 4)),
    "lstm": (lambda: nn.LSTM(4, 3, batch_first=True), (2, 6, 4)),
}


def first(outputs: Any) -> Tensor:
    found: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return found


@pytest.mark.parametrize(("build", "shape"), MODULES.values(), ids=MODULES.keys())
@pytest.mark.parametrize("training", [True, False])
def test_output_gradient_and_buffers_are_the_modules_own(
    build: Any, shape: tuple[int, ...], training: bool
) -> None:
    with torch.random.fork_rng():
        module = build()
    reference = copy.deepcopy(module).train(training)
    before = state_of(module)
    model = functional(module)
    params, buffers = model.init(0)
    inputs = random.normal(KEY, shape)

    def loss_of(params: dict[str, Tensor]) -> tuple[Tensor, Any]:
        outputs, after = model.apply(params, buffers, inputs, key=KEY, training=training)
        return first(outputs).square().sum(), (outputs, after)

    grads, (_loss, (outputs, after)) = torch.func.grad_and_value(loss_of, has_aux=True)(params)
    kept = {"params": params, "buffers": buffers, "inputs": inputs}
    snapshot = tree.map(torch.clone, kept)

    expected = reference(inputs)
    first(expected).square().sum().backward()
    torch.testing.assert_close(outputs, expected)
    theirs = {name: param.grad for name, param in reference.named_parameters()}
    torch.testing.assert_close(grads, theirs)
    torch.testing.assert_close(after, dict(reference.named_buffers()))
    assert tree.identical(kept, snapshot)
    assert tree.identical(state_of(module), before), "the user's module was touched"


def test_a_factory_draws_its_weights_from_the_seed() -> None:
    model = functional(lambda: nn.Linear(4, 3))
    assert model.seeded
    assert tree.identical(model.init(1), model.init(1))
    assert not tree.identical(model.init(1), model.init(2))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert tree.identical(model.init(1)[0], dict(nn.Linear(4, 3).named_parameters()))


def test_a_modules_weights_are_those_it_had() -> None:
    with torch.random.fork_rng():
        module = nn.Linear(4, 3)
    model = functional(module)
    assert not model.seeded
    before = model.init(0)
    with torch.no_grad():
        module.weight.zero_()
    assert tree.identical(model.init(0), before)
    assert tree.identical(model.init(7), before)
    assert not any(
        p is q for p, q in zip(model.init(0)[0].values(), before[0].values(), strict=True)
    )


def test_frozen_parameters_are_held_among_the_buffers() -> None:
    def build() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        module[0].requires_grad_(False)
        return module

    params, buffers = functional(build).init(0)
    assert set(params) == {"1.weight", "1.bias", "2.weight", "2.bias"}
    assert {"0.weight", "0.bias", "1.running_mean"} <= set(buffers)


def test_another_method_and_several_inputs() -> None:
    class Coder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Linear(2, 3)

        def forward(self, x: Tensor, shift: Tensor) -> Any:
            return self.up(x) + shift

        def encode(self, x: Tensor) -> Any:
            return self.up(x) * 2

    model = functional(Coder)
    params, buffers = model.init(0)
    x, shift = torch.ones(1, 2), torch.full((1, 3), 5.0)
    plain = F.linear(x, params["up.weight"], params["up.bias"])
    both, _ = model.apply(params, buffers, (x, shift), key=KEY, training=True)
    encoded, _ = model.apply(params, buffers, x, key=KEY, training=True, method="encode")
    torch.testing.assert_close(both, plain + 5)
    torch.testing.assert_close(encoded, plain * 2)


def dropped(model: Model, key: Tensor, inputs: Tensor) -> Tensor:
    outputs, _ = model.apply(*model.init(0), inputs, key=key, training=True)
    found: Tensor = outputs
    return found


@pytest.mark.parametrize(
    ("module", "shape", "per_feature"),
    [
        (nn.Dropout(0.4), (500, 8), 0),
        (nn.Dropout1d(0.4), (50, 80, 6), 2),
        (nn.Dropout1d(0.4), (900, 6), 1),
        (nn.Dropout2d(0.4), (50, 80, 3, 3), 2),
        (nn.Dropout2d(0.4), (50, 80, 3), 2),
        (nn.Dropout3d(0.4), (50, 80, 2, 2, 2), 2),
        (nn.Dropout3d(0.4), (900, 2, 2, 2), 1),
    ],
    ids=str,
)
def test_keyed_dropout_drops_as_torch_does(
    module: nn.Module, shape: tuple[int, ...], per_feature: int
) -> None:
    model, inputs = functional(module), torch.ones(shape)
    out = dropped(model, KEY, inputs)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(1 / 0.6).item()}
    assert (out == 0).float().mean().item() == pytest.approx(0.4, abs=0.05)
    if per_feature:
        rows = out.flatten(per_feature)
        assert torch.equal(rows, rows[..., :1].expand_as(rows)), "features drop whole"
    assert torch.equal(out, dropped(model, KEY, inputs))
    assert not torch.equal(out, dropped(model, random.key(6), inputs))
    kept, _ = model.apply(*model.init(0), inputs, key=KEY, training=False)
    assert torch.equal(kept, inputs)


@pytest.mark.parametrize("module", [nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)], ids=str)
def test_alpha_dropout_keeps_mean_and_variance_and_torchs_values(module: nn.Module) -> None:
    inputs = random.normal(random.key(8), (200, 300))
    out = dropped(functional(module), KEY, inputs)
    assert out.mean().item() == pytest.approx(0.0, abs=0.03)
    assert out.std().item() == pytest.approx(1.0, abs=0.03)
    with torch.random.fork_rng():
        theirs = module.train()(torch.ones(100, 100)).unique()
    ours = dropped(functional(module), KEY, torch.ones(100, 100)).unique()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_and_of_everything(p: float) -> None:
    for module in (nn.Dropout(p), nn.AlphaDropout(p)):
        out = dropped(functional(module), KEY, torch.ones(7))
        assert out.tolist() == [1.0 - p] * 7


def test_dropouts_of_one_model_and_calls_of_one_dropout_draw_apart() -> None:
    apart = functional(nn.ModuleDict({"a": nn.Dropout(0.5), "b": nn.Dropout(0.5)}))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Dropout(0.5), nn.Dropout(0.5)
            self.c = self.a

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return self.a(x), self.b(x), self.c(x)

    assert apart.init(0) == ({}, {})
    masks, _ = functional(Twice).apply({}, {}, torch.ones(64), key=KEY, training=True)
    assert len({tuple(mask.tolist()) for mask in masks}) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: functional(3), r"made from an nn.Module or a function that builds one; got int"),  # type: ignore[arg-type]
        (lambda: functional(lambda: 3), r"a factory builds an nn.Module; got int; return"),  # type: ignore[arg-type,return-value]
    ],
)
def test_what_is_no_module_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    class Locked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = (i for i in range(3))

    with pytest.raises(ModelError, match=r"a Locked could not be copied; got TypeError: .*; hold"):
        functional(Locked)


def test_a_factory_that_builds_something_else_each_time_is_refused() -> None:
    sizes = iter([3, 4])
    model = functional(lambda: nn.Linear(2, next(sizes)))
    with pytest.raises(ModelError, match=r"same architecture every time; got .* at bias, weight"):
        model.init(0)

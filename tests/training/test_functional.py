"""Functional: a module as pure functions, against the module itself."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from artifact_fn import random, tree
from artifact_fn.errors import ModelError
from artifact_fn.training import Arguments, Model, functional
from tests.training.modules import MODULES

KEY = random.key(5)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def first(outputs: Any) -> Tensor:
    return torch.as_tensor(next(x for x in tree.leaves(outputs) if x.is_floating_point()))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("build", "inputs"), MODULES.values(), ids=MODULES.keys())
def test_output_gradient_and_buffers_are_the_modules_own(
    build: Any, inputs: Any, training: bool
) -> None:
    with torch.random.fork_rng():
        module = build()
    reference = copy.deepcopy(module).train(training)
    before = state_of(module)
    model = functional(module)
    params, buffers = model.init(0)
    given = (
        inputs
        if isinstance(inputs, Arguments)
        else Arguments(inputs if isinstance(inputs, tuple) else (inputs,), {})
    )

    def loss_of(params: dict[str, Tensor]) -> tuple[Tensor, Any]:
        outputs, after = model.apply(params, buffers, inputs, key=KEY, training=training)
        return first(outputs).square().sum(), (outputs, after)

    kept = {"params": params, "buffers": buffers, "inputs": tree.leaves(inputs)}
    snapshot = tree.map(torch.clone, kept)
    if params:
        grads, (_, (outputs, after)) = torch.func.grad_and_value(loss_of, has_aux=True)(params)
    else:
        grads, (outputs, after) = {}, loss_of(params)[1]
    assert tree.identical(kept, snapshot), "an argument was changed"

    expected = reference(*given.args, **given.kwargs)
    if params:
        first(expected).square().sum().backward()
    torch.testing.assert_close(tree.leaves(outputs), tree.leaves(expected))
    assert list(grads) == [name for name, _ in reference.named_parameters()]
    for name, param in reference.named_parameters():
        torch.testing.assert_close(grads[name], param.grad)
    torch.testing.assert_close(after, dict(reference.named_buffers()))
    assert tree.identical(state_of(module), before), "the user's module was touched"


def test_the_table_is_long_enough() -> None:
    assert len(MODULES) >= 60


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


@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input:UserWarning")
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
    "options",
    [
        {},
        {"batch_first": True},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"bias": False},
        {"kdim": 6, "vdim": 5},
    ],
    ids=str,
)
def test_keyed_attention_is_torchs_but_for_its_masks(options: dict[str, Any]) -> None:
    """With almost nothing dropped it must equal a module that drops nothing."""
    with torch.random.fork_rng():
        module = nn.MultiheadAttention(8, 2, dropout=0.0, **options)
    sizes = (8, options.get("kdim", 8), options.get("vdim", 8))
    rows = (3, 4) if options.get("batch_first") else (4, 3)
    inputs = tuple(random.normal(random.key(i), (*rows, size)) for i, size in enumerate(sizes))
    masks: list[dict[str, Any]] = [
        {},
        {"attn_mask": torch.ones(4, 4, dtype=torch.bool).triu(1)},
        {"attn_mask": random.normal(KEY, (6, 4, 4)), "average_attn_weights": False},
        {"key_padding_mask": torch.tensor([[False] * 3 + [True]] * 3)},
        {"need_weights": False},
    ]
    expected = [module(*inputs, **mask) for mask in masks]
    module.dropout = 1e-12
    model = functional(module)
    for mask, theirs in zip(masks, expected, strict=True):
        ours, _ = model.apply(*model.init(0), Arguments(inputs, mask), key=KEY, training=True)
        torch.testing.assert_close(ours, theirs)
    single = tuple(x[:, 0] if not options.get("batch_first") else x[0] for x in inputs)
    ours, _ = model.apply(*model.init(0), single, key=KEY, training=True)
    torch.testing.assert_close(ours, module.eval()(*single))


def test_attention_dropout_is_keyed_inside_a_transformer_layer() -> None:
    model = functional(lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True))
    params, buffers = model.init(0)
    inputs = random.normal(KEY, (3, 5, 8))

    def out(key: Tensor) -> Tensor:
        outputs, _ = model.apply(params, buffers, inputs, key=key, training=True)
        return torch.as_tensor(outputs)

    assert torch.equal(out(KEY), out(KEY))
    assert not torch.equal(out(KEY), out(random.key(9)))


def test_attention_weights_are_dropped_and_rescaled() -> None:
    model = functional(lambda: nn.MultiheadAttention(8, 2, dropout=0.4))
    inputs = (random.normal(KEY, (60, 20, 8)),) * 3
    call = Arguments(inputs, {"average_attn_weights": False})
    (_, weights), _ = model.apply(*model.init(0), call, key=KEY, training=True)
    assert (weights == 0).float().mean().item() == pytest.approx(0.4, abs=0.01)
    assert weights.sum(-1).mean().item() == pytest.approx(1.0, abs=0.01)


class Sampling(nn.Module):
    """Draws with a key, in forward and in another method."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, key: Tensor) -> Any:
        return self.linear(x) + random.normal(key, x.shape)

    def sample(self, rows: Tensor, *, key: Tensor) -> Any:
        return random.uniform(key, rows.shape)


def test_a_module_that_takes_a_key_is_given_one() -> None:
    model = functional(Sampling)
    start, inputs = model.init(0), torch.zeros(3, 4)
    for training in (True, False):
        for method in ("forward", "sample"):
            one, again, other = (
                model.apply(*start, inputs, key=key, training=training, method=method)[0]
                for key in (KEY, KEY, random.key(1))
            )
            assert torch.equal(one, again)
            assert not torch.equal(one, other)
    given, _ = model.apply(*start, (inputs, KEY), key=random.key(1), training=True)
    torch.testing.assert_close(
        given,
        functional(Sampling).apply(
            *start, Arguments((inputs,), {"key": KEY}), key=KEY, training=True
        )[0],
    )


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_lazy_module_finds_its_shapes_from_an_example() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.LazyLinear(2))

    model = functional(build, example=torch.zeros(3, 4))
    params, buffers = model.init(1)
    assert params["0.weight"].shape == (5, 4)
    assert buffers["1.num_batches_tracked"].item() == 0
    outputs, _ = model.apply(params, buffers, torch.ones(3, 4), key=KEY, training=True)
    assert outputs.shape == (3, 2)
    with pytest.raises(ModelError, match=r"0.weight has no shape yet; got .*; pass an example"):
        functional(build)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: nn.Sequential(nn.Embedding(3, 2, max_norm=1.0)),
            r"0 rescales its weights in place at every call; got max_norm=1.0; leave max_norm out",
        ),
        (
            lambda: nn.EmbeddingBag(3, 2, max_norm=1.0),
            r"EmbeddingBag rescales its weights in place",
        ),
    ],
)
def test_modules_that_cannot_be_pure_are_refused_with_the_fix(build: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        functional(build)


def test_a_module_with_a_generator_is_refused() -> None:
    class Owner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = torch.Generator()

    with pytest.raises(ModelError, match=r"Owner.generator draws from a generator; got a torch.Ge"):
        functional(Owner)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: functional(3), r"made from an nn.Module or a function that builds one; got int"),  # type: ignore[call-overload]
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


class Last(nn.Module):
    """The outputs of a recurrent layer, without its state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_dropout_between_recurrent_layers_is_keyed(kind: Any) -> None:
    with torch.random.fork_rng():
        layer = kind(4, 3, num_layers=3, dropout=0.5)
    model = functional(Last(layer))
    start, x = model.init(0), random.normal(KEY, (6, 2, 4))

    def out(key: Tensor, training: bool) -> Tensor:
        outputs: Tensor = model.apply(*start, x, key=key, training=training)[0]
        return outputs

    assert torch.equal(out(KEY, True), out(KEY, True))
    assert not torch.equal(out(KEY, True), out(random.key(9), True))
    assert torch.equal(out(KEY, False), layer.eval()(x)[0])


def test_packed_sequences_go_through_recurrent_layers() -> None:
    with torch.random.fork_rng():
        layer = nn.LSTM(4, 3, num_layers=2, bidirectional=True)
    x = random.normal(KEY, (6, 3, 4))
    packed = pack_padded_sequence(x, torch.tensor([2, 6, 3]), enforce_sorted=False)
    expected, (hidden, cell) = layer(packed)
    model = functional(layer)
    (found, states), _ = model.apply(*model.init(0), (packed,), key=KEY, training=True)
    assert torch.equal(found.data, expected.data)
    assert torch.equal(states[0], hidden)
    assert torch.equal(states[1], cell)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.LSTM(4, 3, 2, bidirectional=True),
        lambda: nn.LSTM(4, 5, proj_size=2, batch_first=True),
        lambda: nn.GRU(4, 3, bias=False),
        lambda: nn.RNN(4, 3, nonlinearity="relu"),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_traced_recurrent_layer_is_the_kernel_to_rounding(build: Any) -> None:
    with torch.random.fork_rng():
        module = build()
    model = functional(module)
    start, x = model.init(0), random.normal(KEY, (5, 2, 4))

    def outputs(params: Any, x: Tensor) -> Any:
        return model.apply(params, start[1], x, key=KEY, training=True)[0]

    traced = torch.compile(outputs, backend="eager", fullgraph=True)(start[0], x)
    for ours, theirs in zip(tree.leaves(traced), tree.leaves(module(x)), strict=True):
        torch.testing.assert_close(ours, theirs)

"""Taps: what they say is what plain torch says, of each module and parameter by itself."""

import math
from typing import Any

import attrs
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from artifact_fn import optim, random, tree
from artifact_fn.errors import MetricError, ModelError, ObjectiveError
from artifact_fn.training import (
    TrainState,
    diagnostics,
    epochs,
    evaluation,
    functional,
    metrics,
    objective,
    reducers,
    sequence,
    supervised,
    taps,
    train_step,
)
from artifact_fn.training.diagnostics import observed
from artifact_fn.training.distribution import counted, density, edges, quantile, share_of_zeros
from artifact_fn.training.statistics import answers, merge
from tests.training.examples import columns, loader, parts

KEPT = [
    reducers.mean(),
    reducers.std(),
    reducers.norm(),
    reducers.zeros(),
    reducers.histogram(),
]


class Net(nn.Module):
    """A convolution called twice, an activation that writes in place, two modules of one class."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True))
        self.lstm = nn.LSTM(8, 5, batch_first=True)
        self.head, self.unused = nn.Linear(5, 3), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, 4, 4] to [B, 3]."""
        hidden = self.body(self.body(self.stem(x)))
        return self.head(self.lstm(hidden.reshape(len(x), 4, 8))[0][:, -1])  # type: ignore[no-any-return]


def images(rows: int = 6) -> dict[str, Tensor]:
    x = random.normal(random.key(3), (rows, 1, 4, 4))
    return {"x": x, "y": torch.arange(rows) % 3}


def in_torch(
    state: TrainState, batch: dict[str, Tensor]
) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]], dict[str, Tensor]]:
    """Outputs and gradients at outputs by module, gradients by parameter; by torch's own hooks."""
    with torch.random.fork_rng():
        module = Net()
    module.load_state_dict(state.params, strict=True)
    outputs: dict[str, list[Tensor]] = {}
    grads: dict[str, list[Tensor]] = {}
    for path, part in module.named_modules():

        def hook(_: nn.Module, __: Any, output: Any, path: str = path) -> None:
            first = output[0] if isinstance(output, tuple) else output
            outputs.setdefault(path, []).append(first.detach().clone())
            first.register_hook(lambda grad: grads.setdefault(path, []).append(grad))

        part.register_forward_hook(hook)
    F.cross_entropy(module(batch["x"]), batch["y"]).backward()
    of_params = {path: p.grad for path, p in module.named_parameters() if p.grad is not None}
    return outputs, grads, of_params


def told(step: Any, state: TrainState, batch: Any) -> dict[str, Any]:
    _, found = step(state, batch)
    scores, arrays = answers(found)
    return {**scores, **arrays}


def test_outputs_and_gradients_are_those_of_torchs_hooks() -> None:
    model = functional(Net)
    rule = optim.sgd(0.1)
    state, batch = TrainState.create(model, rule, seed=0), images()
    step = observed(
        train_step(supervised(model, F.cross_entropy), rule),
        [
            taps.activations(model, reduce=KEPT),
            taps.activation_gradients(model, reduce=KEPT),
            taps.gradients(reduce=KEPT),
            taps.gradient_norms(),
            taps.dead_units(model),
        ],
        state,
        batch,
    )
    found = told(step, state, batch)
    outputs, grads, of_params = in_torch(state, batch)
    ours = {name.split("/")[1] for name in found if name.startswith("activations/")}
    assert ours == {"stem", "body.0", "body.1", "lstm", "head"}
    for kind, theirs in (("activations", outputs), ("activation_gradients", grads)):
        for path in ours:
            whole = torch.cat([part.reshape(-1) for part in theirs[path]]).double()
            at = f"{kind}/{path}"
            assert found[f"{at}/mean"] == pytest.approx(float(whole.mean()), rel=1e-5, abs=1e-8)
            assert found[f"{at}/std"] == pytest.approx(float(whole.std(correction=0)), rel=1e-4)
            assert found[f"{at}/zeros"] == pytest.approx(float((whole == 0).double().mean()))
            sizes = [float(part.norm()) for part in theirs[path]]
            assert found[f"{at}/norm"] == pytest.approx(np.mean(sizes), rel=1e-5)
            assert found[f"{at}/histogram"].sum() == len(whole)
    assert len(outputs["body.0"]) == 2, "called twice, and counted twice"
    for path, grad in of_params.items():
        if not path.startswith("unused"):
            assert found[f"gradients/{path}/norm"] == pytest.approx(float(grad.norm()), rel=1e-5)
    layer = torch.cat([of_params["head.weight"].reshape(-1), of_params["head.bias"]])
    assert found["gradient_norm/head"] == pytest.approx(float(layer.norm()), rel=1e-5)
    silent = torch.cat(outputs["body.1"]).abs().amax((0, 2, 3)) == 0
    assert found["dead_units/body.1"] == pytest.approx(float(silent.float().mean()))


def test_taps_change_no_bit_of_a_step() -> None:
    model = functional(Net)
    rule = optim.adamw(1e-2)
    state, batch = TrainState.create(model, rule, seed=0), images()
    plain = train_step(supervised(model, F.cross_entropy), rule, accumulate=2)
    watched = observed(
        plain,
        [
            taps.activations(model, reduce=[*KEPT, reducers.sample(8), reducers.largest()]),
            taps.activation_gradients(model),
            taps.gradients(),
            taps.update_ratios(),
            metrics.accuracy(),
        ],
        state,
        batch,
    )
    after, _ = plain(state, batch)
    seen, found = watched(state, batch)
    assert tree.identical(after, seen)
    assert found["activations/stem/histogram"].answer().sum() == 6 * 2 * 16


def test_update_ratios_are_of_the_step_that_is_taken() -> None:
    p = parts(optim.sgd(0.5))
    batch = columns(6)
    step = observed(p.step, [taps.update_ratios("4*")], p.state, batch)
    after, _ = step(p.state, batch)
    found = told(step, p.state, batch)
    moved = [after.params[path] - p.state.params[path] for path in ("4.weight", "4.bias")]
    size = [p.state.params[path] for path in ("4.weight", "4.bias")]
    norms = [math.sqrt(sum(float(leaf.square().sum()) for leaf in part)) for part in (moved, size)]
    assert found["update_ratio/4"] == pytest.approx(norms[0] / norms[1], rel=1e-5)
    assert not [name for name in found if name.startswith("update_ratio/") and "4" not in name]


def test_each_step_of_a_sequence_tells_under_its_name() -> None:
    model, rule = functional(Net), optim.sgd(0.1)
    state = TrainState.create(model, {"a": rule, "b": rule}, seed=0)
    loss = supervised(model, F.cross_entropy)
    step = sequence(
        train_step(loss, rule, name="a"), train_step(loss, rule, name="b", only="head/*")
    )
    watched = observed(step, [taps.gradient_norms()], state, images())
    found = told(watched, state, images())
    assert {"a/gradient_norm/stem", "a/gradient_norm/head", "b/gradient_norm/head"} <= set(found)
    assert "b/gradient_norm/stem" not in found
    assert tree.identical(watched(state, images())[0], step(state, images())[0])


def test_an_evaluation_watches_outputs_in_evaluation_mode() -> None:
    p = parts()
    plain = evaluation("val", p.objective, loader(10, 4))
    routine = evaluation(
        "val",
        p.objective,
        loader(10, 4),
        metrics=[metrics.metric("size", lambda outputs, batch: outputs.abs().sum(1))],
        taps=[taps.activations(p.model, "3", reduce=[reducers.zeros()])],
    )
    scores, _ = routine.prepare(lambda step: step, p.state).run(p.state)
    bare, _ = plain.prepare(lambda step: step, p.state).run(p.state)
    assert set(scores) - set(bare) == {"val/size", "val/activations/3/zeros"}
    assert {name: scores[name] for name in bare} == bare
    x = columns(10)["x"]
    with torch.no_grad():
        given = {**p.state.params, **p.state.buffers}
        hidden = F.linear(x, given["0.weight"], given["0.bias"])
        hidden = (hidden - given["1.running_mean"]) / (given["1.running_var"] + 1e-5).sqrt()
        share = float(
            (torch.relu(hidden * given["1.weight"] + given["1.bias"]) == 0).float().mean()
        )
    assert scores["val/activations/3/zeros"] == pytest.approx(share), "dropout is off"


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), min_size=2, max_size=5
    )
)
def test_what_is_kept_of_parts_merges_to_what_is_kept_of_the_whole(
    values: list[list[float]],
) -> None:
    tensors = [torch.tensor(part).reshape(-1, 1) for part in values]
    whole = torch.cat(tensors)
    for reducer in [*KEPT, reducers.largest(), reducers.silent()]:
        if reducer.name == "norm":
            continue  # a mean over steps, which are what is merged
        merged = merge([{"a": reducer.reduce(part, random.key(0))} for part in tensors])[
            "a"
        ].answer()
        expected = reducer.reduce(whole, random.key(0)).answer()
        scale = float(whole.abs().max()) * 1e-3 + 1e-6
        assert torch.allclose(merged.double(), expected.double(), rtol=1e-4, atol=scale)


def test_a_sample_is_of_what_was_there_and_the_same_again() -> None:
    parts_ = [random.normal(random.key(i), (40,)) for i in range(5)]
    draw = reducers.sample(16)
    found = [{"a": draw.reduce(part, random.key(i))} for i, part in enumerate(parts_)]
    sample = merge(found)["a"].answer()
    assert torch.equal(sample, merge(found[::-1])["a"].answer())
    whole = set(torch.cat(parts_).tolist())
    assert sample.shape == (16,)
    assert set(sample.tolist()) <= whole
    few = draw.reduce(torch.tensor([-1.5, 2.0]), random.key(0)).answer()
    assert few[~few.isnan()].tolist() == [-1.5, 2.0]
    means = [
        float(draw.reduce(torch.arange(1000.0), random.key(seed)).answer().mean())
        for seed in range(30)
    ]
    assert abs(np.mean(means) - 499.5) < 60, "no part of the tensor is preferred"


def test_a_histogram_places_every_number() -> None:
    x = torch.tensor([0.0, -0.0, 1.0, 1.2, -3.0, 1e-12, 1e30, math.inf, math.nan])
    counts = counted(x).answer().numpy()
    borders = edges()
    assert counts.sum() == len(x) - 1
    for value in (1.0, 1.2, -3.0):
        at = np.flatnonzero((borders[:-1] <= value) & (value <= borders[1:]) & (counts > 0))
        assert len(at) > 0
        assert borders[at[0] + 1] - borders[at[0]] <= abs(value) / 8 + 1e-9
    assert share_of_zeros(counts) == pytest.approx(2 / 8)
    normal = counted(random.normal(random.key(0), (20_000,))).answer().numpy()
    assert quantile(normal, 0.5) == pytest.approx(0.0, abs=0.05)
    assert quantile(normal, 0.975) == pytest.approx(1.96, abs=0.15)
    ends, found = density(normal, -4.0, 4.0, bins=40)
    assert (found * np.diff(ends)).sum() == pytest.approx(1.0, abs=0.01)
    centres = (ends[:-1] + ends[1:]) / 2
    assert np.abs(found - np.exp(-(centres**2) / 2) / math.sqrt(2 * math.pi)).max() < 0.05


def test_a_histogram_places_every_pattern_of_bits() -> None:
    drawn = random.bits(random.key(0), (100_000,)).view(torch.int32)
    rare = torch.tensor([0, -(2**31), 1, -(2**31) + 1, 0x7F800000, -0x800000], dtype=torch.int32)
    x = torch.cat([drawn, drawn & (0x800FFFFF - 2**32), rare]).view(torch.float32)
    x = torch.where(x.isnan(), math.nan, x)  # as arithmetic makes them: of others no bit is sure
    numbers = x[~x.isnan()].numpy().astype(np.float64)
    side = edges()[258:]
    place = np.clip(np.searchsorted(side, np.abs(numbers), "right") - 1, 0, 256)
    bins = np.where(numbers < 0, 256 - place, 258 + place)
    expected = np.bincount(np.where(numbers == 0, 257, bins), minlength=515)
    assert counted(x).answer().tolist() == expected.tolist()
    assert int(counted(x).counts[-1]) == int(x.isnan().sum())
    halves = torch.vmap(lambda half: counted(half).counts)(x.reshape(2, -1))
    assert torch.equal(halves.sum(0), counted(x).counts)
    assert int(counted(x[:0]).counts.sum()) == 0


def _wrong(kind: str) -> Any:
    p = parts()
    batch = columns(6)
    other = functional(Net)
    if kind == "pattern":
        return taps.activations(p.model, "layers/*")
    if kind == "functions":
        return taps.activations(attrs.evolve(p.model, template=None))
    if kind == "nothing kept":
        return taps.activations(p.model, reduce=[])
    if kind == "twice kept":
        return taps.gradients(reduce=[reducers.mean(), reducers.mean()])
    if kind == "other model":
        return observed(p.step, [taps.activations(other)], p.state, batch)
    if kind == "sample of gradients":
        tap = taps.activation_gradients(p.model, reduce=[reducers.sample()])
        return observed(p.step, [tap], p.state, batch)
    if kind == "two of one name":
        return observed(
            p.step, [taps.activations(p.model), taps.activations(p.model)], p.state, batch
        )
    if kind == "own step":
        return observed(lambda state, batch: (state, {}), [taps.gradient_norms()], p.state, batch)
    if kind == "rows by themselves":
        step = train_step(p.objective, optim.sgd(0.1), clip_rows=1.0)
        return observed(step, [taps.activations(p.model)], p.state, batch)
    if kind == "no tap":
        return diagnostics()
    if kind == "no taps":
        return diagnostics("activations")  # type: ignore[arg-type]
    if kind == "no batch":
        return diagnostics(taps.gradient_norms(), steps=0)
    if kind == "units":
        return observed(p.step, [taps.dead_units(p.model, dim=3)], p.state, batch)
    if kind == "gradients of an evaluation":
        return evaluation(
            "val", p.objective, loader(8, 4), taps=[taps.activation_gradients(p.model)]
        )
    if kind == "other model of an evaluation":
        routine = evaluation("val", p.objective, loader(8, 4), taps=[taps.activations(other)])
        return routine.prepare(lambda step: step, p.state)
    if kind == "metric of the objective's name":
        return observed(p.step, [metrics.accuracy()], p.state, batch)(p.state, batch)
    if kind == "sample of none":
        return reducers.sample(0)
    if kind == "threshold":
        return reducers.silent(threshold=-1.0)
    two = [diagnostics(taps.gradient_norms()), diagnostics(taps.gradient_norms(), every=2)]
    return epochs(p.step, p.state, loader(8, 4), routines=two)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (
            "pattern",
            ModelError,
            "no module matches 'layers/\\*'; got modules , 0, 1, 2, 3, 4; give",
        ),
        ("functions", ModelError, "pass the model that functional"),
        ("nothing kept", MetricError, "got reducers none; pass reduce="),
        ("twice kept", MetricError, "got reducers mean, mean; pass"),
        ("other model", ModelError, "the tap 'activations' sees nothing; .* tap other modules"),
        ("sample of gradients", MetricError, "joined by min; reduce them to mean, std"),
        ("two of one name", MetricError, "two taps would answer 'activations/0/mean'; .* name of"),
        (
            "own step",
            ObjectiveError,
            "ride on a step that train_step has made.* got function; make",
        ),
        (
            "rows by themselves",
            ObjectiveError,
            "got clip_rows=1.0 and the tap 'activations'; watch",
        ),
        ("no tap", MetricError, "diagnostics watch something; got no tap; pass"),
        ("no taps", MetricError, "diagnostics watch taps and metrics; got str; pass"),
        ("units", MetricError, "along dimension 3; got outputs of shape .6, 8.; give"),
        ("gradients of an evaluation", MetricError, "leave taps of gradients to diagnostics"),
        ("other model of an evaluation", ModelError, "sees nothing"),
        ("metric of the objective's name", MetricError, "two metrics would be called 'accuracy'"),
        ("sample of none", MetricError, "a sample has at least 1 place; got 0; give"),
        ("threshold", MetricError, "a threshold is a magnitude; got -1.0; give"),
        ("no batch", MetricError, "watch at least 1 batch of an epoch; got steps=0; give"),
        ("two routines", MetricError, "two routines would keep 'gradient_norm/0' of .* names of"),
    ],
)
def test_what_cannot_be_watched_is_refused(kind: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _wrong(kind)


def test_an_objective_that_hands_its_parameters_on_by_itself() -> None:
    """The taps reach a model however it is called, as long as the parameters are handed on."""
    model, rule = functional(Net), optim.sgd(0.1)
    state, batch = TrainState.create(model, rule, seed=0), images()

    def evaluate(params: Any, buffers: Any, batch: Any, key: Tensor, training: bool) -> Any:
        one, buffers = model.apply(params, buffers, batch["x"], key=key, training=training)
        two, buffers = model.apply(params, buffers, -batch["x"], key=key, training=training)
        return F.cross_entropy(one - two, batch["y"]), one, buffers

    step = observed(
        train_step(objective(evaluate), rule), [taps.activations(model, "head")], state, batch
    )
    assert told(step, state, batch)["activations/head/histogram"].sum() == 6 * 3 * 2 - 0

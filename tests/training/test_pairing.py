"""Pairing: what the checkers cannot see is said when a workflow is made, or at the first batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NotRequired, Required, TypedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import ReadOnly

import artifact_fn as af
from artifact_fn import optim, random, tree
from artifact_fn.errors import ArtifactFnError, DataError, MetricError, ModelError, ObjectiveError
from artifact_fn.testing import check_step
from artifact_fn.training import Declared, Workflow, cuts, functional, on, typed
from artifact_fn.training.declared import declared, reads, required
from artifact_fn.training.statistics import answers

if TYPE_CHECKING:
    from tests.typing.programs.world import Logits as Unseen


class X(af.ModelInput):
    x: Tensor


class XY(X):
    y: Tensor


class XMask(X):
    mask: Tensor


class Logits(af.ModelOutput):
    logits: Tensor


class Hidden(Logits):
    hidden: Tensor


class Partly(TypedDict, total=False):
    x: Required[Tensor]
    y: ReadOnly[Tensor]
    mask: ReadOnly[NotRequired[Tensor]]
    weight: ReadOnly[Required[Tensor]]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.drop, self.head = nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, inputs: X) -> Hidden:
        hidden = self.drop(torch.relu(self.body(inputs["x"])))
        return {"hidden": hidden, "logits": self.head(hidden)}


class Masked(Net):
    def forward(self, inputs: XMask) -> Hidden:  # type: ignore[override]
        hidden = self.body(inputs["x"] * inputs["mask"])
        return {"hidden": hidden, "logits": self.head(hidden)}


class Forgetful(Net):
    def forward(self, inputs: X) -> Hidden:
        return {"logits": self.head(self.body(inputs["x"]))}  # type: ignore[typeddict-item]


class Only(Net):
    def forward(self, inputs: X) -> Logits:  # type: ignore[override]
        return {"logits": self.head(self.body(inputs["x"]))}


class Bare(Net):
    def forward(self, inputs: X) -> Hidden:
        return self.head(self.body(inputs["x"]))  # type: ignore[no-any-return]


class Hinted(Net):
    def forward(self, inputs: X) -> Unseen:  # type: ignore[override]
        return {"logits": self.head(self.body(inputs["x"]))}


def cross_entropy(inputs: XY, outputs: Logits) -> Tensor:
    return F.cross_entropy(outputs["logits"], inputs["y"])


def size(inputs: X, outputs: Hidden) -> Tensor:
    return outputs["hidden"].square().mean()


def right(inputs: XY, outputs: Logits) -> Tensor:
    return outputs["logits"].argmax(1) == inputs["y"]


def of_mask(inputs: XMask, outputs: Logits) -> Tensor:
    return inputs["mask"].mean(1)


def batch(rows: int = 10, *names: str) -> dict[str, Tensor]:
    x = random.normal(random.key(3), (rows, 3))
    every = {"x": x, "y": (x[:, 0] > 0).to(torch.int64)}
    return {name: every[name] for name in names or ("x", "y")}


LOADER = af.Loader(af.Table(batch()), batch_size=4)
TRAIN = LOADER.typed(XY)
OPTIMIZER = af.optim.sgd(0.1)


def workflow(net: type[Net] = Net) -> Workflow[XY, Hidden]:
    return on(TRAIN).fit(functional(net)).minimise(cross_entropy).measure(accuracy=right)


def test_a_workflow_is_the_untyped_way_with_types() -> None:
    """Same losses, same metrics, same parameters, bit for bit."""
    step, state = workflow().step(OPTIMIZER), workflow().state(OPTIMIZER, seed=0)
    model = functional(Net)
    accuracy = af.metrics.metric("accuracy", lambda o, b: o["logits"].argmax(1) == b["y"])
    objective = af.supervised(
        model, lambda o, y: F.cross_entropy(o["logits"], y), inputs=None, metrics=[accuracy]
    )
    other = af.train_step(objective, OPTIMIZER)
    start = af.TrainState.create(model, OPTIMIZER, seed=0)
    assert tree.identical(start, state)
    for typed_cut, cut in zip(cuts(step, state, TRAIN), cuts(other, start, LOADER), strict=True):
        assert tree.identical(typed_cut.state, cut.state)
        assert answers(typed_cut.metrics)[0] == answers(cut.metrics)[0]


def test_its_step_keeps_the_laws() -> None:
    made = workflow()
    check_step(made.step(OPTIMIZER), made.state(OPTIMIZER, seed=0), batch(), compile=False)


def test_losses_add_and_are_measured_by_name() -> None:
    pairing = on(TRAIN).fit(functional(Net))
    alone = answers_of(pairing.minimise(cross_entropy))
    both = answers_of(pairing.minimise(cross_entropy, size))
    named = answers_of(pairing.minimise(truth=cross_entropy, width=size))
    assert list(alone) == ["loss", "lr", "grad_norm"]
    assert list(both) == ["loss", "cross_entropy", "size", "lr", "grad_norm"]
    assert both["loss"] == pytest.approx(both["cross_entropy"] + both["size"], rel=1e-6)
    assert both["cross_entropy"] == alone["loss"]
    assert (named["truth"], named["width"]) == (both["cross_entropy"], both["size"])


def answers_of(made: Workflow[XY, Hidden]) -> dict[str, float]:
    _, metrics = made.step(OPTIMIZER)(made.state(OPTIMIZER, seed=0), next(TRAIN.batches(None, 1)))
    return answers(metrics)[0]


def test_a_workflow_is_a_value() -> None:
    before = on(TRAIN).fit(functional(Net)).minimise(cross_entropy)
    assert before.measure(accuracy=right).measure(again=right).metrics.keys() == {
        "accuracy",
        "again",
    }
    assert before.metrics == {}


class Stream:
    """A source that is not in memory."""

    steps = 1

    def batches(self, key: Any, epoch: int, start: int = 0) -> Iterator[Mapping[str, Any]]:
        yield from [batch(4, "x")][start:]


def first_step(source: Any, net: type[Net] = Net, **metrics: Any) -> None:
    made: Any = on(typed(source, X)).fit(functional(net)).minimise(size).measure(**metrics)
    made.step(OPTIMIZER)(made.state(OPTIMIZER, seed=0), next(source.batches(None, 1)))


UNTYPED: Any = functional(lambda: nn.Sequential(nn.Linear(3, 2)))
PAIRING: Any = on(TRAIN).fit(functional(Net))
ONLY_X: Any = af.Loader(af.Table(batch(10, "x")), 4)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: LOADER.typed(XMask),
            DataError,
            r"the type XMask reads the column 'mask', .* got columns 'x', 'y'; add the column",
        ),
        (
            lambda: LOADER.typed(dict),  # type: ignore[type-var]
            DataError,
            r"the type of a batch is a TypedDict; got <class 'dict'>; write class XY\(ModelInput\)",
        ),
        (
            lambda: on(TRAIN).fit(UNTYPED),
            ModelError,
            r"whose forward declares its types; got one that declares none; write forward\(self, ",
        ),
        (
            lambda: on(TRAIN).fit(functional(Masked)),  # type: ignore[arg-type]
            DataError,
            r"Masked\.forward reads the column 'mask', which .* got columns 'x', 'y'; add the ",
        ),
        (
            lambda: PAIRING.minimise(of_mask),
            DataError,
            r"the loss 'of_mask' reads the column 'mask', which the batches do not hold; got",
        ),
        (
            lambda: on(TRAIN).fit(functional(Only)).minimise(size),  # type: ignore[arg-type]
            ObjectiveError,
            r"the loss 'size' reads the output 'hidden', which the model does not declare; got "
            r"outputs 'logits'; read another output",
        ),
        (lambda: PAIRING.minimise(), ObjectiveError, r"minimises something; got no loss; give at"),
        (
            lambda: PAIRING.minimise(0.5),
            ObjectiveError,
            r"a loss is a function of \(inputs, outputs\); got float=0.5; pass a function",
        ),
        (
            lambda: PAIRING.minimise(size, size),
            ObjectiveError,
            r"has a name of its own; got 'size' without one, or twice; name it: minimise\(size=",
        ),
        (
            lambda: PAIRING.minimise(size, lambda i, o: o["hidden"].mean()),
            ObjectiveError,
            r"has a name of its own; got '<lambda>' without one, or twice; name it: minimise\(err",
        ),
        (
            lambda: PAIRING.minimise(size).measure(accuracy=af.metrics.accuracy()),
            MetricError,
            r"a function of \(inputs, outputs\), .* got accuracy=Metric.* wrap a ready-made one",
        ),
        (
            lambda: workflow().measure(accuracy=right),
            MetricError,
            r"has a name of its own; got accuracy=<function right",
        ),
        (
            lambda: workflow().measure(lr=right),
            MetricError,
            r"the name 'lr' is the step's own; got metrics accuracy, lr; a step itself makes",
        ),
        (
            lambda: workflow().evaluation("test", ONLY_X),
            DataError,
            r"the loss 'loss' reads the column 'y', which the batches do not hold; got columns 'x'",
        ),
        (
            lambda: first_step(Stream(), accuracy=right),
            DataError,
            r"the metric 'accuracy' reads the column 'y', which the batches do not hold",
        ),
        (
            lambda: first_step(Stream(), Masked),
            DataError,
            r"Masked\.forward reads the column 'mask', which the batches do not hold",
        ),
        (
            lambda: first_step(LOADER, Forgetful),
            ModelError,
            r"Forgetful\.forward declares the output 'hidden' and does not answer it; got outputs "
            r"'logits'; answer every declared key",
        ),
        (
            lambda: first_step(LOADER, Bare),
            ModelError,
            r"Bare\.forward declares a dict of outputs; got Tensor; answer a dict with the declared",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, kind: type[ArtifactFnError], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_a_source_that_is_not_in_memory_is_read_only_when_it_trains() -> None:
    first_step(Stream())


def test_names_that_only_the_checkers_see_are_not_compared() -> None:
    model = functional(Hinted)
    assert model.declared == Declared("Hinted", None, None)
    made: Any = on(LOADER.typed(XY)).fit(model).minimise(cross_entropy)
    made.step(OPTIMIZER)(made.state(OPTIMIZER, seed=0), batch(4))


def test_required_keys_are_found_through_qualifiers_and_strings() -> None:
    assert required(Partly) == ("x", "weight")
    assert required(Hidden) == ("logits", "hidden")
    assert required(af.ModelInput) == ()


def test_what_declares_nothing_is_read_as_nothing() -> None:
    assert reads(lambda inputs, outputs: inputs) == (None, None)
    assert reads(len) == (None, None)
    assert reads(cross_entropy) == (("x", "y"), ("logits",))
    with torch.random.fork_rng():
        assert declared(Net()) == Declared("Net", ("x",), ("logits", "hidden"))
        assert declared(nn.Linear(2, 2)) is None
        assert declared(nn.Module()) is None


def test_a_workflow_hands_on_what_a_step_a_state_and_an_evaluation_take() -> None:
    made = workflow()
    optimizers = {"a": optim.ema(optim.sgd(0.1), 0.5), "b": optim.sgd(0.1)}
    state = made.state(optimizers, seed=0, only={"a": "body/*", "b": "head.*"})
    step = made.step(optimizers["a"], name="a", only="body/*", clip_rows=1e-3)
    evaluated = made.evaluation("first", TRAIN, of=lambda _: state)
    found = next(iter(af.epochs(step, state, TRAIN, routines=[evaluated])))
    moved = [p for p in state.params if not torch.equal(state.params[p], found.state.params[p])]
    assert moved == ["body.weight", "body.bias"]
    assert found.scores["first/loss"] == af.evaluate(made.objective(), state, TRAIN)["loss"]
    alone = made.state(optim.adam(0.1), seed=0, only="head/*")
    assert list(alone.opt_state.moments["exp_avg"]) == ["head.weight", "head.bias"]

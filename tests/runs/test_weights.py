"""Weights from and for other programs."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from artifact_fn import optim, tree
from artifact_fn.errors import DataError
from artifact_fn.runs import Damaged, export_weights, import_weights, to_module
from artifact_fn.training import TrainState, functional, supervised, train_step
from tests.training.examples import columns, mlp, parts


def test_what_is_exported_is_imported_and_a_plain_module(tmp_path: Path) -> None:
    p, other = parts(seed=1), parts(seed=2)
    export_weights(p.state, tmp_path / "w.safetensors")
    assert (
        load_file(tmp_path / "w.safetensors").keys() == {**p.state.params, **p.state.buffers}.keys()
    )
    found = import_weights(tmp_path / "w.safetensors", other.state)
    assert tree.identical((found.params, found.buffers), (p.state.params, p.state.buffers))
    assert tree.identical(found.opt_state, other.state.opt_state)
    with torch.random.fork_rng():
        module = to_module(mlp, p.state)
        again = to_module(module, other.state)
        torch.save(module.state_dict(), tmp_path / "w.pth")
    assert not module.training
    assert torch.equal(again.state_dict()["0.weight"], other.state.params["0.weight"])
    assert torch.equal(module.state_dict()["0.weight"], p.state.params["0.weight"])
    x = columns(5)["x"]
    outputs, _ = p.model.apply(p.state.params, p.state.buffers, x, key=p.state.key, training=False)
    assert torch.equal(module(x), outputs)
    assert tree.identical(import_weights(tmp_path / "w.pth", other.state).params, p.state.params)


RULES: dict[str, tuple[Any, Any]] = {
    "adam": (lambda p: torch.optim.Adam(p, 1e-2, foreach=False), optim.adam(1e-2)),
    "nadam": (lambda p: torch.optim.NAdam(p, 1e-2, foreach=False), optim.nadam(1e-2)),
    "sgd": (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, foreach=False), optim.chain(optim.clip_by_value(9.0), optim.sgd(0.1, momentum=0.9))),
    "rmsprop": (
        lambda p: torch.optim.RMSprop(p, 1e-2, momentum=0.9, centered=True, foreach=False),
        optim.rmsprop(1e-2, momentum=0.9, centered=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_run_of_torch_goes_on_here_to_the_bit(name: str, tmp_path: Path) -> None:
    """Trained by torch, saved as artifact-torch saves it, and gone on with by both."""
    theirs, ours = RULES[name]
    batch = columns(12)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    model = functional(module)
    state = TrainState.create(model, ours, seed=0)
    optimizer = theirs(module.parameters())

    def moved() -> None:
        optimizer.zero_grad()
        F.cross_entropy(module(batch["x"]), batch["y"]).backward()
        optimizer.step()

    for _ in range(3):
        moved()
    checkpoint = {"model_state": module.state_dict(), "optimizer_state": optimizer.state_dict()}
    torch.save(checkpoint, tmp_path / "EPOCH_3.pth")
    state = import_weights(tmp_path / "EPOCH_3.pth", state)
    step = train_step(supervised(model, F.cross_entropy), ours)
    for _ in range(3):
        moved()
        state, _ = step(state, batch)
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for path, leaf in {**state.params, **state.buffers}.items():
        assert torch.equal(leaf, held[path].detach()), path


def test_a_prefix_and_a_tied_weight(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x))

    with torch.random.fork_rng():
        state = TrainState.create(functional(Tied), optim.sgd(0.1), seed=0)
        module = to_module(Tied, state)
        other = Tied()
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}},
        tmp_path / "w.pth",
    )
    fresh = TrainState.create(functional(other), optim.sgd(0.1), seed=0)
    found = import_weights(tmp_path / "w.pth", fresh, prefix="module.")
    assert tree.identical(found.params, state.params)


class Hostile:
    """Unpickled by a careless reader, it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    torch.save({"model_state": Hostile(tmp_path / "sentinel")}, tmp_path / "w.pth")
    with pytest.raises(
        DataError, match=r"no weights that can be read without running code; got Un"
    ):
        import_weights(tmp_path / "w.pth", parts().state)
    assert not (tmp_path / "sentinel").exists()


def test_parameters_that_were_not_updated_alike_are_refused(tmp_path: Path) -> None:
    p = parts(optim.adam(0.1))
    params = [leaf.clone().requires_grad_() for leaf in p.state.params.values()]
    adam = torch.optim.Adam(params)
    whole = {**p.state.params, **p.state.buffers}
    for updated, message in ((params[:-1], "got nothing of"), (params, r"got \[1, 2\] updates")):
        for param in updated:
            param.grad = torch.ones_like(param)
        adam.step()
        torch.save({"model_state": whole, "optimizer_state": adam.state_dict()}, tmp_path / "w.pth")
        with pytest.raises(DataError, match=f"has not updated all parameters as often; {message}"):
            import_weights(tmp_path / "w.pth", p.state)
        for param in params:
            param.grad = None


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": 1}, r"holds no weights; got a; save a dict of tensors, or one under model_state"),
        ([1], r"holds no weights; got list"),
        ({"0.weight": torch.ones(1)}, r"do not fit the state; got no '0.bias'"),
        ("more", r"do not fit the state; got 'extra', which it does not hold"),
        ("shape", r"got '0.weight' of \[1\] instead of \[8, 4\]; build the state from the same"),
        ("moments", r"the optimizer of .* does not fit the state's; got moments \['exp_avg', 'exp"),
    ],
)
def test_what_does_not_fit_is_refused(held: Any, message: str, tmp_path: Path) -> None:
    p = parts(optim.sgd(0.1, momentum=0.9))
    whole = {**p.state.params, **p.state.buffers}
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True) for _ in p.state.params])
    for group in adam.param_groups:
        for param in group["params"]:
            param.grad = torch.ones(1)
    adam.step()
    held = {
        "more": {**whole, "extra": torch.ones(1)},
        "shape": {**whole, "0.weight": torch.ones(1)},
        "moments": {"model_state": whole, "optimizer_state": adam.state_dict()},
    }.get(held if isinstance(held, str) else "", held)
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(DataError, match=message):
        import_weights(tmp_path / "w.pth", p.state)
    with pytest.raises(Damaged, match="no such file"):
        import_weights(tmp_path / "none.pth", p.state)

"""Groups: parameters of one group move as if they were alone."""

from typing import Any

import pytest
import torch

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim import adamw, by_path, freeze, masked, sgd
from artifact_fn.testing import check_transform

PARAMS = {
    "body.0.weight": torch.linspace(-1, 1, 6).reshape(2, 3),
    "head.weight": torch.linspace(0, 1, 4).reshape(2, 2),
    "head.bias": torch.ones(2),
}
GRADS = {name: param * 3 - 1 for name, param in PARAMS.items()}


def alone(rule: Any, *names: str) -> dict[str, torch.Tensor]:
    params = {name: PARAMS[name] for name in names}
    moved, _ = rule.update({name: GRADS[name] for name in names}, rule.init(params), params)
    return dict(moved)


def test_the_first_pattern_that_fits_moves_a_parameter() -> None:
    rule = by_path({"head/*": adamw(0.1), "*": sgd(0.5)})
    moved, state = rule.update(GRADS, rule.init(PARAMS), PARAMS)
    expected = alone(sgd(0.5), "body.0.weight") | alone(adamw(0.1), "head.weight", "head.bias")
    assert list(moved) == list(PARAMS)
    assert tree.identical(moved, expected)
    told = {name: value.item() for name, value in rule.report(state).items()}
    assert told == {"lr[head/*]": 0.1, "lr[*]": 0.5}


def test_a_mask_reads_paths_and_shapes() -> None:
    rule = masked(sgd(0.5), lambda name, param: param.ndim == 2, otherwise=freeze())
    moved, _ = rule.update(GRADS, rule.init(PARAMS), PARAMS)
    expected = alone(sgd(0.5), "body.0.weight", "head.weight") | {"head.bias": torch.ones(2)}
    assert tree.identical(moved, expected)


def test_groups_are_pure() -> None:
    check_transform(by_path({"[mv]*": adamw(0.1), "*": freeze()}))
    check_transform(masked(adamw(0.1), lambda name, p: p.ndim > 1, otherwise=sgd(0.1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: by_path({}), r"groups need a rule each; got no rules; give"),
        (
            lambda: by_path({"head/*": sgd(0.1)}).init(PARAMS),
            r"every parameter has a rule; got body.0.weight, which fits none .* add a pattern",
        ),
        (
            lambda: by_path({"*": sgd(0.1), "haed/*": sgd(0.1)}).init(PARAMS),
            r"every pattern has parameters; got haed/\*, which is the first to fit none",
        ),
    ],
)
def test_impossible_groups_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()

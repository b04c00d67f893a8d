"""Norms: written out for members, a batch normalisation is torch's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from artifact_fn import random
from artifact_fn.training import functional
from artifact_fn.training.norms import normed

KINDS: dict[str, tuple[Callable[[int], nn.Module], tuple[int, ...]]] = {
    "1d": (nn.BatchNorm1d, (6, 3)),
    "1d of sequences": (nn.BatchNorm1d, (6, 3, 4)),
    "2d": (nn.BatchNorm2d, (6, 3, 4, 2)),
    "3d": (nn.BatchNorm3d, (6, 3, 2, 2, 2)),
    "not affine": (lambda width: nn.BatchNorm1d(width, affine=False, momentum=0.3), (6, 3)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_torchs_for_each_member(kind: str, training: bool) -> None:
    made, shape = KINDS[kind]
    model = functional(lambda: nn.Sequential(made(3)).double())
    keys = random.split(random.key(0), 5)
    x = torch.stack([1 + 2 * random.normal(key, shape, dtype=torch.float64) for key in keys])
    params, buffers = model.init(0)
    params = {name: leaf + 0.5 for name, leaf in params.items()}

    def taken(x: Tensor, buffers: dict[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        def loss(x: Tensor) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
            out, after = model.apply(
                params, buffers, x, key=random.key(0), training=training, method="forward"
            )
            return (out**3).sum(), (out, after)

        grad, (out, after) = torch.func.grad(loss, has_aux=True)(x)
        return grad, out, after

    many = {n: torch.stack([b + i for i in range(5)]) for n, b in buffers.items()}
    together = torch.vmap(taken)(x, many)
    for i in range(5):
        alone = taken(x[i], {n: b[i] for n, b in many.items()})
        for ours, theirs in zip(together[:2], alone[:2], strict=True):
            torch.testing.assert_close(ours[i], theirs, rtol=1e-11, atol=1e-12)
        for name, theirs in alone[2].items():
            torch.testing.assert_close(together[2][name][i], theirs, rtol=1e-12, atol=1e-14)


def test_half_precision_is_summed_in_single() -> None:
    x = (300 + random.normal(random.key(0), (64, 3))).to(torch.bfloat16)
    module = nn.BatchNorm1d(3)
    ours = normed(module)
    assert ours is not None
    torch.testing.assert_close(ours(x), nn.BatchNorm1d(3)(x), rtol=1e-2, atol=1e-2)
    assert ours(x).dtype == torch.bfloat16


def test_what_is_not_torchs_own_stays() -> None:
    class Other(nn.BatchNorm1d):
        pass

    others = [nn.ReLU(), Other(3), nn.BatchNorm1d(3, track_running_stats=False)]
    assert all(normed(other) is None for other in others)
    assert normed(nn.BatchNorm1d(3, momentum=None)) is None
    assert str(normed(nn.BatchNorm1d(3))) == str(nn.BatchNorm1d(3))


def test_one_row_has_no_variance() -> None:
    model = functional(lambda: nn.Sequential(nn.BatchNorm1d(3)))
    params, buffers = model.init(0)

    def one(x: Tensor, buffers: dict[str, Tensor]) -> Tensor:
        out: Tensor = model.apply(params, buffers, x, key=random.key(0), training=True)[0]
        return out

    many = {n: torch.stack([b, b]) for n, b in buffers.items()}
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.vmap(one)(torch.ones(2, 1, 3), many)

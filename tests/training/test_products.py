"""Products: another order, the same product."""

import pytest
import torch
from torch import Tensor

from artifact_fn.training.lowered import lowered

SHAPES = [(512, 64, 4), (64, 3, 15), (16, 1, 1), (15, 8, 4), (64, 8, 16), (4, 64, 512)]


@pytest.mark.parametrize(("rows", "inner", "columns"), SHAPES)
@pytest.mark.parametrize("left_turned", [False, True])
@pytest.mark.parametrize("right_turned", [False, True])
def test_thin_products_are_taken_the_other_way_round(
    rows: int, inner: int, columns: int, left_turned: bool, right_turned: bool
) -> None:
    left = torch.linspace(-1, 1, rows * inner).reshape(rows, inner).square()
    right = torch.linspace(-2, 1, columns * inner).reshape(inner, columns).square()
    left = left.t().contiguous() if left_turned else left
    right = right.t().contiguous() if right_turned else right

    def product(left: Tensor, right: Tensor) -> Tensor:
        whole = left.t() if left_turned else left
        return torch.mm(whole, right.t() if right_turned else right)

    graph = lowered(product, [left, right]).graph
    (found,) = [node for node in graph.graph.nodes if node.target is torch.ops.aten.mm.default]
    stays = rows < 16 or columns >= 16 or (right_turned and not left_turned)
    # A matrix of one row is its own transpose, and a column by itself is one, too.
    if inner > 1:
        assert tuple(found.meta["val"].shape) == ((rows, columns) if stays else (columns, rows))
    result = graph(left, right)
    torch.testing.assert_close(result, product(left, right))
    assert result.is_contiguous()

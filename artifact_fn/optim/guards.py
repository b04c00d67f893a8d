"""Guards: an optimizer that skips updates it should not make, and tells of them."""

from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import NonFiniteError, OptimError
from artifact_fn.optim.scalars import count_of
from artifact_fn.optim.transform import Grads, Params, Report, Rule, check_rule_at_end


@tree.node
class Skips:
    """State of `skip_nonfinite`.

    Attributes:
        inner: Of the optimizer that is guarded.
        count: int64 [], updates asked for.
        skipped: int64 [], those of them that were skipped.
        row: int64 [], skipped in a row up to now.
        limit: int64 [], a row of so many is an error.
        first: int64 [], the update (from 1) that made such a row for the first time; 0 before.
        leaf: int64 [], the first parameter whose gradient was not finite then.
        names: uint8 [n], the paths of the parameters in UTF-8, one a line: a state is tensors,
            and an error shall name the parameter.
    """

    inner: Any
    count: Tensor
    skipped: Tensor
    row: Tensor
    limit: Tensor
    first: Tensor
    leaf: Tensor
    names: Tensor


def skip_nonfinite(optimizer: Rule, *, in_a_row: int = 10) -> Rule:
    """An optimizer that skips an update when any gradient is NaN or infinite.

    Then parameters and the optimizer's own state, its count too, stay as they were. `train_step`
    reports the number of skipped updates as `skipped`. A compiled step cannot raise, so a row of
    `in_a_row` of them is noted in the state, and `epochs` raises at the next cut; by hand,
    `check_skips(state.opt_state)` does.

    Args:
        optimizer: A rule, or a chain that ends in one; clipping belongs inside.
        in_a_row: How many skipped updates in a row are an error, at least 1.

    Raises:
        OptimError: `in_a_row` is below 1, or `optimizer` is no rule.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> rule = skip_nonfinite(sgd(0.5))
        >>> params = {"w": torch.ones(1)}
        >>> params, state = rule.update({"w": torch.tensor([torch.nan])}, rule.init(params), params)
        >>> params, state.skipped
        ({'w': tensor([1.])}, tensor(1))
    """
    check_rule_at_end(optimizer)
    if isinstance(in_a_row, bool) or not isinstance(in_a_row, int) or in_a_row < 1:
        raise OptimError(
            "a row of skipped updates has at least 1",
            got=f"in_a_row={in_a_row!r}",
            do="give e.g. 10",
        )

    def init(params: Params) -> Skips:
        zero = count_of(params)
        names = list("\n".join(params).encode())
        return Skips(
            optimizer.init(params),
            zero,
            zero.clone(),
            zero.clone(),
            torch.full_like(zero, in_a_row),
            zero.clone(),
            zero.clone(),
            torch.tensor(names, dtype=torch.uint8, device=zero.device),
        )

    def update(grads: Grads, state: Skips, params: Params) -> tuple[Params, Skips]:
        # One that holds for no parameters at all, and for argmax.
        good = [torch.ones_like(state.count, dtype=torch.bool)]
        finite = torch.stack([*(grad.isfinite().all() for grad in grads.values()), *good])
        fine = finite.all()
        # Zeros in place of what is not finite: a branch that is not taken must not hand NaN to
        # whoever differentiates through the update.
        clean = {n: torch.where(fine, grad, torch.zeros_like(grad)) for n, grad in grads.items()}
        answer = optimizer.update(clean, state.inner, params)
        moved, inner = tree.map(
            lambda new, old: new if new is old else torch.where(fine, new, old),
            answer,
            (params, state.inner),
        )
        count = state.count + 1
        row = torch.where(fine, 0, state.row + 1)
        now = (row >= state.limit) & (state.first == 0)
        return moved, tree.replace(
            state,
            inner=inner,
            count=count,
            skipped=state.skipped + ~fine,
            row=row,
            first=torch.where(now, count, state.first),
            leaf=torch.where(now, (~finite).to(torch.int64).argmax(), state.leaf),
        )

    def report(state: Skips) -> Report:
        return {**optimizer.report(state.inner), "skipped": (state.row > 0).to(torch.int64)}

    return Rule(init, update, report, options=optimizer.options)


def check_skips(opt_state: Any) -> None:
    """Raise if `skip_nonfinite` has skipped too many updates in a row. Reads the device.

    Args:
        opt_state: Of any optimizer, or of several by name; of many members at once, too.

    Raises:
        NonFiniteError: it has; names the update and the parameter.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> check_skips(skip_nonfinite(sgd(0.1)).init({"w": torch.ones(1)}))
    """
    for skips in tree.records(opt_state, Skips):
        noted = skips.first.reshape(-1)
        if not noted.any():
            continue
        member = int(noted.ne(0).to(torch.int64).argmax())
        names = bytes(skips.names.reshape(len(noted), -1)[member].tolist()).decode().split("\n")
        limit = int(skips.limit.reshape(-1)[member])
        leaf = names[int(skips.leaf.reshape(-1)[member])]
        whose = f" of member {member}" if skips.first.ndim else ""
        raise NonFiniteError(
            f"{limit} update{'s' if limit > 1 else ''} in a row had no finite gradient",
            got=f"NaN or infinity in the gradient of {leaf} at step {int(noted[member])}{whose}",
            do="lower the learning rate, clip gradients, look for log, sqrt or division by 0 in "
            "the loss, or bear more with skip_nonfinite(..., in_a_row=...)",
            leaf=leaf,
            step=int(noted[member]),
        )

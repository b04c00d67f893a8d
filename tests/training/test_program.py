"""Program: what is recorded, what is kept, and what is done when either fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config
from torch import Tensor

from artifact_fn.errors import CompileError
from artifact_fn.training.lowered import lowered
from artifact_fn.training.program import loop, program, turns

NO_COMPILER = {"cpp.cxx": (None, "no-such-compiler")}


def twice_and_sum(x: Tensor) -> Sequence[Tensor]:
    return [2 * x, x.sum()]


def test_a_kept_program_is_found_without_a_compiler_and_a_damaged_one_is_made_again(
    tmp_path: Path,
) -> None:
    x = torch.arange(6.0)
    first = program(twice_and_sum, [x], tmp_path)(x)
    (kept,) = tmp_path.rglob("*.so")
    with torch._inductor.config.patch(NO_COMPILER):
        found = program(twice_and_sum, [x], tmp_path)(x)
    assert [part.tolist() for part in found] == [part.tolist() for part in first]
    assert found[1].item() == 15

    content = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(content[:-7] + bytes([content[-7] ^ 1]) + content[-6:])
    again = program(twice_and_sum, [x], tmp_path)(x)
    assert [part.tolist() for part in again] == [part.tolist() for part in first]
    assert list(tmp_path.rglob("*.so")) == [kept]

    found_again = program(twice_and_sum, [x], tmp_path)
    for transformed in (
        torch.func.vmap(lambda row: found_again(row)[0]),
        torch.func.grad(lambda row: found_again(row)[1]),
    ):
        with pytest.raises(CompileError, match="no vmap and no gradient; got tensors of"):
            transformed(x.expand(6, 6))


def test_a_tensor_that_is_held_is_given_and_not_built_in(tmp_path: Path) -> None:
    def plus(held: Tensor) -> Sequence[Tensor]:
        def function(x: Tensor) -> Sequence[Tensor]:
            return [x + held, held * 1.0]

        answer = program(function, [torch.zeros(3)], tmp_path)(torch.ones(3))
        return answer

    one, other = plus(torch.tensor([1.0, 2.0, 3.0])), plus(torch.tensor([5.0, 5.0, 5.0]))
    assert one[0].tolist() == [2, 3, 4]
    assert other[0].tolist() == [6, 6, 6]
    assert other[1].tolist() == [5, 5, 5]
    assert len(list(tmp_path.rglob("*.so"))) == 1


def test_names_tell_operations_and_shapes_apart() -> None:
    x = torch.zeros(3)
    seen = {
        lowered(lambda a: [a + 1], [x]).digest(),
        lowered(lambda a: [a + 2], [x]).digest(),
        lowered(lambda a: [a + 1], [x.double()]).digest(),
        lowered(lambda a: [a + 1], [torch.zeros(4)]).digest(),
    }
    assert len(seen) == 4
    assert lowered(lambda b: [1 + b], [torch.ones(3)]).digest() in seen


@pytest.mark.parametrize("looped", [loop, turns])
def test_a_loop_takes_as_many_turns_as_it_is_told(looped: Any, tmp_path: Path) -> None:
    held = torch.tensor([1.0, 10.0, 100.0])

    def turn(at: Tensor, total: Tensor, seen: Tensor, table: Tensor) -> Sequence[Tensor]:
        row = table.index_select(0, at.reshape(1)).reshape(-1)
        return [total + row * held, seen + 1]

    table = torch.arange(12.0).reshape(4, 3)
    run = looped(turn, [torch.zeros(3), torch.zeros(())], [table], tmp_path)
    for count in range(5):
        total, seen = run(torch.tensor(count), torch.ones(3), torch.zeros(()), table)
        assert torch.equal(total, 1 + table[:count].sum(0) * held)
        assert seen == count


def test_what_is_given_may_be_overwritten(tmp_path: Path) -> None:
    def function(x: Tensor, y: Tensor) -> Sequence[Tensor]:
        answer = x * y
        x.copy_(x + y)
        return [answer]

    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    (answer,) = program(function, [x, y], tmp_path)(x, y)
    assert answer.tolist() == [3, 8]
    assert x.tolist() == [4, 6]
    assert y.tolist() == [3, 4]


def test_what_cannot_be_recorded_is_compiled_by_torch_with_a_warning(tmp_path: Path) -> None:
    def function(x: Tensor) -> Sequence[Tensor]:
        if not torch.compiler.is_dynamo_compiling():
            raise ValueError("not today")
        return [x + 1]

    x = torch.zeros(2)
    with pytest.warns(RuntimeWarning, match="starts slower than it need, because ValueError: not"):
        run = program(function, [x], tmp_path)
    assert [part.tolist() for part in run(x)] == [[1, 1]]

"""Chunks: many steps in one call are those steps."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import optim, tree
from artifact_fn.errors import CompileError
from artifact_fn.training import (
    Compiled,
    TrainState,
    chunk_check,
    chunks,
    compiled,
    cuts,
    functional,
    supervised,
    train_step,
)
from artifact_fn.training.chunk_check import checked
from artifact_fn.training.chunks import gathered
from artifact_fn.training.statistics import Maximum, Mean, Metrics, Minimum, Sum, merge
from tests.training.examples import columns, loader, parts


def linear(chunk: Any = "auto") -> tuple[Compiled[TrainState], TrainState]:
    """A small compiled step: the cheapest to compile that has all the parts of one."""
    model = functional(lambda: nn.Linear(4, 3))
    optimizer = optim.sgd(optim.cosine(0.5, steps=20), momentum=0.9)
    step = train_step(supervised(model, F.cross_entropy), optimizer)
    return compiled(step, chunk=chunk), TrainState.create(model, optimizer, seed=0)


def rows_of(steps: int, batch: int = 4) -> Tensor:
    return torch.arange(steps * batch).reshape(steps, batch)


def close(a: Any, b: Any) -> None:
    assert tree.paths(a).keys() == tree.paths(b).keys()
    for path, leaf in tree.paths(a).items():
        torch.testing.assert_close(leaf, tree.paths(b)[path], rtol=1e-5, atol=1e-7, msg=path)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("copied", [chunks.COPIED, 0], ids=["copied", "overwritten"])
def test_a_chunk_is_its_steps_however_many_of_its_turns_are_used(
    copied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "COPIED", copied)
    step, state = linear()
    digest = tree.digest(state)
    table = columns(64)
    after, metrics = step.many(state, table, rows_of(5), 5)
    single, parts_of = state, []
    for rows in rows_of(5):
        single, found = step(single, gathered(table, rows))
        parts_of.append(found)
    close(after, single)
    close(metrics, merge(parts_of))

    # The same program, with turns to spare; and bit for bit whatever the interruption.
    first, a = step.many(state, table, rows_of(5)[:2], 5)
    then, b = step.many(first, table, rows_of(5)[2:], 5)
    assert tree.identical(then, after)
    close(merge([a, b]), metrics)
    assert len(step._programs) == 2, "one for a chunk, one for a step"
    assert tree.digest(state) == digest

    # Nothing that comes out of a program shares memory with anything else.
    memory = [leaf.untyped_storage().data_ptr() for leaf in tree.leaves((after, metrics))]
    assert len({*memory}) == len(memory)
    assert all(
        leaf.untyped_storage().nbytes() == leaf.nbytes for leaf in tree.leaves((after, metrics))
    )


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_turns_that_copy_and_turns_that_overwrite_compute_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for copied in (chunks.COPIED, 0):
        monkeypatch.setattr(chunks, "COPIED", copied)
        step, state = linear()
        found.append(step.many(state, columns(64), rows_of(5), 5))
    assert tree.identical(*found)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_metrics_of_every_kind_are_joined() -> None:
    def step(state: Tensor, batch: Any) -> tuple[Tensor, Metrics]:
        x, n = batch["x"][:, 0], batch["n"]
        return state + x.sum(), {
            "mean": Mean(x.double().sum(), torch.ones((), dtype=torch.float64)),
            "lowest": Minimum(x.amin()),
            "highest": Maximum(x.amax()),
            "least": Minimum(n.amin()),
            "most": Maximum(n.amax(0, keepdim=True)),
            "count": Sum(torch.stack([(n > 10).sum(), (n <= 10).sum()])),
            "any": Maximum((n > 30).any()),
            "all": Minimum((n < 200).all()),
            "nan": Sum(x.sum() * torch.nan),
        }

    table = {**columns(24), "n": torch.arange(24, dtype=torch.int32) * 2}
    after, told = compiled(step).many(torch.zeros(2), table, rows_of(6)[:5], 6)
    parts_of = [step(torch.zeros(2), gathered(table, rows))[1] for rows in rows_of(6)[:5]]
    expected = merge(parts_of)
    for name, statistic in expected.items():
        theirs = statistic.answer()
        ours = told[name].answer()
        torch.testing.assert_close(ours, theirs, equal_nan=True, msg=name)
    assert after[0] == pytest.approx(float(table["x"][:20, 0].sum()), rel=1e-5)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_tensors_that_share_memory_go_in() -> None:
    def step(state: dict[str, Tensor], batch: Any) -> tuple[dict[str, Tensor], Metrics]:
        moved = {name: leaf + batch["x"].sum() for name, leaf in state.items() if name != "fixed"}
        return {**moved, "fixed": state["fixed"]}, {"x": Sum(batch["y"].sum())}

    whole = torch.arange(6.0)
    state = {"a": whole[:3], "b": whole[3:], "c": whole, "fixed": whole}
    x = torch.ones(8, 1)
    after, told = compiled(step).many(state, {"x": x, "y": x}, rows_of(2), 2)
    assert after["a"].tolist() == [8, 9, 10]
    assert after["c"].tolist() == [8, 9, 10, 11, 12, 13]
    assert after["fixed"] is whole
    assert told["x"].answer() == 8
    assert whole.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("chunk", [1, 2])
def test_no_state_that_anybody_holds_is_overwritten(chunk: int) -> None:
    step, state = linear(chunk)
    source = loader(22, 4)
    given = tree.digest(state)
    held = []
    for cut in cuts(step, state, source, chunk=2):
        held.append((cut.state, tree.digest(cut.state)))
    again = [tree.digest(cut.state) for cut in cuts(step, state, source, chunk=2)]
    assert [tree.digest(kept) for kept, _ in held] == [digest for _, digest in held] == again
    assert tree.digest(state) == given
    assert len({digest for _, digest in held}) == 3

    plain = state
    for batch in source.batches(None, 1):
        plain, _ = step.step(plain, batch)
    assert plain.step == held[-1][0].step


def looped(step: Any) -> Any:
    """What a program of `chunk` does, without a compiler."""
    return chunk_check._loop(step)


def skips_the_last(step: Any) -> Any:
    return lambda state, table, rows: looped(step)(state, table, rows[: max(1, len(rows) - 1)])


def forgets(step: Any) -> Any:
    return lambda state, table, rows: (state, looped(step)(state, table, rows)[1])


def lies(step: Any) -> Any:
    def called(state: Any, table: Any, rows: Any) -> Any:
        after, told = looped(step)(state, table, rows)
        return after, {**told, "loss": tree.map(lambda leaf: leaf * 2.0, told["grad_norm"])}

    return called


def cannot(step: Any) -> Any:
    def called(*_: Any) -> Any:
        raise CompileError("the step could not be compiled", got="a bug", do="wait")

    return called


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (skips_the_last, "of two is not two of one at "),
        (forgets, r"moves \d+ of \d+ numbers elsewhere"),
        (lies, r"answers .* for loss, a single step "),
        (cannot, r"cannot be compiled \(the step could not be compiled; got a bug; wait\)"),
    ],
)
def test_a_chunk_that_is_not_its_steps_is_given_up(broken: Any, message: str) -> None:
    p = parts(optim.sgd(0.5))
    table, rows = columns(16), rows_of(4)
    with pytest.warns(RuntimeWarning, match=f"one at a time, because a chunk of them {message}"):
        program = checked(lambda: broken(p.step), p.step, p.state, table, rows, instead=p.step)
    right = looped(p.step)(p.state, table, rows)
    assert tree.identical(program(p.state, table, rows), right)


def test_a_chunk_that_is_its_steps_is_kept_whatever_is_not_a_number() -> None:
    p = parts(optim.sgd(0.5))
    table = {**columns(16), "x": columns(16)["x"] * torch.nan}
    program = looped(p.step)
    assert checked(lambda: program, p.step, p.state, table, rows_of(4), instead=p.step) is program


def test_where_no_loop_can_be_compiled_steps_are_taken_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: Any) -> Any:
        raise CompileError("the step could not be compiled", got="no loops", do="wait for them")

    monkeypatch.setattr(chunks, "loop", gone)

    def step(state: Tensor, batch: Any) -> tuple[Tensor, Metrics]:
        return state + batch["x"].sum(), {}

    with pytest.warns(RuntimeWarning, match="one at a time, because a chunk of them cannot be"):
        after, _ = compiled(step).many(torch.zeros(1), {"x": torch.ones(8)}, rows_of(2), 2)
    assert after.tolist() == [8]


def test_how_many_steps_a_call_takes() -> None:
    step, state = linear()
    assert step.steps_a_call(state) == 128
    assert linear(chunk=16)[0].steps_a_call(state) == 16
    elsewhere = tree.map(lambda leaf: leaf.to("meta"), state)
    assert step.steps_a_call(elsewhere) == 1


@pytest.mark.parametrize("chunk", [0, -1, True, 1.5, "many"])
def test_impossible_chunks_are_refused(chunk: Any) -> None:
    with pytest.raises(CompileError, match="a call takes at least 1 step; got chunk="):
        compiled(lambda s, b: (s, {}), chunk=chunk)

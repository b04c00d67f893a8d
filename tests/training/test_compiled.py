"""Compiled: what is around the compiler; its results are in tests/laws."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config

from artifact_fn import tree
from artifact_fn.errors import CompileError
from artifact_fn.training import compiled, graph
from artifact_fn.training.compiled import eager, like
from artifact_fn.training.statistics import Sum
from tests.training.examples import columns, parts


def test_a_compiled_step_keeps_the_step_and_compiles_others_alike(tmp_path: Path) -> None:
    step, other = parts().step, parts().step
    wrapped = compiled(step, cache=tmp_path)
    assert eager(wrapped) is step
    assert eager(step) is step
    assert like(step, other) is other
    alike = like(wrapped, other)
    assert eager(alike) is other
    assert alike.cache == tmp_path  # type: ignore[attr-defined]


def test_the_cache_is_where_it_was_asked_for(tmp_path: Path) -> None:
    before = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert compiled(parts().step).cache == Path(before)

    def step(state: torch.Tensor, batch: object) -> tuple[torch.Tensor, dict[str, Sum]]:
        return state + 1, {"state": Sum(state * 2)}

    cache = tmp_path / "kernels"
    after, metrics = compiled(step, cache=cache)(torch.ones(3), {"x": torch.ones(2)})
    assert after.tolist() == [2, 2, 2]
    assert metrics["state"].answer().tolist() == [2, 2, 2]
    assert any(cache.rglob("*")), "kernels are kept in the directory that was given"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == before


def test_the_default_cache_is_in_the_users_cache_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled(parts().step).cache == tmp_path / "artifact_fn" / f"torch-{torch.__version__}"


def test_without_a_compiler_the_error_says_so(tmp_path: Path) -> None:
    step = compiled(lambda s, b: (s + 3, {}), cache=tmp_path)
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(CompileError, match=r"needs a C\+\+ compiler; got none that works; install"),
    ):
        step(torch.ones(5), columns(3))


def test_a_step_that_is_not_one_graph_is_refused_with_the_place(tmp_path: Path) -> None:
    def branching(state: torch.Tensor, batch: object) -> tuple[torch.Tensor, dict[str, Sum]]:
        return (state + 1 if state.sum() > 0 else state - 1), {}

    with pytest.raises(CompileError, match=r"(?s)not one graph; got .*test_compiled.py.*mend"):
        compiled(branching, cache=tmp_path)(torch.ones(3), columns(3))


def test_a_cache_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a directory")
    with pytest.raises(
        CompileError, match=r"could not be kept; got FileExistsError: .*; make .*file"
    ):
        compiled(lambda s, b: (s + 1, {}), cache=taken)(torch.ones(3), columns(3))


def test_a_tensor_that_is_held_twice_may_be_two_tensors_later() -> None:
    def step(state: Any, batch: Any) -> Any:
        return {"a": state["a"] + 1, "b": state["b"] * 2}, {}

    one, wrapped = torch.ones(3), compiled(step)
    for state in ({"a": one, "b": one}, {"a": 3 * one, "b": 5 * one}, {"a": one, "b": one}):
        assert tree.identical(wrapped(state, {}), step(state, {}))


def test_a_long_compile_says_what_it_is_doing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(graph, "_PATIENCE", 0.0)
    step = compiled(lambda s, b: (s + 5, {}), cache=tmp_path)
    step(torch.ones(2), columns(3))
    said = "artifact_fn: compiling a step; this is done once, and kept on disk\n"
    assert capfd.readouterr().err == said
    step(torch.ones(2), columns(3))
    assert capfd.readouterr().err == "", "the second call compiles nothing"

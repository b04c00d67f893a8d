"""Library: a lowered function as machine code in a file, and back from it.

Inductor writes C++ for the operations and for the calls between them, and a compiler makes one
extension module of both. torch offers no door to inductor that leaves tracing and keeping to its
caller, so this module knows some of its rooms; whoever uses it must be ready for its failing.
"""

import concurrent.futures
import contextlib
import contextvars
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from artifact_fn import tree
from artifact_fn.training.lowered import Lowered

Library = Callable[[list[Tensor]], list[Tensor]]

_ENTRY = "inductor_entry_cpp"
_DIGEST = 32
"""Bytes of a SHA-256."""

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The variable that tells inductor where to keep what it compiles."""

_HEADERS = "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"
"""The variable that tells inductor to compile headers once for all programs."""

_HEADERS_OPTION = "cpp_cache_precompile_headers"
"""What decides it; it is no part of a program's name, since the machine code is the same."""


LOWERING = {
    # The twenty rounds of Threefry are one long pointwise chain, which inductor would inline
    # into every use: 30 to 100 s of code generation instead of 5, and no faster to run.
    "realize_opcount_threshold": 8,
}
"""What inductor is told on any device."""


def cpu_options() -> dict[str, Any]:
    """What inductor is told on a CPU besides."""
    found: dict[str, Any] = {
        # The calls between kernels in C++ too: for a small model they, and not the arithmetic,
        # are most of a step (and in Python a loop takes twice the time).
        "cpp_wrapper": True,
        # Only kernels are worth -O3: half the time to compile, the same to run.
        "cpp_wrapper_build_separate": True,
        _HEADERS_OPTION: False,
    }
    if sys.platform == "linux" and platform.machine() == "x86_64":
        # torch would compile and load a program for each vector instruction set that the
        # processor names, 6 s in all, to see whether it is to be believed.
        found["cpp.vec_isa_ok"] = True
    return found


def _headers() -> bool:
    """Whether headers are compiled once for all programs: where that is asked for, and can be done.

    It takes longer than the one or two programs of a run save.
    """
    # torch finds out by this program whether a header has changed.
    return os.environ.get(_HEADERS) == "1" and shutil.which("openssl") is not None


@contextlib.contextmanager
def cache_at(directory: str | Path) -> Iterator[None]:
    """Point inductor at a directory for a while."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(directory)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(CACHE, None)
        else:
            os.environ[CACHE] = before


def name(of: Lowered) -> str:
    """What a library is called: by its operations and all else that machine code depends on.

    64 hexadecimal digits.
    """
    around = (
        of.digest(),
        LOWERING,
        cpu_options(),
        torch.__version__,
        sysconfig.get_config_var("SOABI"),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        os.environ.get("CXX"),
        _processor(),
    )
    return hashlib.sha256(repr(around).encode()).hexdigest()


def kept(path: Path) -> Library | None:
    """The library in a file; None if it is not there, or not what was put there."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return _loaded(path) if content[-_DIGEST:] == _digest(content[:-_DIGEST]) else None


def build(of: Lowered, path: Path) -> Library:
    """Make a library and put it into a file, whole or not at all.

    Args:
        of: To be compiled.
        path: A file whose directory exists.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as room:
        with cache_at(room):
            _generate(of)
        made = [file for file in Path(room).rglob("*.so") if file.name.endswith("main.so")]
        if len(made) != 1:
            raise RuntimeError(f"inductor left {len(made)} libraries, and not one")
        content = made[0].read_bytes()
        aside = Path(room, "made")
        # What follows the last section of a library is nobody's; so it comes with its digest.
        aside.write_bytes(content + _digest(content))
        aside.replace(path)
    return _loaded(path)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _generate(of: Lowered) -> None:
    from torch._functorch.compile_utils import fx_graph_cse
    from torch._guards import TracingContext, tracing
    from torch._inductor import codecache, compile_fx, config, cpu_vec_isa
    from torch._inductor.utils import BoxedBool
    from torch._inductor.virtualized import V

    # Else what this process has built before would be found in its memory, and not be on disk.
    codecache.CppWrapperCodeCache.cache.clear()
    mode = of.given[0].fake_mode  # type: ignore[attr-defined]
    patched = {
        **LOWERING,
        **cpu_options(),
        _HEADERS_OPTION: _headers(),
        "fx_graph_cache": False,
    }
    with (
        torch.no_grad(),
        config.patch(patched),
        V.set_fake_mode(mode),
        tracing(TracingContext(mode)),
        _side_by_side(codecache),
        concurrent.futures.ThreadPoolExecutor(1) as beside,
    ):
        # It asks the compiler what it can do, a second in which Python has something else to do.
        here = contextvars.copy_context()
        beside.submit(here.run, cpu_vec_isa.pick_vec_isa)
        for part in of.graph.modules():
            if isinstance(part, fx.GraphModule):
                # What is said twice is done once: inductor fuses, and looks for nothing equal.
                part.graph = fx_graph_cse(part.graph)
                part.graph.eliminate_dead_code()
                part.recompile()
        graph = compile_fx._recursive_joint_graph_passes(of.graph, input_device=torch.device("cpu"))
        # All of them come back to a caller, in the strides that recording has shown.
        answers = graph.graph.output_node()
        answers.meta["user_visible_output_idxs"] = list(range(len(tree.leaves(answers.args[0]))))
        compile_fx.compile_fx_inner(
            graph,
            of.given,
            cpp_wrapper=True,
            is_inference=True,
            cudagraphs=BoxedBool(False),
            graph_id=0,
        )


@contextlib.contextmanager
def _side_by_side(codecache: Any) -> Iterator[None]:
    """Compile kernels and the calls between them at one time, where there are two processors."""
    before = codecache._worker_compile_cpp

    def compile_all(lock: str, builders: Sequence[Any]) -> None:
        *parts, whole = builders
        if not parts:  # a header, which other processes may be at
            before(lock, builders)
            return
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda part: part.build(), parts))
        whole.build()

    codecache._worker_compile_cpp = compile_all
    try:
        yield
    finally:
        codecache._worker_compile_cpp = before


def _loaded(path: Path) -> Library:
    from torch._C import _aoti
    from torch._C._dynamo import guards

    # Read by the module when it is loaded.
    os.environ["_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR"] = str(
        guards._torchinductor_pyobject_tensor_data_ptr  # type: ignore[attr-defined]
    )
    spec = importlib.util.spec_from_file_location(_ENTRY, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entry = getattr(module, _ENTRY)
    lend = _aoti.unsafe_alloc_void_ptrs_from_tensors
    take = _aoti.alloc_tensors_by_stealing_from_void_ptrs

    def called(given: list[Tensor]) -> list[Tensor]:
        found: list[Tensor] = take(entry(lend(given)))
        return found

    return called


@functools.cache
def _processor() -> str:
    """What tells processors apart: code is made for the one it is made on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    told = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    return "\n".join(dict.fromkeys(told))

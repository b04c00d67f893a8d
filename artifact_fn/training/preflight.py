"""Preflight: a step tried once, eagerly, on the first batch, before anything is trained.

Errors of contract are found here, where Python still has the user's own traceback, and not in
the middle of a trace or of a run. Since a step is pure, trying it costs its time and nothing else.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import DataError, MetricError, ObjectiveError, PurityError
from artifact_fn.folds.members import score_of
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.guards import Watch, generators, user_line
from artifact_fn.training.member_metrics import OfMembers
from artifact_fn.training.places import check_source
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, answers
from artifact_fn.training.suited import check_suited

S = TypeVar("S")
B = TypeVar("B")


def first_batch(source: Source[B]) -> B:
    """A source's first batch in the rows' own order.

    Raises:
        DataError: there is none, or `source` is no source.
    """
    check_source(source)
    for batch in source.batches(None, 1):
        return batch
    raise DataError(
        "a loader yields batches",
        got="none at all",
        do="give it rows, or keep the short last batch",
    )


def tried(step: Step[S, B], state: S, batch: B) -> tuple[S, Metrics]:
    """What an eager step answers, if it keeps the contract of a step.

    Raises:
        DataError: the batch holds something else than tensors.
        ObjectiveError: the answer is no pair, the state changes its structure, or the loss is
            not finite.
        MetricError: a metric is not a statistic of tensors.
        OptimError: the state was made for another optimizer.
        PurityError: an argument was changed in place, a number drawn from a generator, or a
            second call answers something else.
    """
    given = tree.paths({"state": state, "batch": batch})
    for path, leaf in given.items():
        if not isinstance(leaf, Tensor):
            raise DataError(
                f"a step takes tensors only, and {path} is not a tensor",
                got=f"{type(leaf).__name__} {leaf!r}",
                do="make it a tensor: a Python value would be frozen into the compiled step",
            )
    check_suited(step, state)
    versions = {path: _version(leaf) for path, leaf in given.items()}
    before = generators()
    with torch.random.fork_rng(devices=[]), Watch() as watch:
        answer = _answer(step, state, batch)
    moved = [
        f"{name}'s global generator" for name, at in generators().items() if at != before[name]
    ]
    if watch.drawn or moved:
        raise PurityError(
            "a step draws its random numbers from its key",
            got=[*watch.drawn, *moved][0],
            do="use nn.Dropout as a module, or take a `key` in forward and draw with "
            "artifact_fn.random",
        )
    for path, leaf in given.items():
        if _version(leaf) != versions[path]:
            raise PurityError(
                "a step leaves its arguments as they are",
                got=f"a step that wrote into {path}",
                do="make a new tensor there; of an activation, use inplace=False",
            )
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise ObjectiveError(
            "a step answers (state, metrics)", got=type(answer).__name__, do="return the pair"
        )
    after, metrics = answer
    _same_structure(state, after)
    check_metrics(metrics)
    again = step(state, batch)
    if not tree.identical(again, answer):
        raise PurityError(
            "a step answers the same when it is asked again",
            got=f"another value at {tree.first_difference(answer, again)}",
            do="keep nothing between calls in lists, counters or caches: thread it through the "
            "state, as a buffer",
        )
    return after, metrics


def _answer(step: Step[S, B], state: S, batch: B) -> Any:
    try:
        return step(state, batch)
    except (RuntimeError, ValueError, IndexError) as cause:
        # What torch.func says of a write into what the gradient did not make.
        if "mutate a captured Tensor" not in str(cause):
            cause.add_note(_sizes(state, batch))
            raise
        raise PurityError(
            "a step leaves its arguments as they are",
            got=f"a write into one of them at {user_line(cause.__traceback__)}",
            do="make a new tensor there; of an activation, use inplace=False",
        ) from cause


def _sizes(state: Any, batch: Any) -> str:
    """What torch's own messages about shapes and dtypes leave out: which tensors there were."""
    columns = [f"  {path}: {_described(leaf)}" for path, leaf in tree.paths(batch).items()]
    params = state.params.values() if isinstance(state, TrainState) else ()
    kinds = sorted({str(param.dtype) for param in params})
    of_model = [f"  the model's parameters: {', '.join(kinds)}"] if kinds else []
    return "\n".join(["The first batch, on which the step failed, holds", *columns, *of_model])


def check_finite(metrics: Metrics) -> None:
    """Refuse a first loss that is NaN or infinite.

    Raises:
        ObjectiveError: it is.
    """
    losses = {name: m for name, m in metrics.items() if name.split("/")[-1] == "loss"}
    silent = {name for part, statistic in losses.items() for name in _stopped(part, statistic)}
    for name, loss in answers(losses)[0].items():
        if not math.isfinite(loss) and name not in silent:
            raise ObjectiveError(
                f"the {name} of the first batch is not finite",
                got=f"a loss of {loss}",
                do="look for NaN or huge values in the data, and for log or division by 0",
            )


def _stopped(name: str, statistic: Any) -> list[str]:
    """The scores of members that have stopped: a run may be taken up when some of them have."""
    if not isinstance(statistic, OfMembers):
        return []
    told = statistic.told.tolist()
    members = [score_of(name, i) for i, one in enumerate(told) if not one]
    return members if any(told) else [name, *members]


def warn_of_no_gradient(metrics: Metrics) -> None:
    """Warn where every gradient of the first batch is exactly 0.

    It may be right (a model that begins at a saddle), and is usually a loss that was cut off from
    the parameters, of which nothing else would tell: it trains, and stays where it is.
    """
    norms = {name: m for name, m in metrics.items() if name.split("/")[-1] == "grad_norm"}
    for name, norm in answers(norms)[0].items():
        if norm == 0.0:
            warnings.warn(
                f"the loss of the first batch does not move with any parameter; got {name} 0.0; "
                "look for detach, no_grad, item or argmax between the parameters and the loss, "
                "or ignore this if the model begins where its gradient is 0",
                RuntimeWarning,
                stacklevel=3,
            )


def check_metrics(metrics: Any) -> None:
    """Refuse what is not a mapping from names to statistics of tensors.

    Raises:
        MetricError: it is not.
    """
    if not isinstance(metrics, Mapping):
        raise MetricError(
            "metrics are statistics by name", got=type(metrics).__name__, do="return a dict"
        )
    for name, statistic in metrics.items():
        joins = getattr(type(statistic), "joins", None)
        tensors = all(isinstance(leaf, Tensor) for leaf in tree.leaves(statistic))
        if not isinstance(joins, Mapping) or not tensors:
            raise MetricError(
                f"the metric {name!r} is not a statistic of tensors",
                got=f"{type(statistic).__name__}",
                do="answer one, such as metrics.mean(values) or metrics.Sum(value)",
            )


def _same_structure(before: Any, after: Any) -> None:
    old, new = tree.paths(before), tree.paths(after)
    changed = sorted(old.keys() ^ new.keys()) or [
        path
        for path, leaf in new.items()
        if not isinstance(leaf, Tensor)
        or (leaf.shape, leaf.dtype, leaf.device)
        != (old[path].shape, old[path].dtype, old[path].device)
    ]
    if changed:
        path = changed[0]
        raise ObjectiveError(
            "a step keeps the structure, shapes and dtypes of its state",
            got=f"{path}: {_described(old.get(path))} before, {_described(new.get(path))} after",
            do="answer a state like the one that was given, made with tree.replace",
        )


def _described(leaf: Any) -> str:
    if isinstance(leaf, Tensor):
        return f"{leaf.dtype} {list(leaf.shape)} on {leaf.device}"
    return "nothing" if leaf is None else f"{type(leaf).__name__} {leaf!r}"


def _version(leaf: Tensor) -> int:
    # Tensors made under inference_mode keep no count.
    return 0 if leaf.is_inference() else leaf._version

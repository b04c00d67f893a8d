"""State: all that a training step reads and makes."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import ModelError, OptimError
from artifact_fn.optim.transform import Optimizer, check_rule_at_end
from artifact_fn.training.agreement import check_model
from artifact_fn.training.contracts import Buffers, Model, Params


@tree.node
class TrainState:
    """Tensors, and nothing else. Steps make new states and leave old ones as they are.

    Attributes:
        step: int64 [], steps done.
        params: Trainable parameters by path.
        buffers: Everything else of the model by path.
        opt_state: Of the optimizer, a pytree of tensors.
        key: int32 [2]; never changes, the step counts with it.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> state = small_experiment().state()
        >>> int(state.step), list(state.params)
        (0, ['weight', 'bias'])
    """

    step: Tensor
    params: Params
    buffers: Buffers
    opt_state: Any
    key: Tensor

    @classmethod
    def create(
        cls,
        model: Model,
        optimizer: Optimizer | Mapping[str, Optimizer],
        *,
        seed: int,
        only: str | Mapping[str, str] | None = None,
    ) -> "TrainState":
        """The state before the first step.

        Args:
            model: Initialised from the seed.
            optimizer: Initialised from the model's parameters; or several by name.
            seed: 0 <= seed < 2**64.
            only: Which parameters the optimizer trains, as a pattern of their paths
                (`"head/*"`); of several optimizers, patterns by name, and those that are not
                named see all. The step says the same.

        Raises:
            OptimError: a pattern matches nothing, or names no optimizer; `only` is a mapping for
                one optimizer, or a single pattern for several.
            KeyDataError: the seed is out of range.
            ModelError: `model` is no model, or has no parameter that requires a gradient.

        Example:
            >>> from artifact_fn.optim import sgd
            >>> from artifact_fn.training.functional import functional
            >>> model = functional(lambda: torch.nn.Linear(3, 2))
            >>> list(TrainState.create(model, sgd(0.1), seed=0).params)
            ['weight', 'bias']
        """
        check_model(model)
        for part in optimizer.values() if isinstance(optimizer, Mapping) else [optimizer]:
            check_rule_at_end(part)
        key = random.key(seed)
        params, buffers = model.init(seed)
        if not params:
            raise ModelError(
                "there is nothing to train",
                got="a model without parameters that require gradients",
                do="leave requires_grad=True on what shall be trained",
            )
        step = torch.zeros((), dtype=torch.int64)
        if not isinstance(optimizer, Mapping):
            if not isinstance(only, str | None):
                raise OptimError(
                    "one optimizer trains the parameters of one pattern",
                    got=f"only={only!r}",
                    do="give the pattern, only='head/*', or name the optimizer: "
                    "create(model, {'head': optimizer}, only={'head': 'head/*'})",
                )
            return cls(step, params, buffers, optimizer.init(selected_params(params, only)), key)
        if isinstance(only, str):
            raise OptimError(
                "each of several optimizers has a pattern of its own",
                got=f"only={only!r}",
                do=f"say of which it is: only={{{next(iter(optimizer), 'name')!r}: {only!r}}}",
            )
        patterns = dict(only or {})
        for name in patterns.keys() - optimizer.keys():
            raise OptimError(
                f"no optimizer is called {name!r}",
                got=f"optimizers {', '.join(optimizer)}",
                do="name one of them in only",
            )
        opt_state = {
            name: part.init(selected_params(params, patterns.get(name)))
            for name, part in optimizer.items()
        }
        return cls(step, params, buffers, opt_state, key)

    @property
    def steps(self) -> int:
        """Steps done; of an ensemble, by the member that has done most. Reads the device."""
        return int(self.step.max())

    def __repr__(self) -> str:
        count = sum(param.numel() for param in self.params.values())
        # A list of them for the members of an ensemble.
        return f"TrainState(step={self.step.tolist()}, {count:,} parameters)"

    def __rich_repr__(self) -> Iterator[Any]:
        """For rich: the step, and how much of what it holds."""
        yield "step", self.step.tolist()
        for name in ("params", "buffers"):
            held: dict[str, Tensor] = getattr(self, name)
            yield name, f"{sum(t.numel() for t in held.values()):,} in {len(held)} tensors"
        yield "device", str(self.step.device)

    def _repr_html_(self) -> str:
        from artifact_fn.training.summary import summary  # which is made of a state

        return f"<p><b>{self!r}</b></p>{summary(self)._repr_html_()}"


def selected_params(params: Params, pattern: str | None) -> Params:
    """The parameters whose path matches a pattern: `"critic/*"`.

    `*` stands for anything; `/` and `.` are the same.

    Raises:
        OptimError: none does.

    Example:
        >>> list(selected_params({"a.weight": torch.ones(1), "b.weight": torch.ones(1)}, "a/*"))
        ['a.weight']
    """
    if pattern is None:
        return params
    pattern = pattern.replace(".", "/")
    chosen = {p: t for p, t in params.items() if path_matches(p.replace(".", "/"), pattern)}
    if not chosen:
        raise OptimError(
            f"no parameter matches {pattern!r}",
            got=f"parameters {', '.join(path.replace('.', '/') for path in params)}",
            do="give a pattern of some of them, e.g. 'head/*'",
        )
    return chosen


def path_matches(path: str, pattern: str) -> bool:
    """Whether a path matches a pattern in which `*` stands for anything.

    Not fnmatch: this runs while a step is traced, where its cache of patterns is refused.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return path == pattern
    *middle, last = rest
    if not path.startswith(first) or len(path) < len(first) + len(last):
        return False
    at, end = len(first), len(path) - len(last)
    for part in middle:
        found = path.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return path.endswith(last)

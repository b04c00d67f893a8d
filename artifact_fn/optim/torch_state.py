"""Torch state: what a torch.optim optimizer knows, taken over by a rule, and given back.

Moments have torch's names, so what remains to translate are the hyperparameters, which torch
keeps in groups, and the count, which torch keeps for each parameter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim.leafwise import RuleState
from artifact_fn.optim.torch_groups import BUILT_IN, OF_PARAMETERS, from_group, into_group
from artifact_fn.optim.transform import Params, Rule

StateDict = Mapping[str, Any]


def from_torch(
    rule: Rule,
    state_dict: StateDict,
    params: Params,
    *,
    names: Sequence[str] | None = None,
    count: int | None = None,
) -> Any:
    """The state of a rule that goes on where an optimizer of torch.optim is.

    With the same options and gradients, the rule then makes the parameters that torch would make.
    The hyperparameters are those of torch's groups; a schedule of ours goes on from the count.

    Args:
        rule: Made with the options of torch's optimizer; may stand in a chain, `ema`, `swa` or
            `skip_nonfinite`, whose own states begin anew. Of `by_path`, give each pattern's rule
            its parameters; the state is the dict of the answers.
        state_dict: Of torch's optimizer.
        params: Those that the rule moves.
        names: The paths of all parameters of torch's optimizer, in its order; by default those of
            `params`. For `SGD(model.parameters())`: `[n for n, _ in model.named_parameters()]`.
        count: Updates done, where torch does not say (sgd, muon); by default 1 if there is a
            momentum buffer, else 0. Only schedules read it.

    Raises:
        OptimError: rule and optimizer do not fit each other, or parameters have been updated
            a different number of times.

    Example:
        >>> from artifact_fn.optim import adamw
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> theirs = torch.optim.AdamW([weight], lr=0.1)
        >>> weight.sum().backward()
        >>> theirs.step()
        >>> params = {"weight": weight.detach().clone()}
        >>> state = from_torch(adamw(), theirs.state_dict(), params)
        >>> state.count, state.hyper["lr"]
        (tensor(1), tensor(0.1000, dtype=torch.float64))
    """
    whole = rule.init(params)
    state = _only(whole)
    order = _order(names or list(params), state_dict)
    group = _group(rule, state, state_dict, [order[_known(path, order)] for path in params])
    kept = {path: state_dict["state"].get(order[path]) or {} for path in params}
    begun = [path for path in params if any(value is not None for value in kept[path].values())]
    steps = {int(kept[path]["step"]) for path in begun if "step" in kept[path]}
    if len(steps) > 1 or (begun and len(begun) < len(params)):
        raise OptimError(
            "a rule counts the updates of all its parameters together",
            got=f"torch's {sorted(steps)} updates, and {len(params) - len(begun)} parameters "
            "without a state",
            do="give parameters of different counts different rules by by_path",
        )
    done = steps.pop() if steps else count if count is not None else int(bool(begun))
    after = RuleState(
        torch.full_like(state.count, done),
        _hyper(state, group, kept[begun[0]] if begun else {}),
        {name: _moments(name, state, kept, params, bool(begun)) for name in state.moments},
    )
    for path in begun:
        extra = {n for n, value in kept[path].items() if value is not None}
        extra -= {"step", *OF_PARAMETERS, *state.moments}
        if extra:
            _unlike(f"torch's state of {path} with {sorted(extra)[0]!r}")
    return tree.map_records(lambda _: after, whole, RuleState)


def to_torch(
    rule: Rule, state_dict: StateDict, opt_state: Any, *, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """What an optimizer of torch.optim is to load to go on where a rule is.

    `optimizer.load_state_dict(to_torch(rule, optimizer.state_dict(), state.opt_state))`. torch
    casts what it loads to a parameter's dtype, the float32 scalars of NAdam and ASGD too; so with
    float64 parameters these two go on to rounding, and everything else bit for bit.

    Args:
        rule: Whose state it is.
        state_dict: Of a fresh optimizer, made with the rule's options. It is left as it is.
        opt_state: Of the rule.
        names: The paths of all parameters of torch's optimizer, in its order; by default those in
            the state.

    Returns:
        A new state_dict.

    Raises:
        OptimError: rule and optimizer do not fit each other.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> rule, params = sgd(0.1, momentum=0.9), {"weight": torch.ones(2)}
        >>> _, state = rule.update(params, rule.init(params), params)
        >>> theirs = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], momentum=0.9)
        >>> theirs.load_state_dict(to_torch(rule, theirs.state_dict(), state))
        >>> theirs.param_groups[0]["lr"]
        0.1
    """
    state = _only(opt_state)
    held = next(iter(state.moments.values()), {})
    order = _order(names or list(held) or _indices(state_dict), state_dict)
    places = {path: order[_known(path, order)] for path in held}
    group = _group(rule, state, state_dict, list(places.values()) or _indices(state_dict))
    # sgd and muon have no count; and sgd's buffer is made of its first gradient.
    counted = not set(state.moments) <= {"momentum_buffer"}
    entries = dict(state_dict["state"])
    for path, place in places.items():
        if not counted and not state.count:
            continue
        entry = {name: moment[path].clone() for name, moment in state.moments.items()}
        if counted:
            entry["step"] = torch.tensor(float(state.count), dtype=torch.float32)
        for name in OF_PARAMETERS:
            if name in state.hyper:
                entry[name] = state.hyper[name].float()
        entries[place] = entry
    changed = into_group(group, state.hyper)
    groups = [changed if each is group else dict(each) for each in state_dict["param_groups"]]
    return {**state_dict, "state": entries, "param_groups": groups}


def _only(opt_state: Any) -> RuleState:
    found = tree.records(opt_state, RuleState)
    if len(found) != 1:
        raise OptimError(
            "one rule is exchanged with one optimizer of torch",
            got=f"{len(found)} rules",
            do="take the rules of by_path or masked one by one, each with its parameters",
        )
    return found[0]


def _indices(state_dict: StateDict) -> list[int]:
    return [i for group in state_dict["param_groups"] for i in group["params"]]


def _order(names: Sequence[Any], state_dict: StateDict) -> dict[Any, int]:
    indices = _indices(state_dict)
    if len(indices) != len(names):
        raise OptimError(
            "torch numbers its parameters, and names tells what they are called",
            got=f"{len(names)} names for {len(indices)} parameters",
            do="give names=[name for name, _ in model.named_parameters()], in torch's order",
        )
    return dict(zip(names, indices, strict=True))


def _known(path: str, order: Mapping[Any, int]) -> str:
    if path not in order:
        raise OptimError(
            "each parameter of a rule is one of torch's optimizer",
            got=f"{path}, which is none of {list(order)}",
            do="give names=[name for name, _ in model.named_parameters()], in torch's order",
        )
    return path


def _group(rule: Rule, state: RuleState, state_dict: StateDict, indices: list[int]) -> Any:
    groups = [g for g in state_dict["param_groups"] if set(g["params"]) & set(indices)]
    if len(groups) != 1:
        raise OptimError(
            "the parameters of a rule are of one group of torch's optimizer",
            got=f"parameters of {len(groups)} groups",
            do="take the groups over one by one, each by a rule of by_path",
        )
    group = groups[0]
    for name, value in rule.options.items():
        theirs = group.get(name, value)
        if _plain(theirs) != _plain(value):
            _unlike(f"{name}={value!r} in ours and {theirs!r} in torch's")
    for name, value in from_group(group, state.hyper).items():
        ours = state.hyper[name].item()
        if value is None or (name in BUILT_IN and bool(ours) != bool(value)):
            _unlike(f"{name}={ours} in ours and {value} in torch's")
    return group


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(value)
    return None if value == "original" else value


def _hyper(
    state: RuleState, group: Mapping[str, Any], kept: Mapping[str, Any]
) -> dict[str, Tensor]:
    known = from_group(group, state.hyper) | {n: kept[n] for n in OF_PARAMETERS if n in kept}
    return {
        name: torch.full_like(ours, float(known[name])) if name in known else ours
        for name, ours in state.hyper.items()
    }


def _moments(
    name: str,
    state: RuleState,
    kept: Mapping[str, Mapping[str, Any]],
    params: Params,
    begun: bool,
) -> Params:
    found = {}
    for path, param in params.items():
        value = kept[path].get(name)
        if value is None and begun:
            _unlike(f"{name} in ours and none in torch's state of {path}")
        if value is None:
            value = state.moments[name][path]
        if value.shape != param.shape:
            raise OptimError(
                "a moment has the shape of its parameter",
                got=f"{name} of shape {list(value.shape)} for {path} of {list(param.shape)}",
                do="give names in the order in which torch's optimizer has its parameters",
            )
        found[path] = value.detach().to(param.device, param.dtype, copy=True)
    return found


def _unlike(difference: str) -> None:
    raise OptimError(
        "a rule takes over the state of an optimizer with its options",
        got=difference,
        do="make both with the same options",
    )

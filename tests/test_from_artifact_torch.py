"""From artifact-torch: each row of the page is done, and what it promises is there."""

import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from returns.unsafe import unsafe_perform_io
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import tree
from artifact_fn.data.place import place
from artifact_fn.folds import Epoch, Fold, any_of, every, first
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.trackers import Memory
from artifact_fn.training import (
    Experiment,
    Outcome,
    Routine,
    collected,
    diagnostics,
    eager,
    from_output,
    metrics,
    minimise,
    plots,
    reducers,
    taps,
    validation,
    with_plots,
)
from artifact_fn.training.names import legacy_names
from artifact_fn.training.reducers import Reducer
from tests.training.examples import columns, loader, parts

PAGE = Path(__file__).parent.parent / "docs" / "from_artifact_torch.md"

P = parts()
TRAIN, VAL = loader(16, 8), loader(10, 5)


def trained(*routines: Routine, epochs: int = 2, **folds: Any) -> Any:
    stream = af.epochs(P.step, P.state, TRAIN, routines=routines)
    return af.fit(stream, until=af.at_most(epochs), history=af.history(), **folds)


def scores(*routines: Routine) -> Mapping[str, float]:
    found: Mapping[str, float] = trained(*routines).last.scores
    return found


def artifacts(*routines: Routine) -> Mapping[str, Any]:
    found: Mapping[str, Any] = trained(*routines).last.artifacts
    return found


def evaluated(**more: Any) -> Routine:
    return af.evaluation("val", P.objective, VAL, **more)


def ends(stopper: Any, losses: list[float], name: str = "val/loss") -> int:
    """The epoch after which a run of these losses ends."""
    stream = [Epoch(i + 1, None, {name: loss}) for i, loss in enumerate(losses)]
    return af.fit(stream, until=stopper).last.index


class WithLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 1)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"t_loss": (self.line(batch["x"])[:, 0] - batch["y"]).square().mean()}


def loss_in_forward() -> None:
    model, rule = af.functional(WithLoss), af.optim.sgd(0.1)
    step = af.train_step(minimise(model, from_output("t_loss")), rule)
    _, told = step(af.TrainState.create(model, rule, seed=0), columns(8))
    assert "loss" in told


def parameters() -> None:
    zero = tree.replace(P.state, params={k: torch.zeros_like(v) for k, v in P.state.params.items()})
    assert not any(leaf.any() for leaf in zero.params.values())
    assert any(leaf.any() for leaf in P.state.params.values())


def count() -> None:
    assert sum(p.numel() for p in P.state.params.values()) == 4 * 8 + 8 + 16 + 8 * 3 + 3


def optimizer() -> None:
    rule = af.optim.adamw(af.optim.cosine(3e-3, steps=100))
    step, state = af.train_step(P.objective, rule), af.TrainState.create(P.model, rule, seed=0)
    rates = []
    for _ in range(2):
        state, told = step(state, columns(8))
        rates.append(float(told["lr"].answer()))
    assert rates[1] < rates[0] == pytest.approx(3e-3)


def device() -> None:
    table = place(columns(8), "cpu")
    assert {leaf.device.type for leaf in table.values()} == {"cpu"}
    assert {leaf.device.type for leaf in tree.leaves(whole().state())} == {"cpu"}


def bound() -> None:
    assert ends(af.at_most(3), [1.0] * 9) == 3


def smaller() -> None:
    assert ends(af.patience("val/loss", 2), [3.0, 2.0, 2.0, 2.0, 2.0]) == 4


def larger() -> None:
    stopper = af.patience("val/ROC_AUC", 2, mode="max")
    assert ends(stopper, [0.5, 0.7, 0.6, 0.7, 0.1], "val/ROC_AUC") == 4


def patient() -> None:
    assert ends(af.patience("val/loss", 9) | af.at_most(3), [1.0] * 9) == 3


def tracker() -> None:
    best = trained(evaluated(), epochs=3, best=af.best("val/loss")).answers["best"]
    assert best.scores["val/loss"] == min(
        trained(evaluated(), epochs=3).answers["history"]["val/loss"]
    )
    assert best.state.params


def history() -> None:
    found = trained(evaluated(every=2), epochs=4).answers["history"]
    assert list(found.index) == [1, 2, 3, 4]
    assert list(found["val/loss"].isna()) == [True, False, True, False]


def latest() -> None:
    run = trained()
    assert (run.last.index, int(run.last.state.step)) == (2, 4)


def train_loss() -> None:
    assert np.isfinite(scores()["train/loss"])


def split_loss() -> None:
    assert np.isfinite(scores(evaluated())["val/loss"])


def activations_pdf() -> None:
    routine = with_plots(
        diagnostics(taps.activations(P.model)),
        pdf=plots.distributions("activations", axis="activation"),
    )
    figure = artifacts(routine)["train/pdf"]
    assert [panel.get_title() for panel in figure.axes] == ["0", "1", "2", "3", "4"]


def io_score() -> None:
    size = metrics.metric("size", lambda outputs, batch: outputs.abs().sum(1))
    assert scores(evaluated(metrics=[size]))["val/size"] > 0
    objective = af.supervised(P.model, F.cross_entropy, metrics=[size])
    assert af.evaluate(objective, P.state, VAL)["size"] > 0


def io_array() -> None:
    assert artifacts(evaluated())["val/confusion"].sum() == 10


def io_plot() -> None:
    routine = with_plots(evaluated(), matrix=plots.confusion())
    assert plots.is_figure(artifacts(routine)["val/matrix"])


def io_collections() -> None:
    def extract(seen: tuple[Any, ...]) -> dict[str, Any]:
        whole = torch.cat([one.outputs for one in seen])
        return {"mean": float(whole.mean()), "all": whole.numpy()}

    def step(seen: tuple[Any, ...], one: Outcome[Any, Any]) -> tuple[Any, ...]:
        return (*seen, one)

    fold: Fold[Any, Any, Any] = Fold(tuple, step, extract)
    routine = collected("val", P.objective, VAL, {"outputs": fold})
    epoch = trained(routine).last
    assert epoch.artifacts["val/outputs/all"].shape == (10, 3)
    assert epoch.scores["val/outputs/mean"] == pytest.approx(
        epoch.artifacts["val/outputs/all"].mean(), abs=1e-6
    )


def forward_scores() -> None:
    found = scores(diagnostics(taps.activations(P.model, reduce=[reducers.std()])))
    assert found["train/activations/0/std"] != found["train/activations/4/std"]


def forward_arrays() -> None:
    tap = taps.activations(P.model, "4", reduce=[reducers.histogram(), reducers.sample(256)])
    found = artifacts(diagnostics(tap))
    assert found["train/activations/4/histogram"].sum() == 16 * 3
    assert found["train/activations/4/sample"].shape == (256,)


def forward_plots() -> None:
    def each(results: Mapping[str, Any]) -> dict[str, Any]:
        draw = plots.bars("activations", axis="mean")
        return {"one": draw(results), "two": draw(results)}

    tap = taps.activations(P.model, reduce=[reducers.mean()])
    found = artifacts(with_plots(diagnostics(tap), layers=each))
    assert {"train/layers/one", "train/layers/two"} <= set(found)


def backward() -> None:
    found = scores(diagnostics(taps.activation_gradients(P.model), taps.gradients()))
    assert {"train/activation_gradients/4/std", "train/gradients/4.weight/norm"} <= set(found)
    kept = [reducers.histogram()]
    routine = with_plots(
        diagnostics(
            taps.activation_gradients(P.model, reduce=kept), taps.gradients("4*", reduce=kept)
        ),
        at_modules=plots.distributions("activation_gradients", axis="gradient"),
        of_parameters=plots.distributions("gradients", axis="gradient"),
    )
    made = artifacts(routine)
    assert made["train/gradients/4.weight/histogram"].sum() == 2 * 3 * 8
    assert plots.is_figure(made["train/at_modules"])
    assert plots.is_figure(made["train/of_parameters"])


def layers() -> None:
    assert taps.activations(P.model, "*").paths == ("0", "1", "2", "3", "4")
    assert taps.activations(P.model, "4").paths == ("4",)


def own_reducer() -> None:
    smallest = Reducer("smallest", lambda x, key: metrics.Minimum(x.amin()))
    routine = diagnostics(taps.activations(P.model, "2", reduce=[smallest]))
    assert scores(routine)["train/activations/2/smallest"] == 0.0


def train_diagnostics() -> None:
    found = trained(diagnostics(taps.gradient_norms(), every=2), epochs=4).answers["history"]
    assert list(found["train/gradient_norm/0"].isna()) == [True, False, True, False]


def loader_routine() -> None:
    routines = [
        evaluated(taps=[taps.activations(P.model)], every=1),
        af.evaluation("test", P.objective, VAL, every=2),
    ]
    found = scores(*routines)
    assert {"val/activations/0/mean", "test/loss"} <= set(found)
    assert "test/activations/0/mean" not in found


def artifact_routine() -> None:
    generated = []

    def judge(state: Any) -> dict[str, Any]:
        generated.append(int(state.step))
        return {"STEPS": float(state.step), "BY_CLASS": {"a": 0.5}, "TABLE": np.ones(2)}

    epoch = trained(validation("val", judge, every=3), epochs=4).last
    assert generated == [0, 6], "once to learn what it makes, then when it is due"
    assert "val/STEPS" not in epoch.scores
    found = trained(validation("val", judge)).last
    assert found.scores["val/BY_CLASS/a"] == 0.5
    assert found.artifacts["val/TABLE"].shape == (2,)


def cadence() -> None:
    due = trained(evaluated(every=any_of(first(), every(3))), epochs=4).answers["history"]
    assert list(due["val/loss"].notna()) == [True, False, True, False]


def plan() -> None:
    plan = (taps.gradient_norms(), taps.update_ratios())
    assert "train/update_ratio/0" in scores(diagnostics(*plan))


def splits() -> None:
    assert "fold_3/loss" in scores(af.evaluation("fold_3", P.objective, VAL))


def whole() -> Experiment:
    return Experiment(
        model=P.model,
        objective=P.objective,
        optimizer=P.optimizer,
        data={"train": TRAIN, "val": VAL},
        routines=(
            with_plots(
                af.evaluation("val", P.objective, taps=[taps.dead_units(P.model)]),
                matrix=plots.confusion(),
            ),
            diagnostics(taps.gradient_norms(), every=2),
        ),
        until=af.at_most(2),
        device="cpu",
        wrap=eager,
    )


def experiment() -> None:
    run = whole().fit()
    assert {"val/loss", "val/dead_units/2", "train/gradient_norm/0"} <= set(run.last.scores)
    assert plots.is_figure(run.last.artifacts["val/matrix"])
    unwatched = attrs.evolve(whole(), routines=()).fit()
    assert tree.digest(run.last.state) == tree.digest(unwatched.last.state)


@functools.cache  # of three rows
def in_a_directory() -> None:
    """Run, checkpoints, resume, tracker; the state is that of a run in memory."""
    longer = attrs.evolve(whole(), until=af.at_most(4))
    memory = Memory()
    with tempfile.TemporaryDirectory() as root:
        where = Path(root) / "run"
        unsafe_perform_io(
            af.run(whole(), where, saving=Saving(epochs=2), trackers=[memory]).unwrap()
        )
        run = unsafe_perform_io(af.resume(longer, where, allow={"until"}).unwrap())
        found = unsafe_perform_io(af.load_run(where).unwrap())
    assert run.last.index == 4
    assert tree.digest(found.state) == tree.digest(longer.fit().last.state)
    assert len(memory.runs) == 1


def names() -> None:
    frame = pd.DataFrame({"train/loss": [1.0], "again/loss": [1.0], "val/LOSS_VAL": [1.0]})
    renamed = list(legacy_names(frame, splits={"again": "TRAIN"}).columns)
    assert renamed == ["LOSS_EPOCH", "LOSS_TRAIN", "LOSS_VAL"]


ROWS: dict[str, Callable[[], None]] = {
    "`Model.forward` returns `t_loss`": loss_in_forward,
    "`Model.params`, `load_params`": parameters,
    "`Model.param_count`": count,
    "`CustomTrainer._get_optimizer`": optimizer,
    "`_get_scheduler` (stepped every batch)": optimizer,
    "`_get_device`": device,
    "`_get_early_stopper`: `EpochBoundStopper(n)`": bound,
    "`ScoreMinimizationStopper(patience)`": smaller,
    "`ScoreMaximizationStopper(patience)`": larger,
    "`PatienceStopper(patience, max_n_epochs)`": patient,
    "`_get_stopper_update_data`": smaller,
    "`_get_model_tracker`, `_get_model_tracking_criterion`": tracker,
    "`Trainer.best_model_state`": tracker,
    "`Trainer.epoch_scores`": history,
    "`Trainer.latest_model_state`, `n_epochs_elapsed`": latest,
    "`LossCallback` in train diagnostics, `LOSS_EPOCH`": train_loss,
    "`LossCallback` of a loader routine, `LOSS_VAL`": split_loss,
    "`AllActivationsPDF`": activations_pdf,
    "`ModelIOScoreCallback`": io_score,
    "`ModelIOArrayCallback`": io_array,
    "`ModelIOPlotCallback`": io_plot,
    "`ModelIOScoreCollectionCallback`, `ModelIOArrayCollectionCallback`, "
    "`ModelIOPlotCollectionCallback`": io_collections,
    "`ForwardHookScoreCallback`, `ForwardHookScoreCollectionCallback`": forward_scores,
    "`ForwardHookArrayCallback`, `ForwardHookArrayCollectionCallback`": forward_arrays,
    "`ForwardHookPlotCallback`, `ForwardHookPlotCollectionCallback`": forward_plots,
    "`BackwardHookScoreCallback` and its five sisters": backward,
    "`_get_layers(model)`": layers,
    "`_hook`, `_aggregate`": own_reducer,
    "`TrainDiagnosticsRoutine`": train_diagnostics,
    "`DataLoaderRoutine` with plans for each split": loader_routine,
    "`ArtifactRoutine`, `_generate_artifact_resources`, `_get_period(split)`": artifact_routine,
    "`PeriodicCallback(period)`": cadence,
    "`ModelIOPlan`, `ForwardHookPlan`, `BackwardHookPlan`": plan,
    "`DataSplit`": splits,
    "`Experiment.build(model, data_loaders, ...)`, `.run()`": experiment,
    "`_get_checkpoint_period`, `CheckpointCallback(period)`": in_a_directory,
    "`Trainer.load_checkpoint(path)`": in_a_directory,
    "the tracking client, `file_writer`": in_a_directory,
    "keys such as `LOSS_VAL`": names,
}


@pytest.mark.parametrize("row", ROWS)
def test_what_the_row_says_is_done(row: str) -> None:
    ROWS[row]()


def test_every_row_of_the_page_has_a_test() -> None:
    text = PAGE.read_text(encoding="utf-8")
    first_cells = [line[0] for line in re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)]
    assert [cell for cell in first_cells if cell != "artifact-torch"] == list(ROWS)

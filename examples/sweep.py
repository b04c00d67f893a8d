"""A sweep: learning rates and widths on scikit-learn's breast cancer data, by Ray Tune.

    python examples/sweep.py [--trials 8] [--workers 2] [--seeds 4] [--epochs 27] [--optuna] [--out DIR]

Starts a Ray cluster of its own: a head and as many workers of one core each, all on this machine.
Each trial is an ensemble of a few seeds, so that a point is judged by the mean of several runs
and not by luck; successive halving ends the worse ones early. Prints what was tried, and reads
the best trial's run directory again. The last line is one JSON object.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import ray
import torch.nn.functional as F
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune.schedulers import ASHAScheduler
from returns.unsafe import unsafe_perform_io
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn

import artifact_fn as af
from artifact_fn.folds import interval
from artifact_fn.runs.sweeps import sweep
from artifact_fn.training import best_of_each, eager, ensemble, evaluate_each, train_each


def loaders() -> tuple[af.Loader, af.Loader]:
    """128 rows to train on and the rest to judge by, standardised by the first."""
    measurements, benign = load_breast_cancer(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        measurements, benign, train_size=128, stratify=benign, random_state=0
    )
    mean, std = x.mean(axis=0), x.std(axis=0)
    train = af.Table({"x": (x - mean) / std, "y": y})
    val = af.Table({"x": (x_val - mean) / std, "y": y_val})
    return af.Loader(train, 32), af.Loader(val, len(val))


@attrs.frozen
class Workflow:
    """A point, `lr` and `width`, to an ensemble of a few seeds there.

    Attributes:
        seeds: How many.
        epochs: At most.
        compiled: Whether steps are compiled.
    """

    seeds: int
    epochs: int
    compiled: bool

    def __call__(self, point: Mapping[str, Any]) -> af.Experiment:
        """The experiment at a point."""
        width, (train, val) = point["width"], loaders()
        model = af.functional(
            lambda: nn.Sequential(
                nn.Linear(30, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Linear(width, 2),
            )
        )
        objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
        optimizer = af.optim.adamw(point["lr"])
        one = af.Experiment(
            model=model,
            objective=objective,
            optimizer=optimizer,
            data={"train": train, "val": val},
            until=af.at_most(self.epochs),
            wrap=af.compiled if self.compiled else eager,
        )
        together = ensemble(model, optimizer, seeds=self.seeds)
        return train_each(
            together,
            one,
            routines=[evaluate_each(together, "val", objective, val)],
            select=best_of_each("val/loss", len(together)),
        )


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """A head without a core and workers with one each, on loopback; nothing is told to anybody."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Not 127.0.0.1, in whose place Ray would look for an address that others can reach.
    node = {"node_ip_address": "127.0.0.2", "object_store_memory": 80 * 2**20}
    made = Cluster(
        initialize_head=True, head_node_args={**node, "num_cpus": 0, "include_dashboard": False}
    )
    try:
        for _ in range(workers):
            made.add_node(**node, num_cpus=1)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        made.wait_for_nodes()
        yield
    finally:
        ray.shutdown()
        made.shutdown()


def main() -> None:
    """Sweep, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=8, help="points that are tried (8)")
    parser.add_argument("--workers", type=int, default=2, help="of the cluster (2)")
    parser.add_argument("--seeds", type=int, default=4, help="of each trial (4)")
    parser.add_argument("--epochs", type=int, default=27, help="at most so many (27)")
    parser.add_argument("--optuna", action="store_true", help="let Optuna choose the points")
    parser.add_argument("--compiled", action="store_true", help="compile each trial's step")
    parser.add_argument("--out", type=Path, help="where the sweep goes")
    options = parser.parse_args()
    directory = options.out or Path(tempfile.mkdtemp()) / "sweep"

    searcher = None
    if options.optuna:
        from ray.tune.search.optuna import OptunaSearch

        searcher = OptunaSearch(seed=0)
    with cluster(options.workers):
        outcome = sweep(
            Workflow(options.seeds, options.epochs, options.compiled),
            {"lr": tune.loguniform(1e-4, 1e-1), "width": tune.choice([8, 16, 32])},
            directory,
            score="val/loss",
            trials=options.trials,
            scheduler=ASHAScheduler(
                time_attr="epoch", max_t=options.epochs, grace_period=3, reduction_factor=3
            ),
            searcher=searcher,
        )
    swept = unsafe_perform_io(outcome.unwrap())
    print(swept.table.sort_values("val/loss").to_string())
    best = swept.best
    assert best is not None

    recorded = unsafe_perform_io(af.load_run(best.directory).unwrap())
    seeds = interval(recorded.selected.score.tolist())
    print(f"best: {best.directory}")
    print(f"val/loss of its {options.seeds} seeds, each at its best epoch: {seeds}")
    print(
        json.dumps(
            {
                "trials": len(swept.trials),
                "stopped_early": sum(trial.status == "stopped" for trial in swept.trials),
                "failed": sum(trial.status == "failed" for trial in swept.trials),
                "epochs": sum(trial.epochs for trial in swept.trials),
                "best": best.point,
                "val/loss": best.score,
                "loaded_epochs": len(recorded.history),
                "members": len(recorded.selected.score),
            }
        )
    )


if __name__ == "__main__":
    main()

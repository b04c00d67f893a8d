"""artifact-torch's table demo, with its public classes: python -m tests.bench.peers.torch_table CSV."""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import torch
from artifact_experiment.tracking import DataSplit, FilesystemTrackingClient
from artifact_torch import table_comparison as tables
from artifact_torch.nn import DataLoader, Dataset, Trainer
from artifact_torch.nn.routines import DataLoaderRoutine, TrainDiagnosticsRoutine

from tests.bench.demos import given
from tests.bench.peers.torch_shared import ACTIVATIONS, Settings, artifact_plan, finished, losses

PLAN = artifact_plan(
    tables.TableComparisonPlan,
    {
        "score": (tables.TableComparisonScoreType, given.TABLE_SCORES),
        "plot": (tables.TableComparisonPlotType, given.TABLE_PLOTS),
        "score_collection": (
            tables.TableComparisonScoreCollectionType,
            given.TABLE_SCORE_COLLECTIONS,
        ),
        "array_collection": (
            tables.TableComparisonArrayCollectionType,
            given.TABLE_ARRAY_COLLECTIONS,
        ),
        "plot_collection": (tables.TableComparisonPlotCollectionType, given.TABLE_PLOT_COLLECTIONS),
    },
)
EACH_FIFTH, SWEPT = losses(given.EVERY), losses(given.EVERY)


class Rows(Dataset[Any]):
    def __init__(self, codes: np.ndarray) -> None:
        self.codes = torch.from_numpy(codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, i: int) -> Any:
        return {"codes": self.codes[i]}


class Synthesizer(tables.TableSynthesizer[Any, Any, Any]):
    def __init__(self, table: given.Codes) -> None:
        super().__init__()
        self.table = table
        self.network = given.Autoencoder(table.sizes)

    def forward(self, model_input: Any, *args: Any, **kwargs: Any) -> Any:
        codes = model_input["codes"]
        mean, log_variance = self.network.encode(codes)
        latent = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        logits = self.network.decode(latent)
        return {"t_loss": given.negative_elbo(logits, codes, mean, log_variance)}

    @torch.no_grad()
    def generate(self, params: Any) -> pd.DataFrame:
        self.eval()
        logits = self.network.decode(torch.randn(params["n_records"], given.LATENT))
        drawn = [
            torch.distributions.Categorical(logits=each / params["temperature"]).sample()
            for each in logits
        ]
        within = np.random.random((params["n_records"], len(given.CONTINUOUS)))
        return self.table.frame(torch.stack(drawn, 1).numpy(), within)


class Training(Settings, Trainer[Any, Any, Any, Any, Any]):
    epochs = given.TABLE_EPOCHS


class Diagnostics(TrainDiagnosticsRoutine[Any, Any, Any]):
    @classmethod
    def _get_model_io_plan(cls) -> Any:
        return EACH_FIFTH

    @classmethod
    def _get_forward_hook_plan(cls) -> Any:
        return None

    @classmethod
    def _get_backward_hook_plan(cls) -> Any:
        return None


class Sweeps(DataLoaderRoutine[Any, Any, Any]):
    @classmethod
    def _get_model_io_plan(cls, data_split: DataSplit) -> Any:
        return SWEPT if data_split is DataSplit.TRAIN else None

    @classmethod
    def _get_forward_hook_plan(cls, data_split: DataSplit) -> Any:
        return ACTIVATIONS if data_split is DataSplit.TRAIN else None


class Artifacts(tables.TableComparisonRoutine[Any]):
    @classmethod
    def _get_period(cls, data_split: DataSplit) -> int | None:
        return given.EVERY if data_split is DataSplit.TRAIN else None

    @classmethod
    def _get_artifact_plan(cls, data_split: DataSplit) -> Any:
        return PLAN if data_split is DataSplit.TRAIN else None

    @classmethod
    def _get_generation_params(cls) -> Any:
        return {"n_records": given.ROWS, "temperature": given.TEMPERATURE}


class Demo(tables.TabularSynthesisExperiment[Any, Any, Any, Any]):
    @classmethod
    def _get_trainer(cls) -> Any:
        return Training

    @classmethod
    def _get_train_diagnostics_routine(cls) -> Any:
        return Diagnostics

    @classmethod
    def _get_loader_routine(cls) -> Any:
        return Sweeps

    @classmethod
    def _get_artifact_routine(cls) -> Any:
        return Artifacts


def main(path: str) -> None:
    real = pd.read_csv(path)
    spec = tables.TabularDataSpec.from_df(
        real, cts_features=given.CONTINUOUS, cat_features=given.CATEGORICAL
    )
    table = given.Codes(real)
    client = FilesystemTrackingClient.build(experiment_id="demo")
    demo = Demo.build(
        model=Synthesizer(table),
        data_loaders={
            DataSplit.TRAIN: DataLoader(
                dataset=Rows(table.codes), batch_size=given.TABLE_BATCH, shuffle=True
            )
        },
        artifact_routine_data={DataSplit.TRAIN: tables.TableComparisonRoutineData(df_real=real)},
        artifact_routine_data_spec=spec,
        tracking_client=client,
    )
    demo.run()
    finished(client)
    scores = demo.epoch_scores
    print(json.dumps({name: float(scores[name].dropna().iloc[-1]) for name in scores}))


if __name__ == "__main__":
    main(sys.argv[1])

"""artifact-torch's binary demo, with its public classes: python -m tests.bench.peers.torch_binary CSV."""

import json
import sys
from typing import Any

import pandas as pd
import torch
from artifact_experiment.tracking import DataSplit, FilesystemTrackingClient
from artifact_torch import binary_classification as binary
from artifact_torch.nn import DataLoader, Dataset, Trainer
from artifact_torch.nn.routines import DataLoaderRoutine, TrainDiagnosticsRoutine

from tests.bench.demos import given
from tests.bench.peers.torch_shared import (  # fmt: skip
    ACTIVATIONS,
    BOTH,
    Settings,
    artifact_plan,
    finished,
    losses,
)

SPEC = binary.BinaryClassSpec(class_names=["0", "1"], positive_class="1", label_name=given.LABEL)
PLAN = artifact_plan(
    binary.BinaryClassificationPlan,
    {
        "score": (binary.BinaryClassificationScoreType, given.BINARY_SCORES),
        "plot": (binary.BinaryClassificationPlotType, given.BINARY_PLOTS),
        "score_collection": (
            binary.BinaryClassificationScoreCollectionType,
            given.BINARY_SCORE_COLLECTIONS,
        ),
        "plot_collection": (
            binary.BinaryClassificationPlotCollectionType,
            given.BINARY_PLOT_COLLECTIONS,
        ),
    },
)
EACH_EPOCH, EACH_FIFTH = losses(1), losses(given.EVERY)


class Rows(Dataset[Any]):
    def __init__(self, frame: pd.DataFrame) -> None:
        self.x = torch.tensor(frame[given.FEATURES].to_numpy(), dtype=torch.float32)
        self.y = torch.tensor(frame[given.LABEL].to_numpy(), dtype=torch.long)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        return {"x": self.x[i], "y": self.y[i]}


class Classifier(binary.BinaryClassifier[Any, Any, Any, pd.DataFrame]):
    def __init__(self) -> None:
        super().__init__()
        self.network = given.perceptron()

    def forward(self, model_input: Any, *args: Any, **kwargs: Any) -> Any:
        logits = self.network(model_input["x"])
        loss = torch.nn.functional.cross_entropy(logits, model_input["y"])
        return {"logits": logits, "t_loss": loss}

    @torch.no_grad()
    def classify(self, data: pd.DataFrame, params: Any) -> binary.BinaryClassificationResults:
        x = torch.from_numpy(data[given.FEATURES].to_numpy(dtype="float32"))
        chance = torch.softmax(self.network(x), 1)[:, SPEC.positive_class_idx]
        rows = data.index.tolist()
        names = [SPEC.positive_class if p >= params["threshold"] else SPEC.negative_class for p in chance.tolist()]  # fmt: skip
        return binary.BinaryClassificationResults.build(
            class_names=SPEC.class_names,
            positive_class=SPEC.positive_class,
            id_to_class=dict(zip(rows, names, strict=True)),
            id_to_prob_pos=dict(zip(rows, chance.tolist(), strict=True)),
        )


class Training(Settings, Trainer[Any, Any, Any, Any, Any]):
    epochs = given.BINARY_EPOCHS


class Diagnostics(TrainDiagnosticsRoutine[Any, Any, Any]):
    @classmethod
    def _get_model_io_plan(cls) -> Any:
        return EACH_EPOCH

    @classmethod
    def _get_forward_hook_plan(cls) -> Any:
        return None

    @classmethod
    def _get_backward_hook_plan(cls) -> Any:
        return None


class Sweeps(DataLoaderRoutine[Any, Any, Any]):
    @classmethod
    def _get_model_io_plan(cls, data_split: DataSplit) -> Any:
        return EACH_FIFTH if data_split in BOTH else None

    @classmethod
    def _get_forward_hook_plan(cls, data_split: DataSplit) -> Any:
        return ACTIVATIONS if data_split is DataSplit.TRAIN else None


class Artifacts(binary.BinaryClassificationRoutine[Any, pd.DataFrame]):
    @classmethod
    def _get_period(cls, data_split: DataSplit) -> int | None:
        return given.EVERY if data_split in BOTH else None

    @classmethod
    def _get_artifact_plan(cls, data_split: DataSplit) -> Any:
        return PLAN if data_split in BOTH else None

    @classmethod
    def _get_classification_params(cls) -> Any:
        return {"threshold": given.THRESHOLD}


class Demo(binary.BinaryClassificationExperiment[Any, Any, Any, Any, pd.DataFrame]):
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
    frames = dict(zip(BOTH, given.people(path), strict=True))
    client = FilesystemTrackingClient.build(experiment_id="demo")
    demo = Demo.build(
        model=Classifier(),
        data_loaders={
            split: DataLoader(dataset=Rows(frame), batch_size=given.BINARY_BATCH, shuffle=True)
            for split, frame in frames.items()
        },
        artifact_routine_data={
            split: binary.BinaryClassificationRoutineData(
                true_class_store=binary.BinaryClassStore.from_class_names_and_spec(
                    class_spec=SPEC, id_to_class={i: str(y) for i, y in frame[given.LABEL].items()}
                ),
                classification_data=frame.drop(columns=given.LABEL),
            )
            for split, frame in frames.items()
        },
        artifact_routine_data_spec=SPEC,
        tracking_client=client,
    )
    demo.run()
    finished(client)
    scores = demo.epoch_scores
    print(json.dumps({name: float(scores[name].dropna().iloc[-1]) for name in scores}))


if __name__ == "__main__":
    main(sys.argv[1])

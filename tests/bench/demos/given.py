"""Given: what both manners of a demo have in common: data, modules and figures of the set-up.

Imports nothing but torch, numpy and pandas, since it is read in two environments.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

RATE, EVERY = 1e-3, 5
"""Adam's; and how many epochs apart artifacts, evaluations and checkpoints are."""

BINARY_EPOCHS, BINARY_BATCH, THRESHOLD, HELD_OUT = 50, 64, 0.5, 0.2
FEATURES, LABEL = ["weight", "height", "age", "bmi"], "arthritis_true"
BINARY_SCORES = ("PRECISION", "RECALL", "ROC_AUC", "PR_AUC")
BINARY_PLOTS = ("SCORE_PDF", "GROUND_TRUTH_PROB_PDF")
BINARY_SCORE_COLLECTIONS = ("SCORE_MEANS", "SCORE_STDS", "SCORE_STATS")
BINARY_PLOT_COLLECTIONS = ("THRESHOLD_VARIATION_CURVES", "CONFUSION_MATRIX_PLOTS")

TABLE_EPOCHS, TABLE_BATCH, ROWS, TEMPERATURE, BETA = 100, 512, 1000, 1.0, 0.1
CONTINUOUS = ["Age", "RestingBP", "Cholesterol", "MaxHR", "Oldpeak"]
CATEGORICAL = ["Sex", "ChestPainType", "FastingBS", "RestingECG", "ExerciseAngina", "ST_Slope", "HeartDisease"]  # fmt: skip
TABLE_SCORES = ("MEAN_JS_DISTANCE", "CORRELATION_DISTANCE")
TABLE_PLOTS = ("PDF", "CDF", "DESCRIPTIVE_STATS_ALIGNMENT", "PCA_JUXTAPOSITION", "CORRELATION_HEATMAP_JUXTAPOSITION")  # fmt: skip
TABLE_SCORE_COLLECTIONS = ("JS_DISTANCE",)
TABLE_ARRAY_COLLECTIONS = ("MEAN_JUXTAPOSITION", "STD_JUXTAPOSITION", "MIN_JUXTAPOSITION", "MAX_JUXTAPOSITION")  # fmt: skip
TABLE_PLOT_COLLECTIONS = ("PDF", "CDF")

SLOPE = 0.1
LATENT = 128


def people(path: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to train with, and a fifth of them held out."""
    from sklearn.model_selection import train_test_split

    train, held = train_test_split(
        pd.read_csv(path), test_size=HELD_OUT, random_state=42, shuffle=True
    )
    return train, held


def perceptron() -> nn.Sequential:
    """4 measurements to 2 logits: 135,938 parameters."""
    layers: list[nn.Module] = []
    for width, after in ((len(FEATURES), 512), (512, 256)):
        layers += [nn.Linear(width, after), nn.BatchNorm1d(after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Linear(256, 2))


class Codes:
    """A table as whole numbers: ten bins of equal width for a continuous column, labels by name.

    Args:
        frame: What is to be learnt.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.names = [str(name) for name in frame]
        self.edges: dict[str, np.ndarray] = {}
        self.labels: list[list[str]] = []
        columns = []
        for name in self.names:
            column = frame[name]
            if name in CONTINUOUS:
                column, self.edges[name] = pd.cut(column, 10, labels=False, retbins=True)
            texts = column.astype(str)
            self.labels.append(sorted(texts.unique()))
            columns.append(texts.map({text: i for i, text in enumerate(self.labels[-1])}))
        self.codes = np.stack([column.to_numpy(np.int64) for column in columns], axis=1)
        self.sizes = [len(labels) for labels in self.labels]

    def frame(self, codes: np.ndarray, within: np.ndarray) -> pd.DataFrame:
        """A table again; `within` [N, continuous columns] in [0, 1) says where in its bin a number is."""
        columns: dict[str, np.ndarray] = {}
        for i, (name, labels) in enumerate(zip(self.names, self.labels, strict=True)):
            texts = np.array(labels, dtype=object)[codes[:, i]]
            if name in self.edges:
                edges, bins = self.edges[name], texts.astype(int)
                at = within[:, list(self.edges).index(name)]
                columns[name] = edges[bins] + at * (edges[bins + 1] - edges[bins])
            else:
                columns[name] = texts
        return pd.DataFrame(columns)


class Autoencoder(nn.Module):
    """Embedded codes to a latent Gaussian and back: 448,850 parameters for the heart table."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, 8) for size in sizes)
        self.encoder = nn.Sequential(*block(8 * len(sizes), 512), *block(512, 256))
        self.mean, self.log_variance = nn.Linear(256, LATENT), nn.Linear(256, LATENT)
        self.decoder = nn.Sequential(*block(LATENT, 256), *block(256, 512))
        self.heads = nn.ModuleList(nn.Linear(512, size) for size in sizes)

    def encode(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, columns] to mean and log-variance [B, 128]."""
        embedded = [embed(codes[:, i]) for i, embed in enumerate(self.embeddings)]
        hidden = self.encoder(torch.cat(embedded, 1))
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, latent: Tensor) -> list[Tensor]:
        """Latent [B, 128] to logits [B, codes] for each column."""
        hidden = self.decoder(latent)
        return [head(hidden) for head in self.heads]


def block(width: int, after: int) -> list[nn.Module]:
    """A layer of the autoencoder."""
    return [nn.Linear(width, after), nn.LeakyReLU(SLOPE), nn.BatchNorm1d(after)]


def negative_elbo(
    logits: Sequence[Tensor], codes: Tensor, mean: Tensor, log_variance: Tensor
) -> Tensor:
    """Cross-entropies summed over columns, and a tenth of the divergence, a row."""
    missed = sum(
        nn.functional.cross_entropy(each, codes[:, i], reduction="sum")
        for i, each in enumerate(logits)
    )
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    total: Tensor = (missed + BETA * divergence) / len(codes)
    return total

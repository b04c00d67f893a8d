"""A table of torch.nn modules with inputs for each: what `functional` is tested on."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from artifact_fn import random
from artifact_fn.training import Arguments


def x(*shape: int) -> Tensor:
    """Normal numbers, the same for the same shape."""
    return random.normal(random.key(sum(shape) + 17 * len(shape)), shape)


def ids(*shape: int, below: int = 7) -> Tensor:
    """Numbers of classes."""
    return (random.uniform(random.key(len(shape)), shape) * below).to(torch.int64)


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 4), nn.Linear(4, 4)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Any:
        return self.decode(torch.tanh(self.encode(x)))


class Shared(nn.Module):
    """One submodule, with a BatchNorm, reachable by two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.again = nn.ModuleList([self.first])

    def forward(self, x: Tensor) -> Any:
        return self.again[0](torch.tanh(self.first(x)))


class Counting(nn.Module):
    """Integer, boolean and floating buffers, written in place and put anew."""

    calls: Tensor
    seen: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int32))
        self.register_buffer("seen", torch.zeros(4, dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(4, dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        self.seen = self.seen | (x.detach() > 0).any(0)
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0).double()
        return self.linear(x - self.mean.to(x.dtype))


class Complex(nn.Module):
    """Complex parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Any:
        return (x.to(torch.complex64) @ self.weight).abs()


class Pair(nn.Module):
    """Two inputs, the second by name."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor, *, scale: Tensor) -> Any:
        return {"out": self.linear(x) * scale, "scale": scale}


class Looped(nn.Module):
    """A parameter list, a parameter dict and control flow over them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ParameterList([nn.Parameter(torch.randn(4)) for _ in range(3)])
        self.named = nn.ParameterDict({"bias": nn.Parameter(torch.zeros(4))})

    def forward(self, x: Tensor) -> Any:
        for row in self.rows:
            x = torch.tanh(x * row)
        return x + self.named["bias"]


def encoder_layer(**options: Any) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, **options)


def weight_normed() -> Any:
    return parametrizations.weight_norm(nn.Linear(4, 3))


def spectral() -> Any:
    return parametrizations.spectral_norm(nn.Linear(4, 3))


def orthogonal() -> Any:
    return parametrizations.orthogonal(nn.Linear(4, 4))


Built = tuple[Callable[[], nn.Module], Any]

MODULES: dict[str, Built] = {
    "Linear": (lambda: nn.Linear(4, 3), x(5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False), x(5, 4)),
    "Bilinear": (lambda: nn.Bilinear(4, 3, 2), (x(5, 4), x(5, 3))),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Linear(4, 2)), x(5, 4)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), x(4, 2, 7)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, groups=1), x(4, 2, 7, 7)),
    "Conv2d reflect": (
        lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        x(2, 2, 5, 5),
    ),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2), x(2, 2, 4, 4, 4)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 3), x(4, 2, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), x(2, 2, 4, 4)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 2, 2), x(2, 2, 3, 3, 3)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), x(6, 4)),
    "BatchNorm1d momentum None": (lambda: nn.BatchNorm1d(4, momentum=None), x(6, 4)),
    "BatchNorm1d without statistics": (
        lambda: nn.BatchNorm1d(4, track_running_stats=False),
        x(6, 4),
    ),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), x(4, 3, 5, 5)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(3), x(4, 3, 2, 2, 2)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(3, affine=True), x(4, 3, 6)),
    "InstanceNorm2d": (
        lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        x(4, 3, 5, 5),
    ),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(3, affine=True), x(2, 3, 3, 3, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), x(3, 4, 5)),
    "LayerNorm": (lambda: nn.LayerNorm([3, 4]), x(5, 3, 4)),
    "RMSNorm": (lambda: nn.RMSNorm(4), x(5, 4)),
    "LocalResponseNorm": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.LocalResponseNorm(2)),
        x(2, 2, 3, 3),
    ),
    "RNN": (lambda: nn.RNN(4, 3, num_layers=2), x(6, 2, 4)),
    "RNN relu": (lambda: nn.RNN(4, 3, nonlinearity="relu", batch_first=True), x(2, 6, 4)),
    "LSTM": (lambda: nn.LSTM(4, 3, batch_first=True), x(2, 6, 4)),
    "LSTM deep, both ways": (lambda: nn.LSTM(4, 3, 2, bidirectional=True), x(6, 2, 4)),
    "LSTM projected": (lambda: nn.LSTM(4, 5, proj_size=2), x(6, 2, 4)),
    "GRU": (lambda: nn.GRU(4, 3, bidirectional=True), x(6, 2, 4)),
    "GRU from a state": (lambda: nn.GRU(4, 3), (x(6, 2, 4), x(1, 2, 3))),
    "RNNCell": (lambda: nn.RNNCell(4, 3), x(5, 4)),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), x(5, 4)),
    "GRUCell": (lambda: nn.GRUCell(4, 3), x(5, 4)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), (x(5, 3, 8),) * 3),
    "MultiheadAttention kdim": (
        lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True),
        (x(3, 5, 8), x(3, 4, 6), x(3, 4, 4)),
    ),
    "TransformerEncoderLayer": (encoder_layer, x(3, 5, 8)),
    "TransformerEncoderLayer norm first": (lambda: encoder_layer(norm_first=True), x(3, 5, 8)),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(encoder_layer(), 2, enable_nested_tensor=False),
        x(3, 5, 8),
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0),
        (x(5, 3, 8), x(4, 3, 8)),
    ),
    "Transformer": (
        lambda: nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True),
        (x(3, 5, 8), x(3, 4, 8)),
    ),
    "Embedding": (lambda: nn.Embedding(7, 4, padding_idx=0), ids(3, 5)),
    "Embedding scaled by frequency": (lambda: nn.Embedding(7, 4, scale_grad_by_freq=True), ids(9)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(7, 4, mode="mean"), ids(3, 5)),
    "EmbeddingBag sum": (lambda: nn.EmbeddingBag(7, 4, mode="sum"), ids(3, 5)),
    "PReLU": (lambda: nn.PReLU(3), x(4, 3)),
    "ReLU in place": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2)),
        x(5, 4),
    ),
    "GELU": (lambda: nn.Sequential(nn.Linear(4, 3), nn.GELU()), x(5, 4)),
    "SiLU": (lambda: nn.Sequential(nn.Linear(4, 3), nn.SiLU(inplace=True)), x(5, 4)),
    "GLU": (lambda: nn.Sequential(nn.Linear(4, 6), nn.GLU()), x(5, 4)),
    "Softmax": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)), x(5, 4)),
    "MaxPool2d": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2)), x(2, 2, 6, 6)),
    "AvgPool1d": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.AvgPool1d(2)), x(2, 2, 7)),
    "AdaptiveAvgPool2d": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        x(2, 2, 6, 6),
    ),
    "AdaptiveMaxPool1d": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.AdaptiveMaxPool1d(2)),
        x(2, 2, 7),
    ),
    "Upsample": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 2)),
        x(2, 2, 3, 3),
    ),
    "PixelShuffle": (lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.PixelShuffle(2)), x(2, 2, 3, 3)),
    "ZeroPad2d": (lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(2, 1, 3)), x(2, 2, 3, 3)),
    "Unfold": (lambda: nn.Sequential(nn.Unfold(2), nn.Linear(4, 2)), x(2, 2, 3, 3)),
    "Flatten and Unflatten": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Unflatten(1, (2, 2))),
        x(5, 2, 3),
    ),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), (x(5, 4), x(5, 4) + 1)),
    "weight_norm": (weight_normed, x(5, 4)),
    "spectral_norm": (spectral, x(5, 4)),
    "orthogonal": (orthogonal, x(5, 4)),
    "tied": (Tied, x(5, 4)),
    "shared": (Shared, x(5, 4)),
    "buffers of any dtype": (Counting, x(5, 4)),
    "complex": (Complex, x(5, 4)),
    "by name": (Pair, Arguments((x(5, 4),), {"scale": torch.tensor(2.0)})),
    "parameter containers": (Looped, x(5, 4)),
    "float64": (lambda: nn.Linear(4, 3).double(), x(5, 4).double()),
}

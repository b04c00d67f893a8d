"""A small transformer that learns to write, character by character.

    python examples/text_transformer.py [--epochs 12] [--eager] [--out DIR]

The text is made here, by a grammar of a few words, so that its entropy is known: no model can say
less about the next character than the grammar does. Trains with attention dropout, a warm-up and
an average of the weights; then writes a few words from keys. Draws the loss above its floor. The
last line printed is one JSON object.
"""

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.optim import averaged, ema
from artifact_fn.training import Model, minimise

GRAMMAR = (
    ("the ", "a ", "one "),
    ("old ", "red ", "small ", "quiet "),
    ("dog ", "cat ", "bird ", "fish "),
    ("sees ", "likes ", "follows "),
    ("me. ", "you. "),
)
LETTERS = sorted({letter for words in GRAMMAR for word in words for letter in word})
LENGTH = 48


def text(sentences: int, key: Tensor) -> str:
    """Sentences of the grammar, each word as likely as the others in its place."""
    drawn = random.uniform(key, (sentences, len(GRAMMAR)))
    return "".join(
        words[int(u * len(words))]
        for row in drawn.tolist()
        for u, words in zip(row, GRAMMAR, strict=True)
    )


def entropy() -> float:
    """Of the text, in nats a character: what a sentence chooses, over its mean length."""
    chosen = sum(math.log(len(words)) for words in GRAMMAR)
    return chosen / sum(sum(map(len, words)) / len(words) for words in GRAMMAR)


def windows(sentences: int, key: Tensor) -> af.Table:
    """Pieces of the text, each with the same piece one character later."""
    codes = torch.tensor([LETTERS.index(letter) for letter in text(sentences, key)])
    pieces = codes.unfold(0, LENGTH + 1, LENGTH // 2)
    return af.Table({"x": pieces[:, :-1].contiguous(), "y": pieces[:, 1:].contiguous()})


class Writer(nn.Module):
    """Characters [B, T] to logits of the next ones [B, T, letters]."""

    def __init__(self, width: int = 48, layers: int = 2) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.places = nn.Embedding(LENGTH, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.05, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, len(LETTERS))

    def forward(self, x: Tensor) -> Tensor:
        """Each place sees those before it."""
        count = x.shape[1]
        hidden = self.letters(x) + self.places(torch.arange(count, device=x.device))
        mask = torch.full((count, count), -math.inf, device=x.device).triu(1)
        logits: Tensor = self.head(self.body(hidden, mask=mask, is_causal=True))
        return logits


def written(model: Model, state: af.TrainState, key: Tensor, count: int = 90) -> str:
    """Text drawn from the model, one character after the other; the same for the same key."""
    codes = torch.tensor([[LETTERS.index(letter) for letter in "the "]])
    for place in range(count):
        seen = codes[:, -LENGTH:]
        logits, _ = model.apply(state.params, state.buffers, seen, key=state.key, training=False)
        chances = logits[0, -1].softmax(0).cumsum(0)
        drawn = random.uniform(random.fold_in(key, place))
        following = torch.searchsorted(chances, drawn).clamp(max=len(LETTERS) - 1)
        codes = torch.cat([codes, following.reshape(1, 1)], 1)
    return "".join(LETTERS[code] for code in codes[0].tolist())


def main(epochs: int, out: Path | None, *, eager: bool) -> dict[str, object]:
    """Train, write, draw."""
    train = af.Loader(windows(1500, random.key(1)), batch_size=32)
    val = af.Loader(windows(200, random.key(2)), batch_size=64)
    model = af.functional(Writer)
    objective = minimise(
        model, lambda logits, batch: F.cross_entropy(logits.mT, batch["y"]), inputs="x"
    )
    steps = epochs * (train.steps or 0)
    rate = af.optim.warmup(af.optim.cosine(3e-3, steps=steps - 30), steps=30)
    optimizer = ema(af.optim.chain(af.optim.clip_by_global_norm(1.0), af.optim.adamw(rate)), 0.98)
    step = af.train_step(objective, optimizer)
    stream = af.epochs(
        step if eager else af.compiled(step),
        af.TrainState.create(model, optimizer, seed=0),
        train,
        routines=[af.evaluation("val", objective, val, of=averaged)],
    )
    run = af.fit(af.progress(stream, best="val/loss"), until=af.at_most(epochs), h=af.history())
    floor = entropy()
    said = written(model, averaged(run.last.state), random.key(3))
    print(said)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        run.answers["h"][["train/loss", "val/loss"]].plot(ax=axes)
        axes.axhline(floor, color="grey", linestyle=":", label="entropy of the grammar")
        axes.set(ylabel="nats a character", yscale="log")
        axes.legend(frameon=False)
        figure.savefig(out / "text_transformer.png", dpi=120)
    words = {word.strip() for words in GRAMMAR for word in words}
    known = [word in words for word in said.split(" ")[:-1]]
    return {
        "val/loss": round(run.last.scores["val/loss"], 4),
        "entropy": round(floor, 4),
        "known_words": sum(known) / len(known),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--out", type=Path, help="where the picture goes")
    options = parser.parse_args()
    print(json.dumps(main(options.epochs, options.out, eager=options.eager)))

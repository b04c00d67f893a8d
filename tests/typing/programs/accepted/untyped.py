"""The string-keyed way needs no types, and a typed model may go through it."""

import torch.nn.functional as F
from torch import nn

import artifact_fn as af
from artifact_fn.training import Model, minimise
from tests.typing.programs.world import LOADER, OPTIMIZER, TRAIN, Classifier

model = af.functional(lambda: nn.Sequential(nn.Linear(3, 2)))
objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
step = af.train_step(objective, OPTIMIZER)
state = af.TrainState.create(model, OPTIMIZER, seed=0)
routine = af.evaluation("val", objective, LOADER)
run = af.fit(af.epochs(step, state, LOADER, routines=[routine]), until=af.at_most(1))
af.epochs(step, state, TRAIN)
SCORES = dict(run.last.scores)
typed_model: Model = af.functional(Classifier)
other = minimise(typed_model, lambda outputs, batch: outputs["logits"].mean())

"""A class, a function and a module make models of one type."""

from typing import reveal_type

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier, cross_entropy, drawn, two_steps

of_class = af.functional(Classifier)
of_function = af.functional(lambda: Classifier(8))
of_module = af.functional(drawn(Classifier))
reveal_type(of_class)  # reveals: Model[X, Hidden, Declared]
reveal_type(of_function)  # reveals: Model[X, Hidden, Declared]
reveal_type(of_module)  # reveals: Model[X, Hidden, Declared]
for model in (of_class, of_function, of_module):
    SCORES = two_steps(af.on(TRAIN).fit(model).minimise(cross_entropy))

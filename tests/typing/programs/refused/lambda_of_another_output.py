"""A lambda reads a key that there is not."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Classifier

pairing = af.on(TRAIN).fit(af.functional(Classifier))
# error: TypedDict "Hidden" has no key "recon"
pairing.minimise(lambda inputs, outputs: outputs["recon"])

"""A loss reads an output that the model does not answer."""

import artifact_fn as af
from tests.typing.programs.world import TRAIN, Autoencoder, cross_entropy

pairing = af.on(TRAIN).fit(af.functional(Autoencoder))
# error: Argument 1 to "minimise" of "Pairing" has incompatible type "Callable[[ReadsY, ReadsLogits], Tensor]"; expected "Callable[[XY, Recon], Tensor]"
pairing.minimise(cross_entropy)

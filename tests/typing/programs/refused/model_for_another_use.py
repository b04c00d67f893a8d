"""A model that answers less, or needs more, than is asked for."""

import artifact_fn as af
from tests.typing.programs.world import Autoencoder, Masked, use

autoencoder = af.functional(Autoencoder)
# error: has incompatible type "Model[X, Recon, Declared]"; expected "Model[X, Logits, Any]"
use(autoencoder)
masked = af.functional(Masked)
# error: has incompatible type "Model[XMask, Logits, Declared]"; expected "Model[X, Logits, Any]"
use(masked)

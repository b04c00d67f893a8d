"""The batches of a loader are dicts of any keys, unless they are typed."""

import artifact_fn as af
from tests.typing.programs.world import LOADER

# error: Value of type variable "I" of "on" cannot be "dict[str, Any]"
af.on(LOADER)

"""Selected: the weights that a run has chosen, as files for those who keep models."""

import json
from pathlib import Path

from artifact_fn.runs.recorded import read_run
from artifact_fn.runs.weights import export_weights


def export_selected(root: Path, to: Path) -> list[Path]:
    """Write the selected epoch's weights, or else the last ones, and say which they are.

    Args:
        root: Of the run.
        to: A directory, where `selected.safetensors` and `about.json` come to be.

    Returns:
        Both; none if the run has no checkpoint.

    Raises:
        Fault: the run cannot be read, or the files not written.
    """
    recorded = read_run(root)
    best = recorded.best
    state = recorded.state if best is None else best.state
    if state is None:
        return []
    weights, about = to / "selected.safetensors", to / "about.json"
    export_weights(state, weights)
    told = {"epoch": None if best is None else best.index, "step": state.steps}
    about.write_text(json.dumps(told))
    return [weights, about]

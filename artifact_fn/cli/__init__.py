"""Command line: `artifact-fn`, the programs of this package for a terminal and for scripts.

Exit codes: 0 all is well; 1 a run has failed, or the doctor has found something; 2 the command
itself is wrong; 128 + n a signal n has ended a run, saved.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: As on a command line; those of this process by default.

    Returns:
        The exit code.
    """
    try:
        from artifact_fn.cli.app import called
    except ModuleNotFoundError as missing:
        if missing.name not in ("cyclopts", "jinja2", "matplotlib", "PIL"):
            raise
        sys.stderr.write(
            f"error: the command line needs the extra `cli`\n"
            f"  got: no module {missing.name}\n"
            f'  do:  pip install "artifact-fn[cli]"\n'
        )
        return 2
    return called(sys.argv[1:] if arguments is None else list(arguments))

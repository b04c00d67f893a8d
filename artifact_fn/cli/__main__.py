"""`python -m artifact_fn.cli`: the same as `artifact-fn`."""

import sys

from artifact_fn.cli import main

if __name__ == "__main__":
    sys.exit(main())

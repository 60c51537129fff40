"""The command ``smartpix``, also as ``python -m smartpix``, whatever lies in the working directory."""

import sys

# Whoever comes here has imported smartpix, which has bound the name to the package beside it.
from tracking.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

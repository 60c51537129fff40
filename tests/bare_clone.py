"""`make bare`: `make demo` and `make test` of the README in a fresh clone, where only python3, git, make and g++ are
found.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.programs import bare_path

COMMANDS = ("make demo", "make test")


def main() -> int:
    """Both commands, with their last lines and times; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="smartpix-bare-") as folder:
        environment = bare_path(Path(folder))
        clone = Path(folder) / "clone" / "smartpix"
        here = Path(__file__).parents[1]
        subprocess.run(["git", "clone", "--quiet", str(here), str(clone)], env=environment, check=True)
        codes = []
        for command in COMMANDS:
            started = time.monotonic()
            done = subprocess.run(command.split(), cwd=clone, env=environment, stdin=subprocess.DEVNULL)
            print(
                f"bare: {command} ended with {done.returncode} after {time.monotonic() - started:.0f} s",
                flush=True,
            )
            codes.append(done.returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())

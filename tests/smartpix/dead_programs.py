"""What programs that were killed leave in folders."""

import os
import subprocess
import sys
import textwrap

from tests.helpers import REPOSITORY


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def python(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

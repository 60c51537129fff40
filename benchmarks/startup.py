"""How long the first answers take: ``import smartpix``, the help, and mistakes on the command line.

Each is a Python of its own, in turn with the others, and with Python alone beside them. Wall time depends on what
else the machine does; processor time (user and system) hardly does. Both are medians.

    python benchmarks/startup.py benchmarks/results/startup.json
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done

ROUNDS = 7
COMMAND = ("-m", "smartpix")
STARTS: dict[str, tuple[str, ...]] = {
    "python alone": ("-c", "pass"),
    "import smartpix": ("-c", "import smartpix"),
    "smartpix --help": (*COMMAND, "--help"),
    "smartpix runn": (*COMMAND, "runn"),
    "smartpix run --evnts 3": (*COMMAND, "run", "--evnts", "3"),
    "smartpix run --set cone.quantil=0.9": (*COMMAND, "run", "--set", "cone.quantil=0.9"),
    "smartpix run none.root": (*COMMAND, "run", "none.root"),
    "smartpix display none.root": (*COMMAND, "display", "none.root"),
    "smartpix train mdn none.root": (
        *COMMAND, "train", "mdn", "none.root", "--region", "barrel", "-o", "w.safetensors",
    ),
}  # fmt: skip
"""Arguments of Python."""


def seconds(arguments: tuple[str, ...], folder: str) -> tuple[float, float]:
    """Wall time and processor time of a Python in a folder."""
    before, clock = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    wall, after = time.perf_counter() - clock, os.times()
    return wall, (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def measured() -> dict[str, Any]:
    """Median seconds of each start."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    with tempfile.TemporaryDirectory() as folder:
        # The first round writes the byte code.
        for number in range(ROUNDS + 1):
            for name, arguments in STARTS.items():
                found = seconds(arguments, folder)
                if number:
                    times[name].append(found)
    starts = {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in found), 3),
            "processor_seconds": round(statistics.median(used for _, used in found), 3),
        }
        for name, found in times.items()
    }
    return {
        "command": "python benchmarks/startup.py FILE", "rounds": ROUNDS, "python": sys.version.split()[0],
        "load_average": round(os.getloadavg()[0], 1), "starts": starts,
    }  # fmt: skip


def main() -> None:
    """Measure, and write the numbers."""
    result = measured()
    with replace_when_done(Path(sys.argv[1])) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""Hits without pixels: tracks of TrackML's full events matched by helix, beside simulated events at that density.

`python benchmarks/helix.py SIMULATED CONVERTED -o results/helix.json` runs the chain on the window's graph over events
of `smartpix simulate events --pileup 200` as if their hits had no pixels, over the same with their pixels, and over
events that `smartpix convert` made of hits and particles alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from smartpix.io.events import open_events
from smartpix.schema import InputError
from tracking.bench.helix import BenchHelixOptions, bench_helix
from tracking.chain import WINDOW
from tracking.finders.training import event_seed


def measured(simulated: Path, converted: Path, events: int) -> dict[str, Any]:
    """By sample and estimates what :func:`tracking.bench.helix.bench_helix` tells.

    Raises:
        InputError: the first file has no truth.
    """
    if not open_events(simulated).has_truth:
        raise InputError(f"{simulated}: has no truth to compare with; give simulated events first")
    bare, whole = (
        BenchHelixOptions(events, run=replace(WINDOW, estimates=kind)) for kind in ("positions", "auto")
    )
    return {
        "seed": event_seed(simulated),
        "converted": open_events(converted).header.made_by.get("source"),
        "simulated": {
            "positions": bench_helix([simulated], bare),
            "clusters": bench_helix([simulated], whole),
        },
        "others": {"positions": bench_helix([converted], bare)},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("simulated", type=Path)
    parser.add_argument("converted", type=Path)
    parser.add_argument("--events", type=int, default=4)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    result = measured(options.simulated, options.converted, options.events)
    with replace_when_done(options.output) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

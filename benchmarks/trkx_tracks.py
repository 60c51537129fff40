"""Tracks of the learned cone's finder beside the chain's and ACTS's, and of the talk's LSTM in bins.

`python benchmarks/trkx_tracks.py` simulates its events and writes results/trkx-tracks.json (needs ACTS; half an hour).
The LSTM is trained here, on 80 events of pile-up 20, and its cut chosen on 20 others.
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smartpix.files import replace_when_done
from tracking.bench.binned import binned_study
from tracking.bench.events import load_sample, simulated
from tracking.bench.tracks import compare_finders
from tracking.finder_table import finder_maker

RESULT = Path(__file__).parent / "results" / "trkx-tracks.json"
FINDERS = ("chain", "path", "acts-balanced")
SAMPLES = {20: (20, 630_002), 200: (10, 630_001)}
"""Events and their seed by pile-up."""
TRAINING, TUNING = (80, 610_020), (20, 620_020)
"""Events for the LSTM in bins and for its cut, and their seeds."""


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    report = partial(print, flush=True)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pileup, (n, seed) in SAMPLES.items():
            path = simulated(pileup, n, seed, folder)
            sample = load_sample(path, n)
            finders = {finder: finder_maker(finder)(sample.header) for finder in FINDERS}
            result[f"pileup{pileup}"] = compare_finders(sample, finders, report)
        files = [
            simulated(20, n, seed, folder).rename(folder / f"{seed}.root")
            for n, seed in (TRAINING, TUNING, SAMPLES[20])
        ]
        result["binned"] = binned_study(*files, report=report)
    # Times are of the processor; what else ran beside moves them all the same.
    result["load_average"] = os.getloadavg()[2]
    with replace_when_done(RESULT) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

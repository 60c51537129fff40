"""Tracks of the learned cone's finder beside the chain's and ACTS's, and of the talk's LSTM in bins.

`python benchmarks/trkx_tracks.py` simulates its events and writes results/trkx-tracks.json (needs ACTS; a quarter of an
hour). The LSTM is trained here, on 40 events of pile-up 20.
"""

from __future__ import annotations

import json
import tempfile
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
TRAINING = (40, 610_020)
"""Events for the LSTM in bins, and their seed."""


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pileup, (n, seed) in SAMPLES.items():
            path = simulated(pileup, n, seed, folder)
            sample = load_sample(path, n)
            finders = {finder: finder_maker(finder)(sample.header) for finder in FINDERS}
            result[f"pileup{pileup}"] = compare_finders(sample, finders, print)
        test = simulated(20, *SAMPLES[20], folder).rename(folder / "test.root")
        result["binned"] = binned_study(simulated(20, *TRAINING, folder), test, report=print)
    with replace_when_done(RESULT) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

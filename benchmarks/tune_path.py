"""The Kalman filter of the learned cone, tuned by likelihood as the network is.

    python benchmarks/tune_path.py FILE... [--events N]

FILE are event files of the training (`data/make.sh`: path-train.root and path-train-single.root), of which the
first N events count. The search begins with the defaults of `FilterOptions`, which are what it found, rounded.
Each option is then moved to see what it is worth; a filter without the slopes of later hits, and the one of earlier
versions, are measured, too. Writes results/path-filter.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from smartpix.physics import SILICON_RADIATION_LENGTH
from tracking.finders.training import event_seed
from tracking.finders.trkx.path.dataset import path_events
from tracking.finders.trkx.path.options import FilterOptions, TrainPathOptions
from tracking.finders.trkx.path.tune import filter_loss, followed, tuned_filter

RESULT = Path(__file__).parent / "results" / "path-filter.json"
OTHERS = {
    "no slopes of later hits": {"slope_scale": 0.0},
    "twice the errors of slopes": {"slope_scale": 2.0},
    "modules and supports of silicon": {
        "thickness": 1.65 / SILICON_RADIATION_LENGTH, "thickness_disk": 1.65 / SILICON_RADIATION_LENGTH,
    },
    "disks as thick as cylinders": {"thickness_disk": FilterOptions().thickness},
    "not tuned": {
        "thickness": 1.65 / SILICON_RADIATION_LENGTH, "thickness_disk": 1.65 / SILICON_RADIATION_LENGTH,
        "curvature_pt": 0.4, "sigma_d0": 0.02, "softest": 0.15, "outlier": 50.0, "slope_scale": 0.0,
    },
}  # fmt: skip
"""Filters that the tuned one is compared with: what they change in the defaults."""


def main() -> None:
    """Tune, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--events", type=int, default=2, help="of each file")
    given = parser.parse_args()
    options, report = TrainPathOptions(), partial(print, flush=True)
    limits = (options.min_pt, options.max_pt)
    events = [
        event
        for path in given.files
        for event in islice(path_events([path], options.split, limits, options.min_hits), given.events)
    ]
    start, power = FilterOptions(), options.weight_power
    losses = {"default": filter_loss(followed(events, start), power)}
    for name, changes in OTHERS.items():
        losses[name] = filter_loss(followed(events, replace(start, **changes)), power)
        report(f"{name}: {losses[name]:.4f}")
    best, loss = tuned_filter(events, start, power, report)
    result: dict[str, Any] = {
        "seeds": [event_seed(path) for path in given.files], "n_events": len(events), "losses": losses,
        "tuned": asdict(best), "loss_tuned": loss, "default": asdict(start),
    }  # fmt: skip
    with replace_when_done(RESULT) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

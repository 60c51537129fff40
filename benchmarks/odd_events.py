"""What events of the Open Data Detector hold: sizes, clusters, particles.

smartpix simulate events --detector OpenDataDetector.xml --events 3 --seed 640101 -o odd-test.root
smartpix simulate events --detector OpenDataDetector.xml --events 6 --seed 640201 -o odd-train.root
python benchmarks/odd_events.py odd-test.root odd-train.root > benchmarks/results/odd-events.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from smartpix.io.events import iterate, open_events

MIN_PT, MAX_ETA, MIN_LAYERS = 0.9, 2.5, 4
"""Of findable particles."""


def described(path: Path) -> dict[str, Any]:
    """Numbers of one file."""
    header = open_events(path).header
    detector = header.detector
    layers = detector.layers
    clusters, pixels, by_layer, truth, findable = [], [], np.zeros(len(layers)), 0, []
    for _, events in iterate(path, step=1):
        for event in events:
            modules = ak.to_numpy(event["clusters"]["module_index"])
            clusters.append(len(modules))
            pixels.append(int(ak.sum(ak.num(event["clusters"]["pixels"]["row"]))))
            by_layer += np.bincount(detector.layer_index[modules], minlength=len(layers))
            of = event["clusters"]["truth"]
            n = ak.to_numpy(ak.num(of["particle_id"]))
            who = ak.to_numpy(ak.flatten(of["particle_id"]))
            truth += int(np.sum(n > 0))
            pairs = np.unique(np.stack([who, detector.layer_index[np.repeat(modules, n)]], axis=1), axis=0)
            ids, crossed = np.unique(pairs[:, 0], return_counts=True)
            p = event["particles"]
            pt = np.hypot(ak.to_numpy(p["px"]), ak.to_numpy(p["py"]))
            eta = np.arcsinh(ak.to_numpy(p["pz"]) / pt)
            good = (pt > MIN_PT) & (np.abs(eta) < MAX_ETA)
            findable.append(
                int(np.isin(ak.to_numpy(p["particle_id"])[good], ids[crossed >= MIN_LAYERS]).sum())
            )
    return {
        "file": path.name, "seed": header.made_by["seed"], "bytes": path.stat().st_size, "events": len(clusters),
        "field": header.field, "transport": header.made_by["options"]["transport"]["engine"],
        "clusters_per_event": float(np.mean(clusters)), "clusters": clusters,
        "pixels_per_cluster": float(np.sum(pixels) / np.sum(clusters)),
        "share_of_noise_clusters": float(1 - truth / np.sum(clusters)),
        "findable_per_event": float(np.mean(findable)),
        "clusters_by_layer": {layers.name(k): float(v / len(clusters)) for k, v in enumerate(by_layer)},
    }  # fmt: skip


def main() -> None:
    """Describe all files."""
    made = {
        "command": "python benchmarks/odd_events.py FILES",
        "files": [described(Path(p)) for p in sys.argv[1:]],
    }
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()

"""Our own propagator beside ACTS's Fatras, on the generic detector.

Both carry the same particles of pile-up 200. Compared are the crossings of each particle, where they are, how far
scattering takes them from the helix without material (root mean square of the middle 99 %), the momentum lost,
and the time of one core.

    python benchmarks/own_propagator.py benchmarks/results/own-propagator.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.files import replace_when_done
from smartpix.geometry import Detector, read_detector
from smartpix.shipped import data_path
from smartpix.simulate.generate import collisions
from smartpix.simulate.options import STANDARD_BEAM, GenerateOptions
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import propagate
from smartpix.simulate.transport import Crossings, transport
from smartpix.simulate.transport_options import TransportOptions

FIELD, SEED, EVENTS = 3.8, 650_001, 2
MIDDLE = 99.0
"""Per cent of the distances that count: both draw tails of their own."""
SLICES = ((0.2, 0.5), (0.5, 1.0), (1.0, 3.0))
"""GeV, transverse momentum."""


def compared(events: list[Particles], detector: Detector) -> dict[str, Any]:
    """Numbers of both transports."""
    # Compiled before the clock starts.
    propagate(events[:1], detector, FIELD, 1)
    clock = time.process_time()
    own = propagate(events, detector, FIELD, SEED)
    own_time = time.process_time() - clock
    clock = time.process_time()
    fatras = transport(events, detector, FIELD, SEED)
    fatras_time = time.process_time() - clock
    bare = propagate(events, detector, FIELD, 1, TransportOptions(scattering=False, ionisation=False))
    n = sum(len(e.pdg_id) for e in events)
    result: dict[str, Any] = {
        "events": len(events), "particles": n, "seed": SEED, "field": FIELD,
        "crossings": {name: sum(len(c.module) for c in made) for name, made in (("own", own), ("fatras", fatras))},
        "seconds_per_event": {"own": own_time / len(events), "fatras": fatras_time / len(events)},
    }  # fmt: skip
    result["ratio_of_crossings"] = result["crossings"]["own"] / result["crossings"]["fatras"]
    layers = detector.layers
    result["ratio_by_layer"] = {
        layers.name(k): float(a / b)
        for k, (a, b) in enumerate(zip(*(_by_layer(made, detector) for made in (own, fatras)), strict=True))
    }
    result["scattering"] = {
        f"{low:g}-{high:g}": {
            name: _scattering(made, bare, detector, events, (low, high))
            for name, made in (("own", own), ("fatras", fatras))
        }
        for low, high in SLICES
    }
    return result


def _by_layer(made: list[Crossings], detector: Detector) -> npt.NDArray[np.int64]:
    return np.sum(
        [np.bincount(detector.layer_index[c.module], minlength=len(detector.layers)) for c in made], axis=0
    )


def _scattering(
    made: list[Crossings],
    bare: list[Crossings],
    detector: Detector,
    events: list[Particles],
    pt: tuple[float, float],
) -> dict[str, float]:
    """Mean and width of y on the fourth layer's modules against the helix without material (um), and the median
    of the momentum lost until there (MeV); pions of the barrel.
    """
    apart, lost = [], []
    for crossings, helix, event in zip(made, bare, events, strict=True):
        transverse = np.hypot(*event.momentum[:, :2].T)
        chosen = (transverse > pt[0]) & (transverse < pt[1]) & (np.abs(event.pdg_id) == 211)
        last = int(np.flatnonzero(detector.layers.barrel)[3])
        keys = []
        for c in (crossings, helix):
            good = chosen[c.particle] & (detector.layer_index[c.module] == last)
            keys.append(
                (c.particle[good].astype(np.int64) * len(detector) + c.module[good], np.flatnonzero(good))
            )
        _, a, b = np.intersect1d(keys[0][0], keys[1][0], return_indices=True)
        rows, of_helix = keys[0][1][a], keys[1][1][b]
        y = detector.to_local(crossings.module[rows], crossings.point[rows])[:, 1]
        y0 = detector.to_local(helix.module[of_helix], helix.point[of_helix])[:, 1]
        apart.append(1e3 * (y - y0))
        start = np.linalg.norm(event.momentum[crossings.particle[rows]], axis=1)
        lost.append(1e3 * (start - np.linalg.norm(crossings.momentum[rows], axis=1)))
    distance = np.concatenate(apart)
    # The loss shifts particles of either charge to either side.
    reach = np.percentile(np.abs(distance), MIDDLE)
    inside = distance[np.abs(distance) <= reach]
    return {
        "crossings": len(distance), "mean_um": float(inside.mean()), "rms_um": float(np.sqrt(np.mean(inside**2))),
        "median_loss_MeV": float(np.median(np.concatenate(lost))),
    }  # fmt: skip


def main() -> None:
    """Compare, and write the numbers."""
    events = collisions(GenerateOptions(), STANDARD_BEAM, EVENTS, SEED)
    result = compared(events, read_detector(data_path("detector.csv")))
    result["command"] = "python benchmarks/own_propagator.py FILE"
    with replace_when_done(Path(sys.argv[1])) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

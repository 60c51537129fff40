"""Straight tracks through a wedge of the embedded detector's barrel, by a loop over its modules."""

import numpy as np

from seeding.hits import Hits
from smartpix.calibration import displaced
from smartpix.estimate.base import Estimate
from tests.helpers import embedded_detector, part_of
from tracking.calibration.sample import EventTracks
from tracking.finders.tracks import Tracks

SIGMA = (0.02, 0.008, 0.2, 0.05)
"""Of x and y (mm), cot alpha and cot beta."""


def wedge():
    """Some 60 modules of all four barrel layers around one azimuth."""
    detector = embedded_detector()
    center = detector.center
    phi, z = np.arctan2(center[:, 1], center[:, 0]), center[:, 2]
    return part_of(detector, np.flatnonzero(detector.barrel & (np.abs(phi) < 0.35) & (np.abs(z) < 120)))


def straight_tracks(true, n, seed, bias=(0.0, 0.0), width=1.0, charge=7000.0):
    """Tracks of four hits from the beam line, whose hits lie where the modules truly are.

    Args:
        bias: of cot alpha and cot beta; width: factor on their errors; charge: for 0.1 mm of path, in e.
    """
    rng = np.random.default_rng(seed)
    rows = {name: [] for name in ("module", "mean", "charge")}
    start, layers = [0], range(len(true.layers))
    while len(start) <= n:
        phi, cot = rng.uniform(-0.3, 0.3), rng.uniform(-0.5, 0.5)
        origin = np.array([*rng.normal(0, 0.01, 2), rng.normal(0, 20.0)])
        direction = np.array([np.cos(phi), np.sin(phi), cot])
        found = []
        for layer in layers:
            for module in np.flatnonzero(true.layer_index == layer):
                axes, center = true.axes[module], true.center[module]
                path = (center - origin) @ axes[:, 2] / (direction @ axes[:, 2])
                x, y, _ = axes.T @ (origin + path * direction - center)
                if abs(x) < true.half_x[module] and abs(y) < true.half_y[module]:
                    a, b, c = axes.T @ direction
                    found.append((module, (x, y, a / c, b / c)))
                    break
        if len(found) < len(layers):
            continue
        for module, truth in found:
            off = rng.normal(size=4) * SIGMA * np.array([1, 1, width, width]) + np.array([0, 0, *bias])
            rows["module"].append(module)
            rows["mean"].append(np.array(truth) + off)
            path = 0.1 * np.sqrt(1 + truth[2] ** 2 + truth[3] ** 2)
            rows["charge"].append(charge / 0.1 * path * np.exp(rng.normal(0, 0.15)))
        start.append(len(rows["module"]))
    module, mean = np.array(rows["module"], dtype=np.int32), np.array(rows["mean"])
    k = len(module)
    estimate = Estimate(mean, np.repeat(np.diag(SIGMA)[None], k, axis=0))
    position = true.to_global(module, mean[:, :2])
    axes = np.ascontiguousarray(true.axes[module].swapaxes(1, 2).reshape(-1, 9))
    hits = Hits(np.arange(k), module, true.layer_index[module], position, estimate, axes)
    tracks = Tracks(np.arange(k), np.array(start), np.ones(n, dtype=np.float32))
    return EventTracks(hits, tracks, np.array(rows["charge"]), np.ones(k, dtype=bool))


def moved_wedge(shift, seed):
    """The wedge, how its modules are off (M, 3), and where they truly are."""
    table = wedge()
    off = np.random.default_rng(seed).normal(size=(len(table), 3)) * shift
    return table, off, displaced(table, off, np.zeros_like(off))

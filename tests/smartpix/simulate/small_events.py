"""Events of a few crossings."""

from dataclasses import replace

import numpy as np

from smartpix.simulate.events import SimulateOptions, simulate_event
from smartpix.simulate.readout import ReadoutOptions
from tests.helpers import crossings_at

QUIET = SimulateOptions(readout=ReadoutOptions(noise=0.0))
"""The ideal crossing: slices from each particle's own arrival, one threshold."""


def one_event(detector, local, cots, options=QUIET, seed=1, module=None, **more):
    module = np.zeros(len(local), dtype=int) if module is None else module
    return simulate_event(crossings_at(detector, module, local, cots, **more), detector, options, 7, seed)


def grid(n):
    """Well separated places on one module, at random within a pixel."""
    i = np.arange(n)
    place = np.stack([-33 + 1.5 * (i % 44), -7.5 + 0.5 * (i // 44)], axis=1)
    return place + np.random.default_rng(1).uniform(-0.05, 0.05, (n, 2))


def clocked(**readout):
    return SimulateOptions(readout=ReadoutOptions(noise=0.0, **readout))


def at_time(detector, places, late, options, seed=1):
    """An event of crossings of one module that are late by some ns on its clock."""
    crossings = crossings_at(
        detector, np.zeros(len(places), dtype=int), places, np.tile([0.3, 0.1], (len(places), 1))
    )
    nominal = np.linalg.norm(detector.center[0]) / 299.792458
    return simulate_event(replace(crossings, time=nominal + late), detector, options, 7, seed)["clusters"][0]

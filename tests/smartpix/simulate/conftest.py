"""Crossings of all directions and their clusters."""

import numpy as np
import pytest

from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.events import SimulateOptions, simulate_event
from tests.helpers import embedded_detector


@pytest.fixture(scope="package")
def broad():
    detector = embedded_detector()
    crossings = broad_crossings(detector, 3000, np.random.default_rng(8))
    return detector, crossings, simulate_event(crossings, detector, SimulateOptions(), 0, 1)["clusters"][0]

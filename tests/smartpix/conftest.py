"""Small simulated files that several tests train on."""

import numpy as np
import pytest

from smartpix.io.write import write_events
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from tests.helpers import embedded_detector, part_of


def _file(path, rows, per_event, seed):
    detector = part_of(embedded_detector(), rows)
    options = SimulateOptions()
    write_events(
        path, header(detector, options, 2, seed), simulate_crossings(detector, options, 2, per_event, seed)
    )
    return path


@pytest.fixture(scope="session")
def module_rows():
    """Rows of the embedded table: 24 modules of the barrel, 24 of the end-caps."""
    barrel = embedded_detector().barrel
    return np.flatnonzero(barrel)[::101][:24], np.flatnonzero(~barrel)[::57][:24]


@pytest.fixture(scope="session")
def barrel_file(tmp_path_factory, module_rows):
    return _file(tmp_path_factory.mktemp("crossings") / "barrel.root", module_rows[0], 3500, 1)


@pytest.fixture(scope="session")
def mixed_file(tmp_path_factory, module_rows):
    return _file(tmp_path_factory.mktemp("crossings") / "mixed.root", np.concatenate(module_rows), 7000, 2)

"""Small simulated files that several tests train on, and small files of others."""

import shutil

import numpy as np
import pytest

from smartpix.geometry import write_detector
from smartpix.io.events import open_events
from smartpix.io.write import write_events
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from tests.acts_files import write_acts_root
from tests.helpers import convert_folder, embedded_detector, part_of
from tests.smartpix.convert.trackml_files import write_event


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


@pytest.fixture(scope="package")
def detector():
    return embedded_detector()


@pytest.fixture(scope="package")
def trackml(tmp_path_factory):
    return write_event(tmp_path_factory.mktemp("fuzz") / "trackml")


@pytest.fixture(scope="package")
def acts(acts_folder, tmp_path_factory):
    """One ACTS event, with the modules that it has hits on alone."""
    folder = tmp_path_factory.mktemp("fuzz") / "acts"
    folder.mkdir()
    shutil.copy(acts_folder / "digi.json", folder)
    for path in acts_folder.glob("event000000000-*.csv"):
        shutil.copy(path, folder)
    used = {
        line.split(",")[1]
        for line in (folder / "event000000000-measurements.csv").read_text().splitlines()[1:]
    }
    head, *lines = (acts_folder / "detectors.csv").read_text().splitlines()
    (folder / "detectors.csv").write_text(
        "\n".join([head, *(line for line in lines if line.split(",")[0] in used)]) + "\n"
    )
    return folder


@pytest.fixture(scope="package")
def acts_root(acts, tmp_path_factory):
    """The same in ROOT, with a table of some modules."""
    folder = write_acts_root(acts, tmp_path_factory.mktemp("fuzz") / "root", "clusters")
    convert_folder(acts, folder.parent / "e.root")
    write_detector(open_events(folder.parent / "e.root").header.detector, folder / "detectors.csv")
    return folder

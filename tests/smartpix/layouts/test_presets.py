"""Detectors by name: their radii, that no two modules share space, and how many layers tracks cross."""

import numpy as np
import pytest

from smartpix.io.events import Header
from smartpix.io.write import write_events
from smartpix.layouts.checks import check_layout, colliding, layers_crossed
from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.named import NAMES, named_detector
from smartpix.layouts.options import Cylinder, Plane
from smartpix.layouts.presets import PRESETS
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tracking.cli.detector import NAMES as COMMAND_NAMES

RADII = {
    "barrel3": [44, 73, 102], "itk": [34, 99, 160, 228, 291],
    "muon-collider": [30, 32, 51, 53, 74, 76, 102, 104], "odd": [32.2, 68.2, 114.2, 170.2],
}  # fmt: skip
N_LAYERS = {"barrel3": 3, "itk": 51, "muon-collider": 24, "odd": 18, "telescope": 6}


def test_names_are_those_of_the_command():
    assert COMMAND_NAMES == NAMES
    assert set(N_LAYERS) == set(PRESETS)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_have_their_layers_and_no_modules_in_one_another(name):
    made = named_detector(name, {"pitch_u": 0.02})
    layers = made.detector.layers
    assert len(layers) == N_LAYERS[name]
    assert np.all(made.detector.pitch_y == 0.02)
    barrel = made.detector.columns["volume_id"] == 8
    radii = [made.detector.layer_index[barrel] == k for k in np.unique(made.detector.layer_index[barrel])]
    center = np.hypot(*made.detector.center[barrel, :2].T)
    np.testing.assert_allclose([center[m].mean() for m in radii], RADII.get(name, []), atol=0.06)
    if name != "itk":
        assert len(colliding(made.detector)) == 0
    assert made.material is not None


def test_tracks_cross_the_layers_that_are_there():
    crossed = layers_crossed(named_detector("barrel3").detector, np.array([0.0, 1.0, 3.0]))
    # Staves overlap: no track of the origin gets through, and beyond the barrel's end there is nothing.
    assert crossed[0].min() >= 2
    assert crossed[:2].mean() > 2.95
    assert crossed[2].max() == 0
    report = check_layout(named_detector("telescope").detector)
    assert [f"{a}{b}" for a, b in report.follows] == [f"E+{k}E+{k + 1}" for k in range(1, 6)]
    assert len(report.sensors) == 1
    assert report.enough_to == 0


def test_a_report_knows_the_widest_range_with_four_layers():
    layout = Layout(
        cylinder=tuple(Cylinder(radius=r, length=800.0, module_length=40.0) for r in (30.0, 50.0, 70.0, 90.0))
    )
    report = check_layout(make_layout(layout))
    assert report.enough_from == 0.0
    # From z0 within 50 mm all tracks up to asinh(350 / 90) cross the last layer.
    assert report.enough_to == pytest.approx(np.arcsinh(350 / 90), abs=0.2)
    assert report.layers[0]["name"] == "B1"
    assert ("B1", "B2") in report.follows


def test_modules_in_one_another_are_found_and_those_side_by_side_are_not():
    beside = Plane(z=(0.0,), columns=2, width=10.0, height=10.0)
    assert len(colliding(make_layout(Layout(plane=(beside,))))) == 0
    for z, expected in ((0.05, 1), (0.15, 0)):
        planes = (Plane(z=(0.0,), width=10.0), Plane(z=(z,), width=10.0))
        assert len(colliding(make_layout(Layout(plane=planes)))) == expected
    # Two planes that cross at an angle, far from both centres' plane.
    crossing = (Plane(z=(0.0,), width=20.0), Plane(z=(4.0,), width=20.0, tilt_y=30.0))
    assert len(colliding(make_layout(Layout(plane=crossing)))) == 1


def test_what_is_no_detector_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'barel3' is not known and no file.*Did you mean 'barrel3'"):
        named_detector("barel3")
    with pytest.raises(InputError, match="the table has its own"):
        named_detector(REPOSITORY / "data/detector.csv", {"pitch_u": 0.1})
    assert named_detector(REPOSITORY / "data/detector.csv").material is None


def test_dead_modules_of_events_are_none_of_their_detector(tmp_path):
    header = Header(make_layout(PRESETS["barrel3"]()).with_dead([1]), 3.8, (0,))
    write_events(tmp_path / "e.root", header, [])
    assert named_detector(tmp_path / "e.root").detector.dead == ()

"""A few particles through a detector, against the circle that they fly on."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.options import Cylinder
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.schema import InputError
from smartpix.shots import shoot
from smartpix.simulate.options import SimulateOptions
from smartpix.simulate.transport_options import TransportOptions

LAYOUT = Layout(
    cylinder=tuple(Cylinder(radius=r, length=600.0, module_length=60.0) for r in (30.0, 70.0, 110.0))
)
DETECTOR = make_layout(LAYOUT)
FREE = SimulateOptions(
    transport=TransportOptions(scattering=False, ionisation=False, bremsstrahlung=False), field=2.0
)


@pytest.mark.parametrize("charge", [-1.0, 1.0])
def test_crossings_lie_on_the_circle_and_at_its_dip(charge):
    pt, eta, phi, vertex = 0.7, 0.4, 1.1, np.array([0.5, -0.3, 4.0])
    shot = shoot(DETECTOR, pt, eta, phi, vertex=vertex, charge=charge, options=FREE)
    point = shot.crossings.point
    assert len(point) >= 3
    radius = pt / (1e-6 * SPEED_OF_LIGHT * 2.0)
    # The centre lies to the right of a positive particle in a field along z.
    centre = vertex[:2] + charge * radius * np.array([np.sin(phi), -np.cos(phi)])
    away = np.hypot(*(point[:, :2] - centre).T)
    np.testing.assert_allclose(away, radius, atol=1e-6)
    chord = np.hypot(*(point[:, :2] - vertex[:2]).T)
    arc = 2 * radius * np.arcsin(chord / (2 * radius))
    np.testing.assert_allclose(point[:, 2], vertex[2] + arc * np.sinh(eta), atol=1e-6)


def test_clusters_carry_the_particles_of_the_arguments():
    shot = shoot(DETECTOR, [1.0, 2.0, 5.0], 0.2, [0.0, 2.0, 4.0], charge=[1, -1, 1], kind="muon", field=2.0)
    particles = shot.events["particles"][0]
    assert particles["pdg_id"].tolist() == [-13, 13, -13]
    np.testing.assert_allclose(np.hypot(particles["px"], particles["py"]), [1, 2, 5], rtol=1e-6)
    truth = shot.clusters["truth"]
    seen = {int(i) for row in truth["particle_id"].tolist() for i in row}
    assert seen == {1, 2, 3}
    assert (shot.header.field, shot.header.made_by["seed"]) == (2.0, 1)
    assert repr(shot).startswith("Shot(3 particles, ")


def test_a_detector_by_name_brings_its_field_and_material():
    shot = shoot("barrel3", 3.0, phi=np.linspace(0, 6, 7))
    assert shot.header.field == 3.8
    assert len(np.unique(shot.header.detector.layer_index[shot.crossings.module])) == 3
    told = shot.header.made_by["options"]["transport"]
    assert told["engine"] == "own"
    # The same particles with the same seed are the same, and those of another are not.
    again = shoot("barrel3", 3.0, phi=np.linspace(0, 6, 7))
    np.testing.assert_array_equal(again.crossings.point, shot.crossings.point)
    assert (again.events["event"][0], shoot("barrel3", 3.0, event=4).events["event"][0]) == (0, 4)
    other = shoot("barrel3", 3.0, phi=np.linspace(0, 6, 7), seed=2)
    assert not np.array_equal(other.crossings.point, shot.crossings.point)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pt": [1.0, 2.0], "eta": [0.0, 0.1, 0.2]}, "different lengths"),
        ({"pt": 0.01}, "0.05 to 1000 GeV"),
        ({"pt": -1.0}, "0.05 to 1000 GeV"),
        ({"pt": 1.0, "eta": np.nan}, "eta has values that are not finite"),
        ({"pt": 1.0, "charge": 2.0}, "charge has other values"),
        ({"pt": 1.0, "kind": "photon"}, "one of pion"),
        ({"pt": 1.0, "vertex": (0.0, 0.0)}, "vertex has the shape"),
        ({"pt": "fast"}, "pt is no number"),
        ({"pt": []}, "there is no particle"),
        ({"pt": 1.0, "eta": [0.0, -900.0]}, "eta must be -20 to 20 and is -900"),
        ({"pt": 1.0, "seed": -1}, "seed must be a whole number from 0 on"),
        ({"pt": 1.0, "event": 0.5}, "event must be a whole number from 0 on"),
        ({"pt": [[1.0]]}, "one value, or one for each particle"),
    ],
)
def test_arguments_that_cannot_be_are_told(arguments, said):
    with pytest.raises(InputError, match=said):
        shoot(DETECTOR, **arguments)


def test_options_of_the_caller_are_kept():
    options = replace(FREE, field=1.0)
    assert shoot(DETECTOR, 1.0, options=options).header.field == 1.0
    assert shoot(DETECTOR, 1.0, options=options, field=0.0).header.field == 0.0

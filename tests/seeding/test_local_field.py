"""Curvatures that the search allows in a table of the field: against loops, and against the
propagator.
"""

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.local_field import along_rays
from smartpix.beam import CENTRED, BeamSpot
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from tests.fields import even_table, falling_solenoid
from tests.seeding import toys
from tests.seeding.edge_events import CONE, pair_set

RISING = falling_solenoid(toys.FIELD, weaker=-0.8, at=1000.0)
FALLING = falling_solenoid(toys.FIELD)


def searched(hits, table=None, options=CONE):
    return find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, options, field_map=table)


@pytest.fixture(scope="module")
def hits():
    return toys.toy_hits(toys.toy_event(60, seed=11, pt=(0.2, 2.0)), 11)


def test_a_table_of_a_uniform_field_changes_no_edge(hits):
    one, other = searched(hits), searched(hits, even_table(toys.FIELD))
    assert pair_set(one) == pair_set(other)
    np.testing.assert_allclose(other.chi2, one.chi2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("table", [falling_solenoid(toys.FIELD, weaker=0.4, at=800.0), RISING])
def test_edges_are_those_of_a_loop_with_the_mean_field_of_three_places(hits, table):
    edges = searched(hits, table)
    pairs = pair_set(edges)
    # All pairs that any curvature allows.
    many = pair_set(searched(hits, options=ConeOptions(**{**vars(CONE), "min_pt": 0.02})))
    field = along_rays(table, hits.position, CENTRED)
    wrong = 0
    for i, j in many:
        mean = (2 + (field[i] + field[j]) / toys.FIELD) / 4
        largest = toys.UNIT / CONE.min_pt * mean
        left = CONE.joint_cut() - toys.joint_chi2(hits, i, j, CONE.sigma_z0, CONE.sigma_d0, largest)[0]
        wrong += abs(left) > 0.02 and (left > 0) != ((i, j) in pairs)
    assert wrong == 0
    assert pairs <= many
    assert pairs != pair_set(searched(hits))


def test_an_edge_s_curvature_is_that_of_the_mean_field():
    """Of tracks through the table: the curvature over that of the field at the origin."""
    from tests.tracking.fit.test_field_kernels import shot

    hits, tracks, true = shot(200, 6, FALLING, np.zeros(2))
    field = along_rays(FALLING, hits.position, CENTRED) / toys.FIELD
    off, uniform = [], []
    for t in range(len(tracks)):
        i, j = tracks.hits[tracks.start[t + 1] - 3], tracks.hits[tracks.start[t + 1] - 1]
        curvature = toys.beam_circle(hits.position[i], hits.position[j])[0]
        _, _, _, theta, qop = true[t]
        nominal = -qop / np.sin(theta) * toys.UNIT
        off.append(curvature / nominal - (2 + field[i] + field[j]) / 4)
        uniform.append(curvature / nominal - 1)
    assert np.abs(off).max() < 0.03
    assert np.abs(uniform).max() > 0.15


def test_a_radial_field_bends_what_flies_along_the_beam():
    points = np.array([[100.0, 0.0, 400.0], [0.0, -100.0, 400.0], [0.0, 0.0, 300.0]])
    found = along_rays(FALLING, points, CENTRED)
    a = 0.3 / 1600.0**2
    # Bz - (z / r) Br of the closed form.
    expected = toys.FIELD * (1 - a * (2 * 400.0**2 - 100.0**2 / 2))
    np.testing.assert_allclose(found, [expected, expected, toys.FIELD * (1 - a * 300.0**2)], rtol=2e-4)
    # In a frame that has moved along z the ray is another one.
    moved = along_rays(FALLING, points - [0, 0, 50.0], BeamSpot(z=50.0))
    np.testing.assert_allclose(
        moved[0], toys.FIELD * (1 - a * (400.0**2 - 100.0**2 / 2) - a * 400.0 * 350.0), rtol=2e-4
    )


def test_a_beam_of_particles_has_no_table(hits):
    detector = toys.detector().at_beam(BeamSpot(distance=1000.0))
    with pytest.raises(InputError, match="table about the z axis"):
        find_edges(hits, detector, layer_pairs(detector), 0.0, CONE, field_map=FALLING)

"""The luminous region from drawn tracks, against the beam that they were drawn about."""

import dataclasses

import numpy as np
import pytest

from smartpix.beam import CENTRED, BeamSpot
from smartpix.schema import InputError
from tracking.fit.beam_spot import FOUND, BeamTracks, fit_beam_spot, joined_tracks

TRUE = BeamSpot(
    x=0.03, y=-0.05, z=4.0, slope_x=3e-4, slope_y=-2e-4, sigma_x=0.02, sigma_y=0.012, sigma_z=40.0
)


def drawn(seed, n_vertices=1000, scale=1.0, decays=0.05, beam=TRUE):
    """Straight tracks of vertices, some of them from decays, and errors that are off by a factor."""
    rng = np.random.default_rng(seed)
    z = rng.normal(beam.z, beam.sigma_z, n_vertices)
    x = rng.normal(beam.x + beam.slope_x * (z - beam.z), beam.sigma_x)
    y = rng.normal(beam.y + beam.slope_y * (z - beam.z), beam.sigma_y)
    vertex = np.repeat(np.arange(n_vertices), rng.integers(1, 15, n_vertices))
    n = len(vertex)
    phi, sigma_d0, sigma_z0 = rng.uniform(-np.pi, np.pi, n), rng.uniform(0.01, 0.08, n), np.full(n, 0.05)
    # Perpendicular distance of the line through (x, y) along (cos, sin) from the origin, as a cross product.
    d0 = np.cos(phi) * y[vertex] - np.sin(phi) * x[vertex] + rng.normal(0, scale * sigma_d0)
    decayed = rng.random(n) < decays
    d0[decayed] += rng.normal(0, 1.0, decayed.sum())
    return BeamTracks(d0, z[vertex] + rng.normal(0, sigma_z0), phi, sigma_d0, sigma_z0, vertex, 5)


def test_pulls_of_what_is_found_are_of_width_one():
    pulls = []
    for seed in range(120):
        found = fit_beam_spot(drawn(seed), CENTRED)
        # The centre is where the tracks are on average: x and y are those of the line there.
        z = found.spot.z - TRUE.z
        expected = dataclasses.replace(TRUE, x=TRUE.x + TRUE.slope_x * z, y=TRUE.y + TRUE.slope_y * z)
        pulls.append([(getattr(found.spot, n) - getattr(expected, n)) / found.errors[n] for n in FOUND])
    pulls = np.array(pulls)
    assert np.isfinite(pulls).all()
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(len(pulls))
    assert pulls.std(axis=0) == pytest.approx(np.ones(len(FOUND)), abs=4 / np.sqrt(2 * len(pulls)))


def test_widths_need_no_knowledge_of_the_resolution():
    """Errors that are told 30 % too small or too large leave the widths as they are."""
    for scale in (0.7, 1.3):
        widths = [fit_beam_spot(drawn(seed, scale=scale), CENTRED).spot for seed in range(30)]
        for name in ("sigma_x", "sigma_y"):
            values = [getattr(spot, name) for spot in widths]
            error = np.std(values) / np.sqrt(len(values))
            assert np.mean(values) == pytest.approx(getattr(TRUE, name), abs=4 * error)
            assert error < 0.03 * getattr(TRUE, name)


def test_decays_do_not_move_the_beam():
    found = fit_beam_spot(drawn(3, decays=0.3), CENTRED)
    assert found.spot.x == pytest.approx(TRUE.x, abs=5e-3)
    assert found.spot.y == pytest.approx(TRUE.y, abs=5e-3)


def test_what_is_found_in_a_frame_is_told_in_the_global_one():
    frame = BeamSpot(x=1.0, y=2.0, z=-30.0, slope_x=4e-3, slope_y=1e-3)
    seen = fit_beam_spot(drawn(4), CENTRED).spot
    told = fit_beam_spot(drawn(4), frame).spot
    for reach in (-100.0, 0.0, 100.0):
        point = np.array([[seen.x + seen.slope_x * reach, seen.y + seen.slope_y * reach, seen.z + reach]])
        x, y, z = frame.to_global(point)[0]
        assert told.x + told.slope_x * (z - told.z) == pytest.approx(x, abs=1e-9)
        assert told.y + told.slope_y * (z - told.z) == pytest.approx(y, abs=1e-9)


def test_a_width_that_tracks_do_not_tell_stays():
    found = fit_beam_spot(drawn(5, n_vertices=15, beam=dataclasses.replace(TRUE, sigma_x=0.0)), CENTRED)
    assert found.spot.sigma_z == CENTRED.sigma_z
    assert found.spot.sigma_x == CENTRED.sigma_x
    assert found.summary()["sigma_z_error"] is None
    assert found.summary()["x_error"] > 0


def test_vertices_of_different_events_are_different():
    one, two = drawn(6, n_vertices=3), drawn(7, n_vertices=4)
    both = joined_tracks([one, two])
    assert len(np.unique(both.vertex)) == 7
    assert len(both) == len(one) + len(two)
    assert both.n_events == 10


def test_too_few_tracks_are_refused():
    with pytest.raises(InputError, match=r"beam spot: .* well-fitted tracks"):
        fit_beam_spot(drawn(8, n_vertices=1), CENTRED)

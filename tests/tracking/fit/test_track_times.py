"""Times of tracks against flights along helices in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from tests.seeding import toys
from tests.seeding.test_arrival import path_lengths
from tracking.finders.tracks import Tracks
from tracking.fit.track_times import track_times
from tracking.fit.tracks import fit_tracks

SIGMA = 0.03


@pytest.fixture(scope="module")
def event():
    toy = toys.toy_event(300, seed=31)
    rows = [r for r in toy.hit_rows() if len(r) >= 3]
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    tracks = Tracks(np.concatenate(rows), start, np.ones(len(rows), dtype=np.float32))
    momentum = toys.UNIT / np.abs(toy.curvature) * np.hypot(1, toy.cot_theta)
    slower = np.hypot(1, PION_MASS / momentum)[toy.particle]
    rng = np.random.default_rng(3)
    at_start = rng.normal(0, 0.2, len(toy.phi))
    time = at_start[toy.particle] + path_lengths(toy) / SPEED_OF_LIGHT * slower
    hits = replace(
        toys.toy_hits(toy, 31), time=(time + SIGMA * rng.normal(size=len(time))).astype(np.float32)
    )
    true = at_start[[toy.particle[r[0]] for r in rows]]
    return hits, tracks, fit_tracks(hits, tracks, toys.detector(), toys.FIELD), true


def test_times_of_tracks_are_those_at_the_beam_with_their_errors(event):
    hits, tracks, helices, true = event
    for resolution in (1e3 * SIGMA, 0.0):
        found = track_times(hits, tracks, helices, toys.FIELD, resolution)
        pulls = (found.time - true) / found.sigma
        assert pulls.std() == pytest.approx(1, abs=0.12)
        assert abs(pulls.mean()) < 0.2
        np.testing.assert_allclose(found.sigma, SIGMA / np.sqrt(np.diff(tracks.start)), rtol=0.1)


def test_hits_without_times_do_not_count(event):
    hits, tracks, helices, true = event
    time = hits.time.copy()
    time[tracks.hits[tracks.start[0] : tracks.start[1]]] = np.nan
    time[tracks.hits[tracks.start[1]]] = np.nan
    found = track_times(replace(hits, time=time), tracks, helices, toys.FIELD, 30.0)
    assert np.isnan(found.time[0])
    assert np.isnan(found.sigma[0])
    n = tracks.start[2] - tracks.start[1] - 1
    assert found.sigma[1] == pytest.approx(0.03 / np.sqrt(n))
    assert found.time[1] == pytest.approx(true[1], abs=0.1)
    assert track_times(replace(hits, time=None), tracks, helices, toys.FIELD, 30.0) is None


def test_paths_along_the_beam_are_not_made_of_the_way_across(event):
    """Tracks of a small polar angle, along which 5 um across would be 5 mm along."""
    hits, tracks, helices, _ = event
    theta = np.full(len(tracks), 1e-3)
    owner = np.repeat(np.arange(len(tracks)), np.diff(tracks.start))
    along = np.linspace(100.0, 900.0, len(owner))
    phi = helices.phi[owner]
    across = 1e-3 * along + 5e-3 * np.random.default_rng(4).normal(size=len(owner))
    position = np.zeros((len(hits), 3))
    position[tracks.hits] = np.column_stack([across * np.cos(phi), across * np.sin(phi), along])
    straight = replace(helices, d0=0 * helices.d0, z0=0 * helices.z0, theta=theta, qop=0 * helices.qop)
    time = np.zeros(len(hits), np.float32)
    time[tracks.hits] = along / SPEED_OF_LIGHT
    found = track_times(replace(hits, position=position, time=time), tracks, straight, toys.FIELD, 30.0)
    np.testing.assert_allclose(found.time, 0.0, atol=1e-5)

"""Events of the RAMP challenge against closed forms, and against circles that are met with circles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tracking.finders.trkx.ramp.events import BEND, N_LAYERS, RADII, make_ramp, n_pixels
from tracking.finders.trkx.ramp.options import RampOptions

CLEAN = {"radiation": 0.0, "inefficiency": 0.0, "stop": 0.0}
FINE = {"inner_pitch": 0.001, "outer_pitch": 0.001}


def track_of_hits(events):
    """Of every hit, where its track is in the flat arrays."""
    return events.tracks.offsets[events.event] + events.track


def crossing(x, y, phi, curvature, radius):
    """Where a circle from a point in a direction meets a circle about the origin first, by two equations."""
    centre = np.array([x - math.sin(phi) / curvature, y + math.cos(phi) / curvature])
    distance, bend = math.hypot(*centre), 1 / abs(curvature)
    along = (radius**2 - bend**2 + distance**2) / (2 * distance)
    across = math.sqrt(radius**2 - along**2)
    unit = centre / distance
    points = [along * unit + side * across * np.array([-unit[1], unit[0]]) for side in (1, -1)]
    turned = [
        (math.copysign(1, curvature) * (math.atan2(*(p - centre)[::-1]) - math.atan2(y - centre[1], x - centre[0])))
        % (2 * math.pi)
        for p in points
    ]  # fmt: skip
    return points[int(np.argmin(turned))]


def test_hits_lie_where_the_tracks_circle_meets_the_layers():
    events = make_ramp(RampOptions(**CLEAN, **FINE), 10, 1)
    of, tracks = track_of_hits(events), events.tracks
    assert len(of) == N_LAYERS * len(tracks.pt)
    for h, t in enumerate(of):
        curvature = tracks.charge[t] / (BEND * tracks.pt[t])
        point = crossing(tracks.x[t], tracks.y[t], tracks.phi[t], curvature, RADII[events.layer[h]])
        assert np.hypot(events.x[h] - point[0], events.y[h] - point[1]) < 0.0015


def test_a_track_from_the_beam_itself():
    events = make_ramp(RampOptions(sigma_vertex=0.0, **CLEAN, **FINE), 5, 2)
    of, tracks = track_of_hits(events), events.tracks
    bend = tracks.charge / (BEND * tracks.pt)
    expected = tracks.phi[of] + np.arcsin(bend[of] * RADII[events.layer] / 2)
    off = np.mod(events.phi - expected + np.pi, 2 * np.pi) - np.pi
    assert np.max(np.abs(off) * RADII[events.layer]) < 0.0011


def test_scattering_moves_hits_as_far_as_its_closed_form_says():
    pt = 5.0
    options = RampOptions(
        tracks=5, poisson=False, min_pt=pt, max_pt=pt + 1e-4, sigma_vertex=0.0, inefficiency=0.0, stop=0.0, **FINE
    )  # fmt: skip
    events = make_ramp(options, 2000, 3)
    of, tracks = track_of_hits(events), events.tracks
    straight = tracks.phi + np.arcsin(tracks.charge * RADII[-1] / (2 * BEND * pt))
    outer = events.layer == N_LAYERS - 1
    off = np.mod(events.phi[outer] - straight[of[outer]] + np.pi, 2 * np.pi) - np.pi
    angle = 13.6e-3 * math.sqrt(0.02) / pt
    expected = angle * math.sqrt(np.sum((1 - RADII[:-1] / RADII[-1]) ** 2))
    assert np.std(off) == pytest.approx(expected, rel=0.03)
    assert abs(np.mean(off)) < 4 * expected / math.sqrt(np.sum(outer))


def test_hits_are_lost_and_tracks_stop_as_often_as_they_should():
    options = RampOptions(inefficiency=0.2, stop=0.1)
    events = make_ramp(options, 2000, 4)
    n = len(events.tracks.pt)
    seen = np.bincount(events.layer, minlength=N_LAYERS)
    shared = events.shared / n
    for layer in range(N_LAYERS):
        p = 0.8 * 0.9**layer
        assert abs(seen[layer] / n - p) < 4 * math.sqrt(p * (1 - p) / n) + shared


def test_numbers_of_tracks_and_their_momenta():
    events = make_ramp(RampOptions(tracks=2.0, min_pt=1.0, max_pt=3.0), 4000, 5)
    count = np.diff(events.tracks.offsets)
    # Poisson's law without zero.
    for k in range(1, 6):
        p = math.exp(-2) * 2**k / math.factorial(k) / (1 - math.exp(-2))
        assert np.mean(count == k) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000))
    assert count.min() == 1
    pt = events.tracks.pt
    assert pt.min() >= 1
    assert pt.max() <= 3
    assert (np.mean(pt), np.std(pt)) == pytest.approx((2, 2 / math.sqrt(12)), abs=0.03)
    assert abs(np.mean(events.tracks.charge)) < 0.05
    assert np.std(events.tracks.x) == pytest.approx(2 / 3, rel=0.03)
    assert set(np.diff(make_ramp(RampOptions(tracks=7, poisson=False), 20, 5).tracks.offsets)) == {7}


def test_pixels_places_and_counts_agree():
    options = RampOptions()
    events = make_ramp(options, 50, 6)
    n = n_pixels(options)
    assert n[0] == int(39 * 2 * math.pi / 0.025) + 1
    assert n[8] == int(1000 * 2 * math.pi / 0.05) + 1
    edge = 2 * np.pi * events.iphi / n[events.layer]
    assert np.all((events.iphi >= 0) & (events.iphi < n[events.layer]))
    np.testing.assert_allclose(events.x, RADII[events.layer] * np.cos(edge), atol=1e-9)
    np.testing.assert_allclose(events.y, RADII[events.layer] * np.sin(edge), atol=1e-9)
    np.testing.assert_allclose(events.phi, edge + np.pi / n[events.layer])
    assert np.array_equal(np.repeat(np.arange(50), np.diff(events.offsets)), events.event)
    hits = events.hits(3)
    part = slice(events.offsets[3], events.offsets[4])
    assert np.array_equal(hits.phi, events.phi[part])
    assert np.array_equal(hits.layer, events.layer[part])
    # In random order.
    assert 0.4 < np.mean(np.diff(events.layer) >= 0) < 0.7


def test_of_tracks_in_a_pixel_the_last_one_has_the_hit():
    options = RampOptions(tracks=20, poisson=False, inner_pitch=10.0, outer_pitch=10.0, **CLEAN)
    events, alone = make_ramp(options, 5, 7), []
    for event in range(5):
        rows = np.flatnonzero(events.event == event)
        keys = list(zip(events.layer[rows], events.iphi[rows], strict=True))
        assert len(set(keys)) == len(keys)
        # Tracks that come later have all of their hits: nobody takes them.
        last = events.track[rows] == 19
        assert np.sum(last) == N_LAYERS
        alone.append(len(rows))
    assert events.shared == 5 * 20 * N_LAYERS - sum(alone)
    assert events.shared > 50


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 600_000), st.floats(0.5, 8), st.floats(0, 0.5), st.floats(0, 0.3), st.floats(0, 3), st.booleans()
)  # fmt: skip
def test_any_law_gives_events_that_hold_together(seed, tracks, inefficiency, stop, sigma, poisson):
    options = RampOptions(
        tracks=tracks, poisson=poisson, min_pt=0.2, inefficiency=inefficiency, stop=stop, sigma_vertex=sigma
    )
    events, again = (make_ramp(options, 5, seed) for _ in range(2))
    assert np.array_equal(events.phi, again.phi)
    assert events.offsets[-1] == len(events.layer)
    assert events.n_events == 5
    assert np.all(events.track < np.diff(events.tracks.offsets)[events.event])
    # Every track has one hit on a circle at most.
    of = track_of_hits(events) * N_LAYERS + events.layer
    assert len(np.unique(of)) == len(of)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tracks": 0.0}, "tracks must be from 0.1"),
        ({"stop": 0.95}, "stop must be"),
        ({"max_pt": 0.2}, "max_pt must be above min_pt, 0.3 GeV"),
        ({"poisson": 1}, "poisson must be of type bool"),
    ],
)
def test_laws_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        RampOptions(**wrong)

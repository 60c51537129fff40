"""The Kalman filter of the RAMP challenge: its densities against Gaussians in closed form, its clusters against
the truth.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from smartpix.schema import InputError
from tests.tracking.finders.trkx.ramp.hand_made import (
    check_exact_on_clean_events,
    check_order_decides_nothing,
    hits_at,
    same_partition,
    taken,
    truth,
)
from tracking.finders.trkx.ramp.events import BEND, N_LAYERS, RADII, make_ramp, n_pixels
from tracking.finders.trkx.ramp.kalman import candidates, kalman_clusters, partition_value
from tracking.finders.trkx.ramp.options import KalmanOptions, RampOptions
from tracking.finders.trkx.ramp.score import clusters_of, event_scores, mean_score

STIFF = RampOptions(tracks=1, poisson=False, min_pt=8.45, max_pt=8.55)
"""Tracks so stiff that azimuths are linear in curvature, distance and scattering."""


def closed_form(hits, events):
    """Value of one track that has all hits, from the Gaussian of its azimuths; both charges."""
    layer, r = hits.layer, RADII[hits.layer]
    miss, stop = events.inefficiency, events.stop
    low, high = events.min_pt, events.max_pt
    mean = math.log(high / low) / (high - low)
    spread = math.sqrt(1 / (low * high) - mean**2) / BEND
    size = 2 * np.pi / n_pixels(events)[layer] / math.sqrt(12)
    angle = 13.6e-3 * math.sqrt(events.radiation) * mean
    # About the first azimuth, which is uniform.
    by_k, by_d = (r - r[0]) / 2, 1 / r[0] - 1 / r
    covariance = spread**2 * np.outer(by_k, by_k) + events.sigma_vertex**2 * np.outer(by_d, by_d)
    for kick in RADII:
        # The lever is the layer's radius; crossings on it or before are not moved.
        lever = np.where(r > kick, kick * (1 / max(kick, r[0]) - 1 / r), 0)
        covariance += angle**2 * np.outer(lever, lever)
    covariance = covariance[1:, 1:] + size[0] ** 2 + np.diag(size[1:] ** 2)
    off = np.mod(hits.phi - hits.phi[0] + np.pi, 2 * np.pi) - np.pi
    density = np.mean([
        multivariate_normal.pdf(off[1:], sign * mean / BEND * by_k[1:], covariance) for sign in (1, -1)
    ])  # fmt: skip
    none = [1.0]
    for _ in range(N_LAYERS - 1):
        none.insert(0, stop + (1 - stop) * miss * none[0])
    n_tracks = max(len(layer) / sum((1 - miss) * (1 - stop) ** k for k in range(N_LAYERS)), 1.0)
    common = math.log(n_tracks / (2 * math.pi))
    seen = [math.log(1 - miss) if k in layer else math.log(miss) for k in range(layer[-1] + 1)]
    one = common + math.log(density) + sum(seen) + layer[-1] * math.log(1 - stop) + math.log(none[layer[-1]])
    alone = sum(
        common + k * math.log(miss * (1 - stop)) + math.log(1 - miss) + math.log(none[k]) for k in layer
    )
    return one - alone


@pytest.mark.parametrize("keep", [range(9), (0, 1), (0, 2, 3, 4), (1, 2, 5, 7, 8), (3, 4, 5)])
def test_value_of_a_track_is_its_gaussian_in_closed_form(keep):
    events = make_ramp(RampOptions(**{**vars(STIFF), "inefficiency": 0.0, "stop": 0.0}), 5, 21)
    options = KalmanOptions(events=STIFF, bins=1)
    for k in range(5):
        hits = events.hits(k)
        hits = taken(hits, np.argsort(hits.layer)[list(keep)])
        value = partition_value(hits, np.zeros(len(keep), int), options)
        assert value == pytest.approx(closed_form(hits, STIFF), abs=0.02)


def test_single_hits_are_worth_nothing_and_candidates_are_worth_what_they_are():
    events, options = make_ramp(RampOptions(tracks=6), 5, 22), KalmanOptions()
    for k in range(5):
        hits = events.hits(k)
        order = np.lexsort((hits.phi, hits.layer))
        hits = taken(hits, order)
        n = len(order)
        assert partition_value(hits, np.arange(n), options) == pytest.approx(0, abs=1e-9)
        path, value = candidates(hits.layer, hits.phi, options)
        for c in range(0, len(path), 7):
            label = n + np.arange(n)
            label[path[c][path[c] >= 0]] = 0
            # The gates drop components that are worth nothing.
            assert partition_value(hits, label, options) == pytest.approx(value[c], abs=1e-3)


def test_clean_events_are_found_to_the_last_hit():
    check_exact_on_clean_events(kalman_clusters, 23)


def test_order_of_the_hits_decides_nothing():
    check_order_decides_nothing(kalman_clusters, 24)


@pytest.mark.parametrize(("tracks", "goal"), [(10, 0.998), (20, 0.997)])
def test_nearly_all_hits_are_right(tracks, goal):
    events = make_ramp(RampOptions(tracks=tracks), 60, 25)
    clusters = clusters_of(kalman_clusters, events)
    score, _ = mean_score(event_scores(events.event, events.track, clusters))
    assert score > goal
    for k in range(60):
        hits, part = events.hits(k), slice(events.offsets[k], events.offsets[k + 1])
        # What is found is hardly ever less likely than the truth.
        assert partition_value(hits, clusters[part]) > partition_value(hits, truth(events, k)) - 30


def test_tracks_that_miss_their_first_hits_or_stop_are_found():
    events = make_ramp(RampOptions(tracks=5, radiation=0.0, inefficiency=0.0, stop=0.0), 10, 26)
    for k in range(10):
        hits, track = events.hits(k), truth(events, k)
        lost = ((track == 0) & (hits.layer == 0)) | ((track == 1) & (hits.layer > 2))
        hits, track = taken(hits, ~lost), track[~lost]
        assert same_partition(kalman_clusters(hits), track)


def test_few_hits():
    assert kalman_clusters(hits_at()).tolist() == []
    assert kalman_clusters(hits_at((4, 1.0))).tolist() == [0]
    # Across the event, on one circle, or bent too much: each of its own.
    assert len(set(kalman_clusters(hits_at((0, 0.0), (1, 3.0), (1, 0.5), (8, 1.5))).tolist())) == 4
    # An azimuth of 0 is one of 2 pi.
    assert len(set(kalman_clusters(hits_at((0, 6.2831), (1, 0.0001), (2, 6.2830))).tolist())) == 1


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.floats(5, 100), st.integers(0, 600_000))
def test_any_options_give_clusters_with_one_hit_on_a_circle(bins, branches, max_chi2, seed):
    options = KalmanOptions(bins=bins, branches=branches, max_chi2=max_chi2)
    events = make_ramp(RampOptions(tracks=4), 2, seed)
    for k in range(2):
        hits = events.hits(k)
        label = kalman_clusters(hits, options)
        assert len(label) == len(hits.layer)
        assert sorted(set(label.tolist())) == list(range(label.max() + 1))
        assert len(set(zip(label.tolist(), hits.layer.tolist(), strict=True))) == len(label)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="branches must be from 1 to 200"):
        KalmanOptions(branches=0)


def test_layers_before_the_first_hit_scatter_too():
    """Of tracks from nearly one point, they alone decide how far a track is from the beam."""
    law = RampOptions(**{**vars(STIFF), "sigma_vertex": 0.002})
    events = make_ramp(RampOptions(**{**vars(law), "inefficiency": 0.0, "stop": 0.0}), 3, 27)
    for k in range(3):
        hits = taken(events.hits(k), np.argsort(events.hits(k).layer)[[4, 5, 6, 8]])
        value = partition_value(hits, np.zeros(4, int), KalmanOptions(events=law, bins=1))
        assert value == pytest.approx(closed_form(hits, law), abs=0.02)

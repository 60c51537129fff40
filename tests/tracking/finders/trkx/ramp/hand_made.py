"""Hits and events of the RAMP challenge for tests."""

import numpy as np

from tracking.finders.trkx.ramp.events import RADII, RampHits, make_ramp
from tracking.finders.trkx.ramp.options import RampOptions

CLEAN = RampOptions(tracks=8, radiation=0.0, inefficiency=0.0, stop=0.0)
"""Tracks without scattering or losses."""


def hits_at(*places):
    """Hits by circle and azimuth."""
    layer, phi = np.array([p[0] for p in places], int), np.array([p[1] for p in places], float)
    return RampHits(layer, phi, RADII[layer] * np.cos(phi), RADII[layer] * np.sin(phi))


def taken(hits, which):
    """Some hits of an event, in that order."""
    return RampHits(hits.layer[which], hits.phi[which], hits.x[which], hits.y[which])


def truth(events, k):
    """Tracks of the hits of an event."""
    return events.track[events.offsets[k] : events.offsets[k + 1]]


def same_partition(a, b):
    """Whether two labellings tell the same hits apart."""
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


def check_order_decides_nothing(finder, seed):
    """Permuted and turned events have the same clusters."""
    events, rng = make_ramp(RampOptions(tracks=12), 10, seed), np.random.default_rng(seed)
    for k in range(events.n_events):
        hits = events.hits(k)
        order = rng.permutation(len(hits.layer))
        assert np.array_equal(finder(taken(hits, order)), finder(hits)[order])


def check_exact_on_clean_events(finder, seed):
    """Events without scattering and losses are found to the last hit, but for tracks in one pixel."""
    events = make_ramp(CLEAN, 30, seed)
    assert events.shared == 0
    assert all(same_partition(finder(events.hits(k)), truth(events, k)) for k in range(30))

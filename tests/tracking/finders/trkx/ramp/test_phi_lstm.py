"""The LSTM of the RAMP challenge: what it reads, what it learns, and the clusters of its answers."""

import numpy as np
import torch
from torch import nn

from tests.tracking.finders.trkx.ramp.hand_made import (
    check_order_decides_nothing,
    hits_at,
    taken,
    truth,
)
from tracking.finders.trkx.ramp.events import N_LAYERS, RADII, RampHits, make_ramp
from tracking.finders.trkx.ramp.options import RampOptions
from tracking.finders.trkx.ramp.phi_lstm import (
    N_BINS,
    PhiLstm,
    phi_lstm_clusters,
    seed_images,
    seed_targets,
)

BIN = 2 * np.pi / N_BINS


class Answer(nn.Module):
    """Gives the same logits whatever it reads."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        return self.logits


def test_images_show_one_seed_and_all_other_hits():
    hits = hits_at((0, 1.0), (0, 1.0 + 3 * BIN), (1, 1.0 - BIN), (8, 1.0 + 100 * BIN))
    images, seeds, bins = seed_images(hits)
    assert seeds.tolist() == [0, 1]
    assert bins.tolist() == [[100, 103, 99, 0], [97, 100, 96, 197]]
    assert images.shape == (2, N_LAYERS, N_BINS)
    assert [tuple(place) for place in np.argwhere(images[0]).tolist()] == [(0, 100), (1, 99), (8, 0)]
    assert [tuple(place) for place in np.argwhere(images[1]).tolist()] == [(0, 100), (1, 96), (8, 197)]


def test_turned_events_look_the_same():
    hits = make_ramp(RampOptions(), 1, 41).hits(0)
    for turn in (1.0, 4.0):
        phi = np.mod(hits.phi + turn, 2 * np.pi)
        turned = RampHits(hits.layer, phi, RADII[hits.layer] * np.cos(phi), RADII[hits.layer] * np.sin(phi))
        assert np.array_equal(seed_images(turned)[0], seed_images(hits)[0])


def test_targets_are_the_bins_of_the_seeds_tracks():
    events = make_ramp(RampOptions(tracks=5), 3, 42)
    images, targets = seed_targets(events)
    row = 0
    for k in range(3):
        hits, track = events.hits(k), truth(events, k)
        _, seeds, bins = seed_images(hits)
        for s, seed in enumerate(seeds):
            expected = np.full(N_LAYERS, -1)
            for h in np.flatnonzero((track == track[seed]) & (hits.layer > 0)):
                expected[hits.layer[h]] = bins[s, h]
                assert images[row, hits.layer[h], bins[s, h]] == 1
            assert targets[row].tolist() == expected.tolist()
            row += 1
    assert row == len(images) == len(targets)


def test_each_seed_gets_the_likeliest_hit_that_is_not_anothers():
    hits = hits_at((0, 1.0), (0, 1.0 + 2 * BIN), (1, 1.0), (1, 1.0 + 2 * BIN), (1, 1.0 + 9 * BIN), (2, 1.0))
    logits = torch.full((2, N_LAYERS, N_BINS), -20.0)
    # Both like the hit at 1.0 best; the first seed has nothing else.
    logits[0, 1, 100], logits[1, 1, 98], logits[1, 1, 100] = 5.0, 5.0, 4.0
    # Of the third circle the second seed has all the probability in a bin without a hit.
    logits[0, 2, 100], logits[1, 2, 50] = 3.0, 3.0
    assert phi_lstm_clusters(hits, Answer(logits)).tolist() == [0, 1, 0, 1, -1, 0]


def test_hits_in_bins_below_a_thousandth_are_left():
    hits = hits_at((0, 1.0), (1, 1.0))
    for share, expected in ((2e-3, 0), (5e-4, -1)):
        logits = torch.full((1, N_LAYERS, N_BINS), -40.0)
        logits[0, 1, 50], logits[0, 1, 100] = 0.0, float(np.log(share / (1 - share)))
        # A constant in all bins changes no probability.
        assert phi_lstm_clusters(hits, Answer(logits + 3)).tolist() == [0, expected]


def test_few_hits():
    network = PhiLstm(4).eval()
    assert phi_lstm_clusters(hits_at(), network).tolist() == []
    assert phi_lstm_clusters(hits_at((1, 0.0), (2, 0.0)), network).tolist() == [-1, -1]
    assert phi_lstm_clusters(hits_at((0, 0.0)), network).tolist() == [0]


def test_order_of_the_hits_decides_nothing():
    torch.manual_seed(1)
    network = PhiLstm(8).eval()
    check_order_decides_nothing(lambda hits: phi_lstm_clusters(hits, network), 43)


def test_clusters_of_the_true_bins_are_right_where_tracks_are_apart():
    hits = hits_at(*((layer, 2.0 * track) for track in range(3) for layer in range(N_LAYERS)))
    order = np.random.default_rng(1).permutation(27)
    logits = torch.full((3, N_LAYERS, N_BINS), -20.0)
    logits[:, :, 100] = 5.0
    found = phi_lstm_clusters(taken(hits, order), Answer(logits))
    assert len(set(zip(found.tolist(), (order // N_LAYERS).tolist(), strict=True))) == 3

"""The binned LSTM on toys: windows against a straight loop, and what a short training finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from smartpix.schema import InputError
from tests.helpers import part_of
from tests.seeding import toys
from tracking.finders.trkx.path.binned import (
    BinnedNetwork,
    binned_tracks,
    binned_windows,
    train_binned,
    true_bins,
)
from tracking.finders.trkx.path.options import BinnedOptions

OPTIONS = BinnedOptions(hidden=32, epochs=8, batch_size=16, learning_rate=5e-3, reach=8)


def barrel_event(seed, n=40):
    """Central toys: hits and the particle of each."""
    toy = toys.toy_event(n, seed, max_eta=0.8)
    return toys.toy_hits(toy, seed), toy.particle


@pytest.fixture(scope="module")
def event():
    hits, maker = barrel_event(1)
    return hits, maker, binned_windows(hits, toys.detector(), OPTIONS)


def test_windows_are_those_of_a_straight_loop(event):
    hits, _, windows = event
    layers = toys.detector().layers
    barrel = np.flatnonzero(layers.barrel)
    assert (hits.layer[windows.seed] == barrel[0]).all()
    found = set(zip(windows.owner.tolist(), windows.layer.tolist(), windows.bin.tolist(), windows.hit.tolist(),
                    strict=True))  # fmt: skip
    expected = set()
    for s, h in enumerate(windows.seed):
        frame = hits.axes[h].reshape(3, 3)
        d = frame.T @ np.array([*hits.cot[h], 1.0])
        slope = d[2] / np.hypot(d[0], d[1])
        r, phi = np.hypot(*hits.position[h, :2]), np.arctan2(*hits.position[h, 1::-1])
        for number, layer in enumerate(barrel[1:]):
            for g in np.flatnonzero(hits.layer == layer):
                off = np.angle(np.exp(1j * (np.arctan2(*hits.position[g, 1::-1]) - phi)))
                a = round(off * OPTIONS.phi_bins / (2 * np.pi))
                at = hits.position[h, 2] + slope * (layers.radius[layer] - r)
                b = round((hits.position[g, 2] - at) / OPTIONS.bin_z)
                if abs(a) <= 8 and abs(b) <= 8:
                    expected.add((s, number, (a + 8) * 17 + b + 8, int(g)))
    assert found == expected


def test_occupied_bins_and_true_ones(event):
    hits, maker, windows = event
    rows = np.array([3, 0])
    made = windows.occupancy(rows)
    assert made.shape == (2, 3, 289)
    target = true_bins(windows, maker)
    for place, row in enumerate(rows):
        mine = windows.owner == row
        assert made[place].sum() == len(set(zip(windows.layer[mine], windows.bin[mine], strict=True)))
        for layer in range(3):
            if target[row, layer] >= 0:
                assert made[place, layer, target[row, layer]] == 1
    nobody = true_bins(windows, np.full(len(hits), -1))
    assert (nobody == -1).all()
    assert (target >= 0).mean() > 0.7


def test_a_short_training_finds_most_toys():
    events = []
    for seed in range(10, 18):
        hits, maker = barrel_event(seed)
        windows = binned_windows(hits, toys.detector(), OPTIONS)
        events.append((windows, true_bins(windows, maker)))
    lines = []
    network = train_binned(events, OPTIONS, lines.append)
    assert len(lines) == OPTIONS.epochs
    hits, maker = barrel_event(99)
    windows = binned_windows(hits, toys.detector(), OPTIONS)
    tracks = binned_tracks(network, windows, hits, replace(OPTIONS, min_layers=4, min_bin=0.0))
    right = {maker[rows[0]] for rows in tracks.rows() if len(set(maker[rows])) == 1}
    whole = set(maker[windows.seed[(true_bins(windows, maker) >= 0).all(axis=1)]])
    assert len(right & whole) > 0.7 * len(whole)
    assert all(len(rows) == 4 for rows in tracks.rows())
    # Tracks of three hits are more; a cut on the score takes the least likely ones.
    loose = binned_tracks(network, windows, hits, OPTIONS)
    assert {len(rows) for rows in loose.rows()} == {3, 4}
    least = float(np.median(loose.score))
    cut = binned_tracks(network, windows, hits, replace(OPTIONS, min_probability=least))
    assert 0 < len(cut.rows()) < len(loose.rows())
    assert cut.score.min() >= least > loose.score.min()


class Knows(torch.nn.Module):
    """Gives these logits, whatever it reads."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, features, occupancy):
        return self.logits


def test_a_hit_is_taken_where_its_bin_is_likely_enough():
    """The first seed is sure of two layers, and of the third says that the track is where no hit is."""
    hits, maker = barrel_event(2)
    windows = binned_windows(hits, toys.detector(), replace(OPTIONS, batch_size=1000))
    target = true_bins(windows, maker)
    row = int(np.flatnonzero((target >= 0).all(axis=1))[0])
    logits = torch.zeros(len(windows.seed), 3, windows.n_bins)
    for layer in (0, 1):
        logits[row, layer, target[row, layer]] = 20.0
    empty = np.flatnonzero(windows.occupancy(np.array([row]))[0, 2] == 0)[0]
    logits[row, 2, empty] = 20.0
    tracks = binned_tracks(Knows(logits), windows, hits, replace(OPTIONS, batch_size=1000))
    assert len(tracks.rows()) == 1
    assert hits.layer[tracks.rows()[0]].tolist() == sorted(hits.layer[tracks.rows()[0]])
    assert (maker[tracks.rows()[0]] == maker[windows.seed[row]]).all()
    assert len(tracks.rows()[0]) == 3
    assert tracks.score[0] == pytest.approx(2 / 3)


def test_layers_without_a_hit_teach_nothing():
    """Of a particle that misses a layer the others are learned; of one that misses most nothing is."""
    hits, maker = barrel_event(3)
    windows = binned_windows(hits, toys.detector(), OPTIONS)
    target = true_bins(windows, maker)
    target[1:] = -1
    target[0] = [5, 6, -1]
    assert train_binned([(windows, target)], replace(OPTIONS, epochs=1), print).training is False
    target[0] = [5, -1, -1]
    with pytest.raises(InputError, match="on 3 layers"):
        train_binned([(windows, target)], OPTIONS, print)


def test_a_network_reads_all_layers_before():
    torch.manual_seed(1)
    network = BinnedNetwork(9, 8)
    features, occupancy = torch.zeros(2, 4), torch.zeros(2, 3, 9)
    occupancy[1, 1, 4] = 1
    logits = network(features, occupancy)
    assert logits.shape == (2, 3, 9)
    torch.testing.assert_close(logits[0, 0], logits[1, 0])
    assert not torch.equal(logits[0, 2], logits[1, 2])


def test_what_cannot_be_trained_on_is_refused(event):
    _, _, windows = event
    nothing = np.full((len(windows.seed), 3), -1)
    with pytest.raises(InputError, match="no seed has hits"):
        train_binned([(windows, nothing)], OPTIONS, print)
    disks = part_of(toys.detector(), np.flatnonzero(~toys.detector().barrel))
    with pytest.raises(InputError, match="0 cylinders"):
        binned_windows(event[0], disks, OPTIONS)
    with pytest.raises(InputError, match="binned: learning_rate"):
        BinnedOptions(learning_rate=1.0)

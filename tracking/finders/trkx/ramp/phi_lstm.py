"""The LSTM of HEP.TrkX for the RAMP tracking challenge: azimuths in 200 bins, tracks from the first circle.

Every hit of the first circle is a seed. The network reads the event circle by circle, of the first one the
seed alone, and says of each bin of a circle how likely the seed's track crosses it there (S. Farrell et al.,
EPJ Web Conf. 150, 00003, where the bins are planes' pixels). Azimuths are counted from the seed's, so that a
turned event is the same to the network.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from tracking.finders.trkx.ramp.events import N_LAYERS, RampEvents, RampHits
from tracking.finders.trkx.recurrent import Lstm

__all__ = ["ARCHITECTURE", "N_BINS", "PhiLstm", "phi_lstm_clusters", "seed_images", "seed_targets"]

Ints = npt.NDArray[np.int64]

ARCHITECTURE = "ramplstm-v2"
N_BINS = 200
"""Bins of a circle, as in the talk."""
LEAST = 1e-3
"""Least probability of a bin whose hit a track takes."""


class PhiLstm(nn.Module):
    """An LSTM over the circles, and the same linear layer for each.

    Shapes:
        images: (S, 9, 200) -> logits (S, 9, 200) of the bins of each circle.
    """

    def __init__(self, hidden: int = 56) -> None:
        super().__init__()
        self.lstm = Lstm(N_BINS, hidden)
        self.answer = nn.Linear(hidden, N_BINS)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.answer(self.lstm(images.transpose(0, 1)).transpose(0, 1))
        return logits


def _bins(hits: RampHits) -> tuple[Ints, Ints]:
    """Hits of the first circle (S,), and the bins (S, N) of all hits, counted from each."""
    seeds = np.flatnonzero(hits.layer == 0)
    turned = hits.phi[None] - hits.phi[seeds, None]
    # The seed is in the middle of the middle bin.
    bins = np.asarray(np.floor(turned / (2 * np.pi) * N_BINS + 0.5), dtype=np.int64) + N_BINS // 2
    return seeds, bins % N_BINS


def seed_images(hits: RampHits) -> tuple[npt.NDArray[np.float32], Ints, Ints]:
    """What the network reads of an event, with its seeds (S,) and the bins (S, N) of its hits.

    Returns:
        Images (S, 9, 200): 1 in bins with hits; of the first circle the seed's alone.
    """
    seeds, bins = _bins(hits)
    images = np.zeros((len(seeds), N_LAYERS, N_BINS), dtype=np.float32)
    images[np.arange(len(seeds))[:, None], hits.layer[None], bins] = 1
    images[:, 0] = 0
    images[:, 0, N_BINS // 2] = 1
    return images, seeds, bins


def seed_targets(events: RampEvents) -> tuple[npt.NDArray[np.float32], Ints]:
    """Images (S, 9, 200) of all seeds of several events, and the bins (S, 9) of their tracks' hits.

    Circles without one, and the first, have -1.
    """
    images, targets = [], []
    for k in range(events.n_events):
        hits = events.hits(k)
        track = events.track[events.offsets[k] : events.offsets[k + 1]]
        image, seeds, bins = seed_images(hits)
        target = np.full((len(seeds), N_LAYERS), -1, dtype=np.int64)
        of_seed, hit = np.nonzero((track[seeds, None] == track) & (hits.layer > 0))
        target[of_seed, hits.layer[hit]] = bins[of_seed, hit]
        images.append(image)
        targets.append(target)
    return np.concatenate(images), np.concatenate(targets)


@torch.inference_mode()
def phi_lstm_clusters(hits: RampHits, network: PhiLstm) -> Ints:
    """Clusters (N,) of an event's hits, one for each hit of the first circle; -1 for hits of none.

    Of a circle each seed gets one hit at most. The sum of the logarithms of their bins' probabilities is the
    largest.
    """
    order = np.lexsort((hits.phi, hits.layer))
    hits = RampHits(hits.layer[order], hits.phi[order], hits.x[order], hits.y[order])
    found = np.full(len(order), -1, dtype=np.int64)
    images, seeds, bins = seed_images(hits)
    found[seeds] = np.arange(len(seeds))
    if len(seeds):
        log_p = torch.log_softmax(network(torch.from_numpy(images)), dim=2).numpy()
        for layer in range(1, N_LAYERS):
            here = np.flatnonzero(hits.layer == layer)
            worth = log_p[np.arange(len(seeds))[:, None], layer, bins[:, here]] - np.log(LEAST)
            of_seed, hit = linear_sum_assignment(np.maximum(worth, 0), maximize=True)
            good = worth[of_seed, hit] > 0
            found[here[hit[good]]] = of_seed[good]
    clusters = np.empty(len(order), dtype=np.int64)
    clusters[order] = found
    return clusters

"""The binned LSTM of HEP.TrkX's talk, on our barrel: from a hit of the first layer it says on each further
layer in which bin of azimuth and z the track is.

The talk's challenge is flat, and its bins are of azimuth alone. Here they are of both, in windows about where
the first hit's estimate points, so that one network serves all hits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seeding.hits import Hits
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.train.epoch import descend
from tracking.finders.tracks import Tracks
from tracking.finders.training import falling_rate
from tracking.finders.trkx.path.finder import shared_out
from tracking.finders.trkx.path.options import BinnedOptions
from tracking.finders.trkx.recurrent import Lstm

__all__ = ["BinnedNetwork", "BinnedWindows", "binned_tracks", "binned_windows", "train_binned", "true_bins"]

Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]

N_SEED = 4
"""Numbers that are known of a seed."""
LENGTH = 100.0
"""mm, in which z of a seed is told."""


@dataclass(frozen=True)
class BinnedWindows:
    """Windows of S seeds on L further layers.

    Attributes:
        seed: (S,) rows of the hits; features: (S, N_SEED) of them.
        owner, layer, bin, hit: (K,) of each hit in a window: row of the seed, number of the layer, bin, row
            of the hit.
        n_layers: L; n_bins: of a window.
    """

    seed: Ints
    features: Singles
    owner: Ints
    layer: Ints
    bin: Ints
    hit: Ints
    n_layers: int
    n_bins: int

    def occupancy(self, rows: Ints) -> Singles:
        """(R, L, bins) 1 where a bin has a hit, of some seeds."""
        made = np.zeros((len(rows), self.n_layers, self.n_bins), dtype=np.float32)
        place = np.full(len(self.seed), -1)
        place[rows] = np.arange(len(rows))
        on = place[self.owner] >= 0
        made[place[self.owner[on]], self.layer[on], self.bin[on]] = 1
        return made


def binned_windows(hits: Hits, detector: Detector, options: BinnedOptions) -> BinnedWindows:
    """Windows of all hits of the innermost cylinder.

    Raises:
        InputError: the detector has fewer than two cylinders.
    """
    barrel = np.flatnonzero(detector.layers.barrel)
    barrel = barrel[np.argsort(detector.layers.radius[barrel])]
    if len(barrel) < 2:
        raise InputError(
            f"binned: the detector has {len(barrel)} cylinders and two are needed; give one with a barrel"
        )
    x, y, z = hits.position.T
    radius, phi = np.hypot(x, y), np.arctan2(y, x)
    seed = np.flatnonzero(hits.layer == barrel[0])
    # On the barrel cot alpha is dz/dr, and cot beta the turn against the radius, both in the module's frame.
    axes = hits.axes[seed].reshape(-1, 3, 3)
    direction = np.einsum("nj,nji->ni", np.column_stack([hits.cot[seed], np.ones(len(seed))]), axes)
    slope = direction[:, 2] / np.hypot(direction[:, 0], direction[:, 1])
    turn = (np.arctan2(direction[:, 1], direction[:, 0]) - phi[seed] + np.pi) % (2 * np.pi) - np.pi
    features = np.column_stack([z[seed] / LENGTH, slope, turn, radius[seed] / LENGTH]).astype(np.float32)
    parts = []
    for number, layer in enumerate(barrel[1:]):
        rows = np.flatnonzero(hits.layer == layer)
        at = z[seed] + slope * (detector.layers.radius[layer] - radius[seed])
        off = (phi[None, rows] - phi[seed, None] + np.pi) % (2 * np.pi) - np.pi
        across = np.rint(off * options.phi_bins / (2 * np.pi)).astype(np.int64)
        along = np.rint((z[None, rows] - at[:, None]) / options.bin_z).astype(np.int64)
        owner, which = np.nonzero((np.abs(across) <= options.reach) & (np.abs(along) <= options.reach))
        bins = (across[owner, which] + options.reach) * options.side + along[owner, which] + options.reach
        parts.append((owner, np.full(len(owner), number), bins, rows[which]))
    owner, layer_number, bins, hit = (np.concatenate([part[k] for part in parts]) for k in range(4))
    return BinnedWindows(
        seed, features, owner, layer_number, bins, hit, len(barrel) - 1, options.side * options.side
    )


def true_bins(windows: BinnedWindows, maker: Ints) -> Ints:
    """(S, L) bin of a hit of the seed's own particle on each layer, -1 where the window has none.

    Args:
        maker: (N,) particle of each hit, -1 for none.
    """
    target = np.full((len(windows.seed), windows.n_layers), -1, dtype=np.int64)
    own = maker[windows.seed][windows.owner]
    right = (own >= 0) & (maker[windows.hit] == own)
    target[windows.owner[right], windows.layer[right]] = windows.bin[right]
    return target


class BinnedNetwork(nn.Module):
    """An LSTM over the layers, which reads the bins that have hits and gives the logits of all.

    Shapes:
        features: (S, N_SEED), occupancy: (S, L, bins) -> (S, L, bins).
    """

    def __init__(self, n_bins: int, hidden: int) -> None:
        super().__init__()
        self.memory = Lstm(n_bins + N_SEED, hidden)
        self.last = nn.Linear(hidden, n_bins)

    def forward(self, features: Tensor, occupancy: Tensor) -> Tensor:
        """Logits of the track's bin on each layer."""
        repeated = features[:, None].expand(-1, occupancy.shape[1], -1)
        states = self.memory(torch.cat([occupancy, repeated], dim=2).transpose(0, 1))
        logits: Tensor = self.last(states.transpose(0, 1))
        return logits


def train_binned(
    events: Sequence[tuple[BinnedWindows, Ints]], options: BinnedOptions, report: Callable[[str], object]
) -> BinnedNetwork:
    """Train on the seeds of events whose particle has as many true bins as a track needs. Layers without one
    teach nothing.

    Args:
        events: windows, and their :func:`true_bins`.

    Raises:
        InputError: there are no such seeds.
    """
    torch.manual_seed(options.seed)
    network = BinnedNetwork(options.side * options.side, options.hidden)
    optimizer = torch.optim.NAdam(network.parameters(), lr=options.learning_rate)
    rows = [
        (number, row)
        for number, (_, target) in enumerate(events)
        for row in np.flatnonzero((target >= 0).sum(axis=1) >= options.min_layers - 1).tolist()
    ]
    if not rows:
        raise InputError(
            f"binned: no seed has hits of its particle on {options.min_layers} layers; give more events"
        )
    table = np.array(rows)
    for epoch in range(options.epochs):
        started, total = time.perf_counter(), 0.0
        order = np.random.default_rng([options.seed, epoch]).permutation(len(table))
        batches = [order[k : k + options.batch_size] for k in range(0, len(order), options.batch_size)]
        for step, batch in enumerate(batches):
            rate = falling_rate(options.learning_rate, (epoch + step / len(batches)) / options.epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            parts = [
                (number, table[batch][table[batch, 0] == number, 1]) for number in np.unique(table[batch, 0])
            ]
            features = np.concatenate([events[number][0].features[of] for number, of in parts])
            occupancy = np.concatenate([events[number][0].occupancy(of) for number, of in parts])
            target = np.concatenate([events[number][1][of] for number, of in parts])
            logits = network(torch.from_numpy(features), torch.from_numpy(occupancy))
            true = torch.from_numpy(target).flatten()
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), true, ignore_index=-1)
            descend(network, optimizer, loss)
            total += float(loss.detach())
        report(
            f"epoch {epoch + 1}/{options.epochs}  loss {total / len(batches):.4f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    return network.eval()


@torch.inference_mode()
def binned_tracks(
    network: BinnedNetwork, windows: BinnedWindows, hits: Hits, options: BinnedOptions
) -> Tracks:
    """Tracks of an event: each seed with a hit of its likeliest bin that has one, on each layer where that
    bin is likely enough.

    Of several hits in a bin the first is taken. A track's score is the mean probability of its bins over all
    layers. Hits go to the tracks in the order of their scores.
    """
    chosen = np.full((len(windows.seed), windows.n_layers), -1, dtype=np.int64)
    score = np.zeros(len(windows.seed))
    for first in range(0, len(windows.seed), options.batch_size):
        rows = np.arange(first, min(first + options.batch_size, len(windows.seed)))
        occupied = windows.occupancy(rows)
        logits = network(torch.from_numpy(windows.features[rows]), torch.from_numpy(occupied))
        share = torch.softmax(logits, dim=2).numpy() * occupied
        best = share.argmax(axis=2)
        probability = np.take_along_axis(share, best[:, :, None], axis=2)[:, :, 0]
        likely = probability >= options.min_bin
        score[rows] = (probability * likely).mean(axis=1)
        best[~likely] = -1
        mine = (windows.owner >= first) & (windows.owner < first + len(rows))
        k = np.flatnonzero(mine)[::-1]
        k = k[best[windows.owner[k] - first, windows.layer[k]] == windows.bin[k]]
        chosen[windows.owner[k], windows.layer[k]] = windows.hit[k]
    table = np.column_stack([windows.seed, chosen])
    enough = (table >= 0).sum(axis=1) >= options.min_layers
    good = np.flatnonzero(enough & (score >= options.min_probability))
    table, score = table[good], score[good]
    size = (table >= 0).sum(axis=1)
    kept = shared_out(
        np.argsort(-score, kind="stable"), np.concatenate([[0], np.cumsum(size)]), table[table >= 0], hits.layer,
        len(hits), options.max_shared, options.min_layers,
    )  # fmt: skip
    return Tracks.from_rows([table[k][table[k] >= 0] for k in kept], score[kept])

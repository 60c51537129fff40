"""Clusters for benchmarks/merged_front.py: of event files with what is true of each, of windows and of noise."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from smartpix.clusters import flatten, windows
from smartpix.estimate.base import truth_targets
from smartpix.files import as_paths
from smartpix.merged.samples import true_particles
from smartpix.samples import AS_THEY_ARE, event_clusters, read_out
from smartpix.schema import N_COLUMNS, N_ROWS, origin_pixel
from smartpix.simulate.dataset_options import DatasetOptions
from smartpix.simulate.datasets import simulate_dataset
from smartpix.simulate.options import STANDARD_READOUT, ReadoutOptions
from smartpix.simulate.readout import digitise

WHOLE = replace(STANDARD_READOUT, noise=0.0, threshold_dispersion=0.0, adc_bits=0, clock="crossing")
"""Without readout effects but for the threshold, without which the induced charge has no border."""
LOW = replace(STANDARD_READOUT, threshold_scale=0.35)
"""True thresholds of 140 e, 2.8 times the noise, spread by 60 e."""
TOUCHING = np.ones((3, 3))
AT_A_TIME = 5000


@dataclass(frozen=True)
class Clusters:
    """N clusters and what is true of each.

    Attributes:
        images: (N, S, R, C) charge in e.
        count: (N,) particles, 1 to 3.
        fragment: (N,) the crossing it is mainly of has a larger cluster: what a delta ray leaves beside it.
        density: (N,) charge of the last slice by the length of the main particle's path, e per sensor thickness.
    """

    images: np.ndarray
    count: np.ndarray
    fragment: np.ndarray
    density: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> "Clusters":
        """Some of them."""
        return Clusters(self.images[rows], self.count[rows], self.fragment[rows], self.density[rows])


def complete_clusters(files: list[str]) -> Clusters:
    """Barrel clusters of event files that fit the window and are not cut by an edge."""
    parts = []
    for part in event_clusters(as_paths(files), "barrel", AS_THEY_ARE):
        count, _ = true_particles(part.clusters)
        targets, largest = truth_targets(part.clusters, event=part.event)
        chosen = part.in_region & (count > 0)
        flat = flatten(part.clusters[chosen], part.slices)
        images, _ = windows(flat)
        path = np.sqrt(1 + (targets[chosen, 2:] ** 2).sum(axis=1))
        density = images[:, -1].sum(axis=(1, 2)) / path
        kept = ~flat.truncated
        parts.append((images[kept], count[chosen][kept], ~largest[chosen][kept], density[kept]))
    return Clusters(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def simple_windows(n: int, seed: int) -> Clusters:
    """Windows of the data set ``merged`` without readout effects or pile-up, whose pixels hold together."""
    options = DatasetOptions(dataset="merged", slices=STANDARD_READOUT.slices, induction="full")
    windows_of = simulate_dataset(options, n, seed)
    images, _, truncated = read_out(windows_of, WHOLE, options.described(), seed)
    whole = [ndimage.label(fired, TOUCHING)[1] == 1 for fired in (images != 0).any(axis=1)]
    rows = np.flatnonzero(np.array(whole) & ~truncated)
    count = windows_of.labels["n_particles"].astype(np.int64)
    return Clusters(images[rows], count[rows], np.zeros(len(rows), bool), np.zeros(len(rows)))


def noise_clusters(n: int, seed: int, readout: ReadoutOptions = LOW) -> np.ndarray:
    """Images (N, 2, R, C) of clusters of noise alone, as a chip with low thresholds reads them.

    The pixels of the last slice decide what is a hit; of each window the cluster with the largest charge counts.
    """
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    middle = (origin_pixel(N_ROWS), origin_pixel(N_COLUMNS))
    while len(found) < n:
        charge = np.zeros((AT_A_TIME * N_ROWS * N_COLUMNS, 2), dtype=np.float32)
        read = digitise(charge, readout, rng).reshape(AT_A_TIME, N_ROWS, N_COLUMNS, 2)
        for image in np.moveaxis(read, 3, 1):
            label, number = ndimage.label(image[1] > 0, TOUCHING)
            if number == 0:
                continue
            largest = 1 + int(np.argmax(ndimage.sum(image[1], label, range(1, number + 1))))
            pixels = np.argwhere(label == largest)
            shift = [m - (a + b) // 2 for m, a, b in zip(middle, pixels.min(0), pixels.max(0), strict=True)]
            found.append(np.roll(image * (label == largest), shift, axis=(1, 2)))
    return np.stack(found[:n])

"""Clusters of one, two, or three and more particles, with the truth of each particle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import flatten, windows
from smartpix.estimate.base import truth_targets, window_center
from smartpix.files import as_paths
from smartpix.io.cluster_set import N_PARTICLES, ClusterSet, label_of
from smartpix.io.events import EventFile
from smartpix.notebook import words_and_table
from smartpix.sample_windows import read_out
from smartpix.samples import (
    AS_THEY_ARE,
    Reading,
    Samples,
    are_tables,
    count_by_file,
    described_readout,
    event_clusters,
    made_by_all,
    no_clusters,
    read_tables,
)
from smartpix.schema import MIN_SHARE, TARGETS, InputError

__all__ = ["MOST_PARTICLES", "MergedSamples", "load_merged", "true_particles"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_PARTICLES = 3
"""A cluster of more particles counts as one of so many: its pixels no longer tell them apart."""


@words_and_table
@dataclass(frozen=True)
class MergedSamples(Samples):
    """Clusters with all particles that made them.

    Attributes:
        count: (N,) particles, 1 to 3; 3 stands for more, too.
        targets: (N, 3, 4), the largest share of the charge first; nan where there is no particle.
    """

    count: Ints = field(kw_only=True)

    def take(self, rows: Ints) -> MergedSamples:
        """Some of the clusters, in the order of ``rows``, as of one file."""
        return replace(
            self, images=self.images[rows], count=self.count[rows], targets=self.targets[rows],
            truncated=self.truncated[rows], parts=(),
        )  # fmt: skip


def true_particles(clusters: ak.Array) -> tuple[Ints, Floats]:
    """How many particles made each cluster, and where they crossed.

    A crossing counts if at least :data:`smartpix.schema.MIN_SHARE` of the cluster's true charge is its own:
    delta rays leave less. A particle that comes back crosses anew.

    Args:
        clusters: records (N,) with truth.

    Returns:
        Counts (N,) from 0 to 3, and (N, 3, 4) x and y (mm, sensor frame), cot alpha, cot beta of the three
        largest shares; nan where there is none.
    """
    truth = clusters["truth"]
    numbers = ak.to_numpy(ak.num(truth, axis=1)).astype(np.int64)
    flat = ak.flatten(truth, axis=1)
    share = ak.to_numpy(flat["share"]).astype(np.float64)
    particle, order = (ak.to_numpy(flat[name]).astype(np.int64) for name in ("particle_id", "order"))
    cluster = np.repeat(np.arange(len(clusters)), numbers)
    rows = np.flatnonzero(share >= MIN_SHARE)
    # The largest share of each crossing, should a crossing be listed twice.
    rows = rows[np.lexsort((-share[rows], order[rows], particle[rows], cluster[rows]))]
    crossing = np.stack([cluster[rows], particle[rows], order[rows]])
    rows = rows[np.any(np.diff(crossing, axis=1, prepend=-1 - crossing[:, :1]) != 0, axis=0)]
    rows = rows[np.lexsort((-share[rows], cluster[rows]))]
    found = np.bincount(cluster[rows], minlength=len(clusters))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(found) - found, found)
    rows, place = rows[place < MOST_PARTICLES], place[place < MOST_PARTICLES]
    targets = np.full((len(clusters), MOST_PARTICLES, len(TARGETS)), np.nan)
    for k, name in enumerate(TARGETS):
        targets[cluster[rows], place, k] = ak.to_numpy(flat[name])[rows]
    return np.minimum(found, MOST_PARTICLES), targets


def load_merged(
    files: str | Path | Sequence[str | Path],
    region: str,
    reading: Reading = AS_THEY_ARE,
    *,
    fragments: bool = True,
) -> MergedSamples:
    """Clusters of event files (ROOT, read out already) or of ``merged`` data sets (parquet, noise-free: they
    are read out here).

    Clusters of noise alone are left out.

    Args:
        region: ``"barrel"`` or ``"endcap"``; of event files, which modules.
        reading: slices, readout and sensor.
        fragments: keep clusters that hold less of the crossing they are mainly of than another cluster of
            the event does, as what a delta ray leaves beside a track.

    Raises:
        InputError: as :func:`smartpix.samples.load_samples`, or data sets of single particles.
    """
    files = as_paths(files)
    if are_tables(files, reading):
        return _from_tables(files, region, reading)
    return replace(_from_events(files, region, reading, fragments), files=tuple(files))


def _from_tables(files: Sequence[Path], region: str, reading: Reading) -> MergedSamples:
    found = read_tables(files, region, reading)
    clusters = found.clusters
    if N_PARTICLES not in clusters.labels:
        raise InputError(
            f"{files[0]}: its clusters are of single particles; give data sets made with --dataset merged"
        )
    images, shift, truncated = read_out(clusters, reading.readout, found.sensor)
    count, targets = _by_share(clusters)
    targets[:, :, :2] += shift[:, None]
    return MergedSamples(
        images, targets, truncated, dict(found.sensor), clusters.slices,
        described_readout(found.made_by, reading.readout), found.parts, files=found.files, count=count,
    )  # fmt: skip


def _by_share(clusters: ClusterSet) -> tuple[Ints, Floats]:
    """Counts (N,) and targets (N, 3, 4) as of :func:`true_particles`, of windows; what a particle leaves in
    its window's sensor counts as its share. Where a set does not tell that, all particles count, in their
    order.
    """
    numbers = range(1, MOST_PARTICLES + 1)
    targets = np.stack([clusters.targets(k) for k in numbers], axis=1)
    pairs = [clusters.labels.get(label_of("number_eh_pairs", k)) for k in numbers]
    if any(column is None for column in pairs):
        return clusters.labels[N_PARTICLES].astype(np.int64), targets
    share = np.nan_to_num(np.stack([np.asarray(column) for column in pairs], axis=1))
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
    targets[share < MIN_SHARE] = np.nan
    order = np.argsort(-share, axis=1, kind="stable")
    count = np.maximum((share >= MIN_SHARE).sum(axis=1), 1)
    return count, np.take_along_axis(targets, order[:, :, None], axis=1)


def _from_events(files: Sequence[Path], region: str, reading: Reading, fragments: bool) -> MergedSamples:
    images, counts, targets, truncated = [], [], [], []
    parts: list[tuple[EventFile, int]] = []
    part = None
    for part in event_clusters(files, region, reading):
        count, target = true_particles(part.clusters)
        chosen = part.in_region & (count > 0)
        if not fragments:
            chosen &= truth_targets(part.clusters, event=part.event)[1]
        if not chosen.any():
            continue
        flat = flatten(part.clusters[chosen], part.slices)
        image, origin = windows(flat)
        target = target[chosen]
        target[:, :, :2] -= window_center(origin, flat.module, part.opened.header.detector)[:, None]
        images.append(image)
        counts.append(count[chosen])
        targets.append(target)
        truncated.append(flat.truncated)
        parts.append((part.opened, len(image)))
    if not images or part is None:
        raise no_clusters(files, region)
    return MergedSamples(
        np.concatenate(images), np.concatenate(targets), np.concatenate(truncated), part.sensor, part.slices,
        made_by_all(parts), count_by_file(parts), count=np.concatenate(counts),
    )  # fmt: skip

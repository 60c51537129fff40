"""Splitting of merged clusters in jets by K-means: what CMS did before DeepCore.

In a jet all particles cross a module at about the jet's direction. How large the cluster of one is, and how
much charge it has, follows from that. A cluster of far more charge is split into as many parts as its charge
is of, by K-means on its pixels with their charges as weights, in units of the expected size. The chain then
looks for tracks once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

import numpy as np
import numpy.typing as npt

from seeding.hits import make_hits
from smartpix.clusters import FlatClusters
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.schema import check_ranges, check_types, ranged
from tracking.finders.clock import StageClock
from tracking.finders.deepcore.finder import track_jets
from tracking.finders.deepcore.jets import Jets, check_field
from tracking.finders.deepcore.options import JetOptions
from tracking.finders.finder import Finder, FinderInput, Fit, training_seeds
from tracking.finders.tracks import Tracks

__all__ = ["KMeansFinder", "KMeansOptions", "SplitPart", "split_in_jets"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STAGE = "split"
"""The stage in which jets and splitting are told; those of both searches are told as the chain's."""


@dataclass(frozen=True)
class KMeansOptions:
    """Splitting by K-means.

    Attributes:
        cone: distance from a jet's axis within which clusters are split, in pseudorapidity and azimuth.
        charge_per_um: charge in e that a particle leaves in a micrometre of silicon.
        fraction: least charge of a cluster that is split, in those of one particle.
        most_parts: most parts of a cluster.
        sigma: uncertainty of a part's position, in expected sizes of a cluster.
        jets: jets of the first search's tracks.
    """

    cone: float = ranged(0.05, 0.0, 1.0)
    charge_per_um: float = ranged(81.0, 1.0, 1000.0)
    # CMS splits from 2 on. With so small pixels most clusters of two particles have less, and lower down fakes
    # and duplicates grow. benchmarks/tune_dense.py has others beside.
    fraction: float = ranged(1.5, 1.0, 10.0)
    most_parts: int = ranged(3, 2, 100)
    sigma: float = ranged(0.3, 0.01, 10.0)
    jets: JetOptions = dataclass_field(default_factory=lambda: JetOptions(max_eta=2.5))

    def __post_init__(self) -> None:
        check_types("kmeans", self)
        check_ranges("kmeans", self)


@dataclass(frozen=True)
class SplitPart:
    """A part of a split cluster.

    Attributes:
        cluster: its row; mean, sigma: (2,) x and y (mm on the module), and their uncertainties.
    """

    cluster: int
    mean: Floats
    sigma: Floats


def split_in_jets(
    clusters: FlatClusters, position: Floats, jets: Jets, detector: Detector, options: KMeansOptions
) -> list[SplitPart]:
    """Parts of the clusters of an event that are split, by cluster.

    Args:
        position: (C, 3) of the clusters, mm; the last slice of ``clusters`` is their charge.
    """
    owner = np.repeat(np.arange(len(clusters)), clusters.counts)
    charge = np.bincount(owner, np.maximum(clusters.charge[:, -1], 0), len(clusters))
    parts: dict[int, list[SplitPart]] = {}
    directions = jets.directions()
    for k in range(len(jets)):
        away = position - [0.0, 0.0, jets.z[k]]
        eta = np.arcsinh(away[:, 2] / np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-9))
        turn = (np.arctan2(away[:, 1], away[:, 0]) - jets.phi[k] + np.pi) % (2 * np.pi) - np.pi
        near = np.flatnonzero(np.hypot(eta - jets.eta[k], turn) < options.cone)
        local = detector.direction_to_local(clusters.module[near], np.tile(directions[k], (len(near), 1)))
        slopes = local[:, :2] / local[:, 2:]
        thickness = detector.thickness[clusters.module[near]]
        expected = options.charge_per_um * 1e3 * thickness * np.sqrt(1 + np.sum(slopes**2, axis=1))
        for row in np.flatnonzero(charge[near] > options.fraction * expected):
            cluster = int(near[row])
            # Of two jets that overlap, the harder one comes first.
            if cluster not in parts:
                n = min(max(int(np.rint(charge[cluster] / expected[row])), 2), options.most_parts)
                parts[cluster] = _parts(clusters, cluster, n, slopes[row], detector, options)
    return [part for cluster in sorted(parts) for part in parts[cluster]]


def _parts(
    clusters: FlatClusters, cluster: int, n: int, slopes: Floats, detector: Detector, options: KMeansOptions
) -> list[SplitPart]:
    """``n`` parts of one cluster, of particles with these slopes; fewer if it has fewer pixels, and none of
    one.
    """
    from sklearn.cluster import KMeans

    module = clusters.module[cluster]
    pixels = slice(clusters.first[cluster], clusters.first[cluster] + clusters.counts[cluster])
    pitch = np.array([detector.pitch_x[module], detector.pitch_y[module]])
    point = np.stack([clusters.column[pixels], clusters.row[pixels]], axis=1) * pitch
    charge = np.maximum(clusters.charge[pixels, -1], 0).astype(np.float64)
    # A path of no slope lights one pixel or two.
    size = 1.5 * pitch + detector.thickness[module] * np.abs(slopes)
    own = charge > 0
    n = min(n, int(own.sum()))
    if n < 2:
        return []
    # The first places are drawn; always the same ones, so that an event gives the same twice.
    fit = KMeans(n, n_init=3, random_state=0).fit((point / size)[own], sample_weight=charge[own])
    centre = np.average(point[own], axis=0, weights=charge[own])
    # The file's position is the centre less the drift in the magnetic field, which each part has in common.
    at = fit.cluster_centers_ * size - centre + clusters.local[cluster]
    return [SplitPart(cluster, place, options.sigma * size) for place in at[np.lexsort(at.T[::-1])]]


@dataclass(frozen=True)
class KMeansFinder:
    """A finder: a first search for the jets, splitting, and a search over the hits of the parts.

    It fits its tracks itself, so that each has the hits of its own parts.

    Attributes:
        search: the finder of both searches; fit: of the tracks of both.
        detector, field: of the hits; slice: of the files, whose charge is split.
    """

    search: Finder
    fit: Fit
    detector: Detector
    field: float
    slice: int
    options: KMeansOptions = dataclass_field(default_factory=KMeansOptions)

    def __post_init__(self) -> None:
        check_field("kmeans", self.field)

    @property
    def training_seeds(self) -> frozenset[int]:
        """Those of the search."""
        return training_seeds(self.search)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event, with parameters. Those of two parts of a cluster share its hit."""
        clock = StageClock()
        # Made again for the clock: the time of a finder that fits goes from estimates to parameters.
        given = make_hits(event.clusters, event.hits.estimate, self.detector, event.hits.cluster)
        clock.lap("hits")
        tracks = self._fitted(replace(event, hits=given), clock)
        jets = track_jets(given, tracks, self.detector, self.field, self.fit, self.options.jets)
        # The first hit of each cluster: whoever gave several has split it already.
        first = np.searchsorted(event.hits.cluster, np.arange(len(event.clusters)))
        lone = event.hits.take(first)
        parts: list[SplitPart] = []
        if len(jets):
            flat = event.pixels([self.slice])
            parts = split_in_jets(flat, lone.position, jets, self.detector, self.options)
        clock.lap(STAGE)
        if not parts:
            return replace(tracks, ms=clock.ms)
        estimate, cluster = _with_parts(lone.estimate, parts)
        hits = make_hits(event.clusters, estimate, self.detector, cluster)
        clock.lap("hits")
        found = self._fitted(FinderInput(event.clusters, hits, self.detector, self.field), clock)
        rows = [_once(first[cluster[row]]) for row in found.rows()]
        # Without what the fit says of each part: two parts of a track are one row here.
        fitted = found.parameters and found.parameters.take(np.arange(len(found)))
        of_clusters = Tracks.from_rows(rows, found.score, fitted)
        return replace(of_clusters, ms=clock.ms, graph=found.graph, later=found.later)

    def _fitted(self, event: FinderInput, clock: StageClock) -> Tracks:
        """Tracks of a search with parameters of its own hits; their times are added to the clock's."""
        found = self.search(event)
        clock.adopt(found.ms)
        fitted = found.parameters or self.fit(event.hits, found, self.detector, self.field)
        clock.lap("fit")
        return replace(found, parameters=fitted)


def _once(rows: Ints) -> Ints:
    """Rows in their order, each once."""
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _with_parts(lone: Estimate, parts: Sequence[SplitPart]) -> tuple[Estimate, Ints]:
    """Estimates in which the parts stand for the clusters that are split, with the slopes of these, and the
    cluster of each.
    """
    of_part = np.array([part.cluster for part in parts], dtype=np.int64)
    whole = np.setdiff1d(np.arange(len(lone)), of_part)
    rows = np.concatenate([whole, of_part])
    order = np.argsort(rows, kind="stable")
    mean, factor, sigma = lone.mean[rows], lone.cholesky[rows], lone.sigma()[of_part]
    mean[len(whole) :, :2] = [part.mean for part in parts]
    sigma[:, :2] = [part.sigma for part in parts]
    # Of the whole cluster's covariances of positions and slopes nothing is known for the parts.
    factor[len(whole) :] = sigma[:, :, None] * np.eye(4)
    return Estimate(mean[order], factor[order], lone.flagged[rows][order]), rows[order]

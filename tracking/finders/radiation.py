"""Tracks of particles that radiated: electrons lose energy all at once, and turn more from there on.

The search looks for particles from the beam line that are stiff enough all along (``cone.min_pt``). Of an
electron that radiates it finds the part before, which is too short for a track where the loss is early.
Such a part is followed here, with any larger curvature of the same sign, and on free hits alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.options import ConeOptions
from seeding.table import is_straight, max_curvature, scattering_constant
from smartpix.layers import LayerPairs
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks
from tracking.finders.radiation_kernels import extend_paths, sort_by_layer
from tracking.finders.tracks import Tracks

__all__ = ["N_KNOWN", "longer_paths", "with_radiating_tracks"]

N_KNOWN = 3
"""Hits of a path before the loss, which fix its helix."""
STRONG = 0.1
"""Least score of an edge before the loss; their mean is a track's, above ``min_track_score``."""


def with_radiating_tracks(
    tracks: Tracks, hits: Hits, edges: Edges, scores: npt.NDArray[np.float32], ranks: npt.NDArray[np.int32],
    pairs: LayerPairs, field: float, options: BuildOptions, cone: ConeOptions,
) -> Tracks:  # fmt: skip
    """The tracks of an event, and after them those of particles that lost much of their energy on their way.

    A path of three layers and strong edges, all of whose hits are free, is followed outwards from layer to
    layer. A hit continues it if it lies on the side to which the path turns, with more curvature than
    before, down to ``radiated_pt``; and if cot theta, which no loss changes, and the cluster's own slopes
    agree, by a chi2 of three degrees of freedom. Of several the best is taken. What has ``min_hits`` layers
    then is a track.

    Args:
        tracks: of :func:`tracking.finders.paths.build_tracks`; ranks: of the layers.
        pairs: layers that follow each other; field: along z in T.
        cone: material of a layer, and what the estimates' errors are scaled by.
    """
    if options.radiated_pt == 0 or options.min_hits <= N_KNOWN or is_straight(field):
        return tracks
    free = np.ones(len(hits), dtype=np.bool_)
    free[tracks.hits] = False
    left = np.flatnonzero((scores > STRONG) & free[edges.source] & free[edges.target])
    if not len(left):
        return tracks
    few = replace(options, min_hits=N_KNOWN, share_score=1.0)
    paths = build_tracks(hits, edges.take(left), scores[left], ranks, few)
    if not len(paths):
        return tracks
    free[paths.hits] = False
    follows = np.zeros((len(ranks), len(ranks)), dtype=np.bool_)
    follows[pairs.inner, pairs.outer] = pairs.inner != pairs.outer
    rows, begin, radii = sort_by_layer(hits.layer, free, hits.position, len(ranks))
    found = extend_paths(
        paths.hits, paths.start, np.argsort(-paths.score, kind="stable"), rows, begin, radii, follows, free, hits.position,
        hits.layer, hits.axes, hits.estimate.cholesky, hits.cot, hits.cot_covariance * cone.sigma_scale**2,
        max_curvature(field, options.radiated_pt), scattering_constant(field, cone.radiation_length),
        _cut(options.radiated_quantile), len(ranks),
    )  # fmt: skip
    new = longer_paths(paths, found, hits.layer, options.min_hits)
    return replace(
        tracks,
        hits=np.concatenate([tracks.hits, new.hits]),
        start=np.concatenate([tracks.start, tracks.start[-1] + new.start[1:]]),
        score=np.concatenate([tracks.score, new.score]),
    )


def longer_paths(
    paths: Tracks, found: npt.NDArray[np.int64], layer: npt.NDArray[np.int32], min_hits: int
) -> Tracks:
    """The paths with what was found beyond them, on enough layers; those of which nothing was found are left out."""
    beyond = found >= 0
    path = np.repeat(np.arange(len(paths)), np.diff(paths.start))
    rows, path = np.append(paths.hits, found[beyond]), np.append(path, np.nonzero(beyond)[0])
    n_layers = int(layer.max()) + 1
    of_layers = np.unique(path * n_layers + layer[rows]) // n_layers
    chosen = beyond[:, 0] & (np.bincount(of_layers, minlength=len(paths)) >= min_hits)
    order = np.argsort(path, kind="stable")
    order = order[chosen[path[order]]]
    lengths = np.bincount(path[order], minlength=len(paths))[chosen]
    return Tracks(hits=rows[order], start=np.append(0, np.cumsum(lengths)), score=paths.score[chosen])


def _cut(quantile: float) -> float:
    """Largest chi2 of three degrees of freedom."""
    # SciPy's special functions load slowly.
    from scipy.special import chdtri

    return float(chdtri(3, 1 - quantile))

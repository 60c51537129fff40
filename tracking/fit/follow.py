"""Tracks of pixels followed outwards into the strips.

Strips take no part in the search: their hits tell no direction, and no network was trained on them. A
track that was fitted is continued along its helix from layer to layer, takes the hit with the smallest
chi2 of each, and is fitted again with these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.material import surfaces
from smartpix.physics import CURVATURE_PER_TESLA
from tracking.finders.tracks import Tracks
from tracking.fit.follow_kernels import followed
from tracking.fit.kernels import USED, gathered
from tracking.fit.losses import PARTICLES
from tracking.fit.options import FitOptions
from tracking.fit.tracks import Helices, fit_tracks

__all__ = ["Followed", "follow_tracks", "joined_hits"]

BIN = 20.0
"""mm along the azimuth of a bin that hits are looked up in."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Followed:
    """Tracks with their strip hits.

    Attributes:
        hits: of pixels, in their order, and then of strips.
        tracks: the same tracks in their order, each with its strip hits behind.
        helices: fitted to all of these.
        n_added: (T,) strip hits of each track.
    """

    hits: Hits
    tracks: Tracks
    helices: Helices
    n_added: Ints


def joined_hits(first: Hits, second: Hits) -> Hits:
    """Hits of one event one after the other."""

    def both(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(first, name), getattr(second, name)])

    mean, cholesky = (
        np.concatenate([getattr(hits.estimate, name) for hits in (first, second)])
        for name in ("mean", "cholesky")
    )
    return Hits(
        both("hit_id"), both("module"), both("layer"), both("position"), Estimate(mean, cholesky), both("axes"),
        both("cluster"),
    )  # fmt: skip


def follow_tracks(
    hits: Hits, tracks: Tracks, helices: Helices, strips: Hits, detector: Detector, field: float,
    options: FitOptions | None = None, threads: int = 1, field_map: FieldMap | None = None,
) -> Followed:  # fmt: skip
    """Give fitted tracks the hits of strips along their way outwards, at most one a layer.

    A hit is compatible if its chi2 (2 coordinates) beside the track as it is known there is below
    ``options.follow_chi2``. Of two tracks that want a hit the one with the smaller chi2 gets it. A track that
    has no hit on two layers in a row is followed no further.

    Args:
        strips: of the same event.
        field: along z in T, signed: the way outwards is a helix in it.
        field_map: of the last fit, instead.
    """
    options = options or FitOptions()
    layers = np.unique(strips.layer)
    table, begin, order = _bins(strips, layers, detector)
    n = len(tracks)
    chosen, chi2 = np.full((n, len(layers)), -1), np.zeros((n, len(layers)))
    of_tracks, status = _gathered(hits, tracks.hits)
    status[helices.outlier] = USED + 1
    parameters = np.stack([helices.d0, helices.z0, helices.phi, helices.theta, helices.qop], axis=1)
    followed(
        tracks.start, of_tracks, status, parameters, *surfaces(detector, options), options.sensor,
        field * CURVATURE_PER_TESLA, options.straight_momentum, PARTICLES[options.particle], table,
        _gathered(strips, order)[0], begin, options.follow_chi2, chosen, chi2,
    )  # fmt: skip
    _keep_best(chosen, chi2)
    rows = np.where(chosen >= 0, np.append(order, -1)[chosen], -1)
    return _fitted(hits, tracks, strips, rows, detector, field, options, threads, field_map)


def _gathered(hits: Hits, rows: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Hits as the kernels read them, without slopes, and which can be used."""
    out, status = np.empty((len(rows), 15)), np.empty(len(rows), dtype=np.int8)
    gathered(hits.position, hits.axes, hits.estimate.cholesky, hits.cot, rows, out, np.empty((0, 9)), status)
    return out, status


def _bins(
    strips: Hits, layers: npt.NDArray[np.int32], detector: Detector
) -> tuple[npt.NDArray[np.float64], Ints, Ints]:
    """Layers as the kernel reads them, where each bin of theirs begins, and the hits' rows in that order."""
    of, row = detector.layers, np.searchsorted(layers, strips.layer)
    barrel = of.barrel[layers]
    place = np.where(barrel, of.radius[layers], of.z[layers])
    low = np.where(barrel, of.z_min[layers], of.r_min[layers])
    high = np.where(barrel, of.z_max[layers], of.r_max[layers])
    n_bins = np.maximum(np.ceil(2 * np.pi * np.where(barrel, place, low) / BIN), 4.0)
    # Places that are no numbers go anywhere, and are near no track.
    phi = np.nan_to_num(np.arctan2(strips.position[:, 1], strips.position[:, 0]))
    own = np.minimum(np.floor((phi + np.pi) / (2 * np.pi) * n_bins[row]), n_bins[row] - 1)
    number = (np.concatenate([[0.0], np.cumsum(n_bins)])[row] + own).astype(np.int64)
    order = np.argsort(number, kind="stable")
    begin = np.searchsorted(number[order], np.arange(int(n_bins.sum()) + 1))
    table = np.stack([barrel.astype(np.float64), place, low, high, n_bins], axis=1)
    return table, begin, order


def _keep_best(chosen: Ints, chi2: npt.NDArray[np.float64]) -> None:
    """Leave each strip hit to the track with the smallest chi2."""
    track, layer = np.nonzero(chosen >= 0)
    hit, of_hit = chosen[track, layer], chi2[track, layer]
    order = np.lexsort((of_hit, hit))
    again = np.flatnonzero(hit[order][1:] == hit[order][:-1]) + 1
    chosen[track[order[again]], layer[order[again]]] = -1


def _fitted(
    hits: Hits, tracks: Tracks, strips: Hits, rows: Ints, detector: Detector, field: float, options: FitOptions,
    threads: int, field_map: FieldMap | None,
) -> Followed:  # fmt: skip
    """Tracks with the strips ``rows`` (T, L), -1 for none, fitted."""
    distance = np.linalg.norm(np.append(strips.position, [[np.inf] * 3], axis=0)[rows], axis=2)
    outwards = np.take_along_axis(rows, np.argsort(distance, axis=1, kind="stable"), axis=1)
    both = joined_hits(hits, strips)
    of_track = [
        np.concatenate([own, len(hits) + more[more >= 0]])
        for own, more in zip(tracks.rows(), outwards, strict=True)
    ]
    extended = Tracks.from_rows(of_track, tracks.score)
    helices = fit_tracks(both, extended, detector, field, options, threads, field_map)
    return Followed(both, extended, helices, np.asarray(np.sum(rows >= 0, axis=1)))

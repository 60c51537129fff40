"""Networks of several components by themselves: positions in merged clusters, and regions of mixtures.

What the chain makes of them is in :mod:`tracking.bench.dense_estimates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import flatten
from smartpix.estimate.base import truth_targets
from smartpix.estimate.components import (
    APART,
    MIN_SHARE_LONE,
    REGION_SHARES,
    Components,
    density_rank,
    normal_scores,
    ordered,
    separation,
)
from smartpix.estimate.mdn import MdnEstimator
from smartpix.estimate.mixture import MixtureNetwork
from smartpix.estimate.quality import half_width, pull_width
from smartpix.io.events import iterate
from smartpix.merged.mixture import PARTICLES, ParticleNetworks
from smartpix.merged.samples import true_particles
from smartpix.merged.splitter import misfit
from smartpix.schema import MIN_SHARE, REGIONS, TARGETS, InputError

__all__ = ["ETA_BINS", "EndcapClusters", "endcap_clusters", "endcap_numbers", "merged_positions"]

Floats = npt.NDArray[np.float64]

ETA_BINS = (1.5, 2.3, 2.6, 2.9, 3.2, 4.0)
"""Of the clusters' places as seen from the origin: the disks from their outer edge inwards, about as many
clusters in each.
"""
STEP = 4
"""Events read at a time."""


def merged_positions(files: Sequence[str | Path], networks: dict[int, ParticleNetworks]) -> dict[str, Any]:
    """Residuals and pulls of each particle in clusters of two and three, beside those of lone clusters.

    The particles are drawn for the components with the probability that these give
    (:mod:`smartpix.estimate.components`): half widths where particles cannot be told apart are not made
    smaller by taking the nearer one. Truncated clusters are left out.

    Args:
        files: event files with truth, as of ``smartpix simulate crossings --together 1 2 3``.
        networks: by number of particles.

    Returns:
        By region ``lone``, ``pair`` and ``triple``: ``n`` clusters, ``half_width`` (mm and cotangents),
        ``pull_width`` and, of the merged ones, ``half_width_ratio`` to the lone clusters', ``apart`` (the
        share of clusters whose components are 2 sigmas apart) and ``pull_width_apart``.

    Raises:
        InputError: the networks do not fit a file.
    """
    single = MdnEstimator.load()
    residuals: dict[tuple[str, int], list[tuple[Floats, Floats, Floats]]] = {}
    rng = np.random.default_rng(0)
    for opened, events in iterate(list(files), step=STEP):
        detector, field = opened.header.detector, opened.header.field
        for several in networks.values():
            if why := misfit(several.networks, opened.header, single.slices):
                raise InputError(f"{opened.path}: {why}; give files of that sensor and readout")
        clusters = ak.flatten(events["clusters"], axis=1)
        count, targets = true_particles(clusters)
        flat = flatten(clusters, single.slices)
        barrel = detector.barrel[flat.module]
        exact = ak.to_numpy(ak.sum(clusters["truth"]["share"] >= MIN_SHARE, axis=1)) == count
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        _, whole = truth_targets(clusters, MIN_SHARE_LONE, event)
        for n in (1, *networks):
            for region, here in zip(REGIONS, (barrel, ~barrel), strict=True):
                good = here & (count == n) & exact & ~flat.truncated & (whole | (n > 1))
                rows = np.flatnonzero(good)
                if not len(rows):
                    continue
                truth = targets[rows, :n]
                if n == 1:
                    lone = single.predict(flat.take(rows), detector)
                    found = Components(lone.mean[:, None], lone.cholesky[:, None], np.ones((len(rows), 1)))
                else:
                    found = networks[n].components(flat, rows, detector, field)
                residual = ordered(found, truth, rng) - found.mean
                pull = residual / np.linalg.norm(found.cholesky, axis=3)
                residuals.setdefault((region, n), []).append((residual, pull, separation(found)))
    result: dict[str, Any] = {region: {} for region in REGIONS}
    for (region, n), parts in sorted(residuals.items()):
        residual, pull, apart = (np.concatenate(column) for column in zip(*parts, strict=True))
        numbers: dict[str, Any] = {
            "n": len(residual),
            "half_width": _by_target(residual.reshape(-1, 4), half_width),
            "pull_width": _by_target(pull.reshape(-1, 4), pull_width),
        }
        if n > 1:
            lone_width = result[region]["lone"]["half_width"]
            numbers["half_width_ratio"] = {t: numbers["half_width"][t] / lone_width[t] for t in TARGETS}
            told = apart > APART
            numbers["apart"] = float(told.mean())
            numbers["pull_width_apart"] = (
                _by_target(pull[told].reshape(-1, 4), pull_width) if told.any() else None
            )
        result[region]["lone" if n == 1 else PARTICLES[n]] = numbers
    return result


def _by_target(values: Floats, width: Any) -> dict[str, float]:
    return {name: float(width(values[:, k])) for k, name in enumerate(TARGETS)}


@dataclass(frozen=True)
class EndcapClusters:
    """N end-cap clusters of one particle each.

    Attributes:
        found: components of a mixture; single: the estimates of one Gaussian, as components.
        target: (N, 4) truth; eta: (N,) size of the pseudorapidity of the place, seen from the origin.
    """

    found: Components
    single: Components
    target: Floats
    eta: Floats


def endcap_clusters(
    files: Sequence[str | Path], mixture: MixtureNetwork, limit: int | None = None
) -> EndcapClusters:
    """End-cap clusters of event files, of which one particle made 95 % of the charge; truncated ones are
    left out.

    Args:
        limit: events to read; None: all.
    """
    estimator = MdnEstimator.load()
    parts, left = [], limit
    for opened, events in iterate(list(files), step=STEP):
        events = events if left is None else events[:left]
        left = None if left is None else left - len(events)
        if not len(events):
            break
        detector = opened.header.detector
        clusters = ak.flatten(events["clusters"], axis=1)
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        target, has = truth_targets(clusters, MIN_SHARE_LONE, event)
        flat = flatten(clusters, estimator.slices)
        good = has & ~detector.barrel[flat.module] & ~flat.truncated & np.isfinite(target).all(axis=1)
        rows = np.flatnonzero(good)
        point = detector.to_global(flat.module[rows], target[rows, :2])
        eta = np.abs(np.arcsinh(point[:, 2] / np.hypot(point[:, 0], point[:, 1])))
        lone = estimator.predict(flat.take(rows), detector)
        parts.append(
            (
                *mixture.components(flat, rows, detector, opened.header.field), lone.mean, lone.cholesky,
                target[rows], eta,
            )
        )  # fmt: skip
    mean, cholesky, weight, one, factor, truth, eta = (np.concatenate(c) for c in zip(*parts, strict=True))
    single = Components(one[:, None], factor[:, None], np.ones((len(one), 1)))
    return EndcapClusters(Components(mean, cholesky, weight), single, truth, eta)


def endcap_numbers(clusters: EndcapClusters) -> dict[str, Any]:
    """Pulls and regions of the mixture and of the single Gaussian, in bins of pseudorapidity.

    Returns:
        For ``mixture`` and ``single`` a list by bin of ``bin``, ``n``, ``pull_mean`` and ``pull_width`` by
        target (normal quantiles of the probability below the truth), and ``within_68`` and ``within_95``:
        shares of clusters in the regions of the highest density that should hold these.
    """
    bins = np.digitize(clusters.eta, ETA_BINS) - 1
    result: dict[str, Any] = {}
    for name, found in (("mixture", clusters.found), ("single", clusters.single)):
        result[name] = []
        for k, (low, high) in enumerate(zip(ETA_BINS, ETA_BINS[1:], strict=False)):
            rows = np.flatnonzero(bins == k)
            numbers: dict[str, Any] = {"bin": f"{low:g}-{high:g}", "n": len(rows)}
            if len(rows):
                some, truth = found.take(rows), clusters.target[rows]
                score = normal_scores(some, truth)
                rank = density_rank(some, truth, np.random.default_rng(k))
                numbers["pull_mean"] = _by_target(score, np.mean)
                numbers["pull_width"] = _by_target(score, pull_width)
                numbers |= {key: float((rank < share).mean()) for key, share in REGION_SHARES.items()}
            result[name].append(numbers)
    return result

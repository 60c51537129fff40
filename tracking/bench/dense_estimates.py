"""Estimates of merged clusters: residuals and pulls of each particle, beside those of clusters of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.hits import estimated_hits
from smartpix.estimate.components import Components, ordered
from smartpix.estimate.quality import half_width
from smartpix.merged.split import Splitter
from smartpix.schema import MIN_SHARE, REGIONS, TARGETS
from tracking.bench.events import Sample
from tracking.fit.resolution import pull_width
from tracking.metrics.split_clusters import makers_of_parts

__all__ = ["KINDS", "CrossingResiduals", "crossing_residuals", "estimate_numbers", "samples_by_hits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KINDS = {
    "lone": "clusters of one particle",
    "as_one": "merged clusters, one estimate for all particles",
    "split": "merged clusters, one estimate for each particle",
}
"""Clusters by who made them and how many estimates they have."""


@dataclass(frozen=True)
class CrossingResiduals:
    """K crossings that made clusters, each with the hit that it is of.

    Attributes:
        residual: (K, 4) truth less estimate of :data:`smartpix.schema.TARGETS`, mm; pull: (K, 4).
        kind: (K,) number in :data:`KINDS`, -1: neither, as where a cluster gives more or fewer hits than it
            has particles; barrel: (K,) which region the module is of.
    """

    residual: Floats
    pull: Floats
    kind: Ints
    barrel: npt.NDArray[np.bool_]

    @classmethod
    def of_all(cls, parts: Sequence[CrossingResiduals]) -> CrossingResiduals:
        """Crossings of several samples together."""
        names = [column.name for column in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def samples_by_hits(sample: Sample, splitter: Splitter | None) -> dict[str, Sample]:
    """The sample with one hit of each cluster, ``lone``, and with the hits that a splitter makes of them,
    ``split``; their truth is that of the first.
    """
    if splitter is None:
        return {"lone": sample}
    events = [
        replace(
            event, hits=estimated_hits(event.clusters, sample.header, sample.estimator, splitter=splitter)
        )
        for event in sample.events
    ]
    return {"lone": sample, "split": replace(sample, events=events)}


def crossing_residuals(sample: Sample) -> CrossingResiduals:
    """Residuals of all crossings of a sample with a share of :data:`smartpix.schema.MIN_SHARE` of a cluster.

    Where a cluster has an estimate for each of its particles, these are drawn for the estimates with the
    probability that the estimates give (:mod:`smartpix.estimate.components`).
    """
    parts = []
    rng = np.random.default_rng(0)
    for event in sample.events:
        hits, truth = event.hits, event.clusters["truth"]
        crossed = np.repeat(np.arange(len(truth)), ak.to_numpy(ak.num(truth)))
        flat = ak.flatten(truth)
        enough = ak.to_numpy(flat["share"]) >= MIN_SHARE
        target = np.stack([ak.to_numpy(flat[name])[enough] for name in TARGETS], axis=1).astype(np.float64)
        crossed = crossed[enough]
        hit, crossing = makers_of_parts(crossed, target, hits.cluster, hits.estimate)
        sigma = np.linalg.norm(hits.estimate.cholesky[hit], axis=2)
        made = np.bincount(crossed, minlength=len(truth))[hits.cluster[hit]]
        kind = np.full(len(hit), -1)
        kind[(made == 1) & (hits.n_parts[hit] == 1)] = 0
        kind[(made > 1) & (hits.n_parts[hit] == 1)] = 1
        # Where the crossings share one estimate, each is of every hit: no pair of one with one.
        alone = (np.bincount(hit, minlength=len(hits))[hit] == 1) & (
            np.bincount(crossing, minlength=len(target))[crossing] == 1
        )
        kind[(made > 1) & (hits.n_parts[hit] == made) & alone] = 2
        truth = target[crossing]
        split = np.flatnonzero(kind == 2)
        split = split[np.argsort(hits.cluster[hit[split]], kind="stable")]
        for n in np.unique(made[split]):
            rows = split[made[split] == n].reshape(-1, n)
            found = Components(
                hits.estimate.mean[hit[rows]], hits.estimate.cholesky[hit[rows]], np.ones(rows.shape)
            )
            truth[rows] = ordered(found, truth[rows], rng)
        residual = truth - hits.estimate.mean[hit]
        good = ~hits.estimate.flagged[hit].astype(bool)
        barrel = sample.header.detector.barrel[hits.module[hit]]
        parts.append((residual[good], (residual / sigma)[good], kind[good], barrel[good]))
    return CrossingResiduals(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def estimate_numbers(crossings: CrossingResiduals) -> dict[str, Any]:
    """By region and :data:`KINDS` ``n``, and of each target ``half_width`` (68 %; x and y in um), ``pull``
    (the standard deviation of those within 5) and ``pull_half_width``; None where there are none.
    """
    result: dict[str, Any] = {}
    for region in REGIONS:
        of_region = crossings.barrel == (region == "barrel")
        result[region] = {}
        for k, name in enumerate(KINDS):
            rows = of_region & (crossings.kind == k)
            numbers: dict[str, Any] = {"n": int(rows.sum())}
            for i, target in enumerate(TARGETS):
                scale = 1e3 if target in ("x", "y") else 1.0
                some = bool(rows.any())
                width = pull_width(crossings.pull[rows, i]) if some else None
                numbers[target] = {
                    "half_width": float(half_width(scale * crossings.residual[rows, i])) if some else None,
                    "pull": width[1] if width else None,
                    "pull_half_width": float(half_width(crossings.pull[rows, i])) if some else None,
                }
            result[region][name] = numbers
    return result

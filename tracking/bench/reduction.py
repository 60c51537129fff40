"""How many edges cones save at a given efficiency: read off two curves, each search at its best.

A reduction at one setting of each search depends on the settings. Here both are scanned: the window in pT and
z0, the cones in quantile and pT. Of each scan only the points count that no other beats in edges and
efficiency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.edges import Edges, find_edges
from seeding.hits import Hits
from seeding.options import WindowOptions
from seeding.references import window
from seeding.table import max_curvature
from tracking.bench.seeding_sample import SeedingEvent, SeedingSample
from tracking.metrics import edge_rows

__all__ = ["EFFICIENCIES", "REGIONS", "edges_at", "envelope", "reductions", "regions"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EFFICIENCIES = (0.99, 0.995, 0.998)
REGIONS = ("innermost", "barrel", "all")
# Edges are those of findable particles, from 0.9 GeV on. Both scans go from well below to just short of that.
WINDOW_PT = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.825, 0.85, 0.87, 0.89)
WINDOW_Z0 = (90.0, 100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 175.0, 200.0, 250.0, 300.0)
"""Half widths in mm: from less than two widths of the luminous region to six."""
CONE_PT = (0.48, 0.6, 0.7, 0.75, 0.8, 0.83, 0.86, 0.88, 0.9)
CONE_QUANTILES = tuple(float(q) for q in 1 - 10.0 ** -np.linspace(1, 6, 41))

Point = dict[str, float]


def reductions(sample: SeedingSample) -> dict[str, Any]:
    """Edges of the window over edges of the cones at :data:`EFFICIENCIES`, in each of :data:`REGIONS`.

    Returns:
        ``reduction_at``: by efficiency and region, None where one of the scans does not reach it.
        ``reduction_curves``: the envelopes of ``window`` and ``cone`` by region: ``efficiency`` (of edges of
        findable particles in the region), ``edges`` an event, and the settings.
    """
    curves = {"window": _window_points(sample), "cone": _cone_points(sample)}
    best = {
        search: {region: envelope(points) for region, points in by_region.items()}
        for search, by_region in curves.items()
    }
    at = {
        f"{efficiency:g}": {
            region: _ratio(
                edges_at(best["window"][region], efficiency), edges_at(best["cone"][region], efficiency)
            )
            for region in REGIONS
        }
        for efficiency in EFFICIENCIES
    }
    return {"reduction_at": at, "reduction_curves": best}


def envelope(points: Sequence[Point]) -> list[Point]:
    """Points of ``edges`` and ``efficiency`` that no other beats in both, fewest edges first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p["edges"], -p["efficiency"])):
        if not kept or point["efficiency"] > kept[-1]["efficiency"]:
            kept.append(point)
    return kept


def edges_at(best: Sequence[Point], efficiency: float) -> float | None:
    """Edges at an efficiency, between the points of an envelope; None beyond its end.

    Edges grow by factors as the last per mille are asked for, so that their logarithm is interpolated.
    """
    if not best or best[-1]["efficiency"] < efficiency:
        return None
    logarithm = np.log([max(p["edges"], 1e-9) for p in best])
    return float(np.exp(np.interp(efficiency, [p["efficiency"] for p in best], logarithm)))


def regions(sample: SeedingSample) -> Mapping[str, Bools]:
    """(P,) whether a layer pair is in a region: of the innermost barrel layer, of the barrel, any."""
    return _regions(sample, sample.pairs.inner, sample.pairs.outer)


def _regions(sample: SeedingSample, inner: npt.NDArray[Any], outer: npt.NDArray[Any]) -> Mapping[str, Bools]:
    layers = sample.detector.layers
    barrel = layers.barrel[inner] & layers.barrel[outer]
    first = layers.radius[inner] == layers.radius[layers.barrel].min()
    return {"innermost": barrel & first, "barrel": barrel, "all": np.ones(len(inner), dtype=bool)}


def _ratio(window_edges: float | None, cone_edges: float | None) -> float | None:
    return None if window_edges is None or cone_edges is None else window_edges / cone_edges


def _wanted(sample: SeedingSample) -> Mapping[str, int]:
    """True edges of findable particles in each region, of all events."""
    count = dict.fromkeys(REGIONS, 0)
    for event in sample.events:
        layer = _hits(event).layer[event.truth.edges[event.truth.edge_findable]]
        for name, inside in _regions(sample, layer[:, 0], layer[:, 1]).items():
            count[name] += int(inside.sum())
    return count


def _hits(event: SeedingEvent) -> Hits:
    """Of the default estimates; the window looks at their positions alone."""
    return event.hits["mdn"] if "mdn" in event.hits else next(iter(event.hits.values()))


def _is_wanted(event: SeedingEvent, edges: Edges) -> Bools:
    """(E,) edges that a findable particle made."""
    row = edge_rows(event.truth, edges.source, edges.target)
    wanted: Bools = (row >= 0) & np.append(event.truth.edge_findable, False)[row]
    return wanted


def _points(
    sample: SeedingSample, n_edges: Mapping[str, Ints], n_found: Mapping[str, Ints], settings: Sequence[Point]
) -> dict[str, list[Point]]:
    """By region a point for each setting, from counts of all events in the settings' order."""
    wanted = _wanted(sample)
    return {
        region: [
            {"efficiency": int(found) / max(wanted[region], 1), "edges": int(kept) / len(sample.events)}
            | setting
            for kept, found, setting in zip(
                n_edges[region].ravel(), n_found[region].ravel(), settings, strict=True
            )
        ]
        for region in REGIONS
    }


def _window_points(sample: SeedingSample) -> dict[str, list[Point]]:
    """Every setting's edges are among those of the widest one, so that one search is enough."""
    widest = WindowOptions(min_pt=min(WINDOW_PT), max_z0=max(WINDOW_Z0))
    # From the sharpest curvature down, as edges of bins must rise.
    curvature = np.array([max_curvature(sample.field, pt) for pt in WINDOW_PT[::-1]])
    shape = (len(WINDOW_PT), len(WINDOW_Z0))
    n_edges = {region: np.zeros(shape, dtype=np.int64) for region in REGIONS}
    n_found = {region: np.zeros(shape, dtype=np.int64) for region in REGIONS}
    for event in sample.events:
        edges = window(_hits(event), sample.detector, sample.pairs, sample.field, widest)
        bent = np.searchsorted(curvature, np.abs(edges.curvature) * (1 - 1e-6))
        away = np.searchsorted(WINDOW_Z0, np.abs(edges.z0) * (1 - 1e-6))
        # The search's own edge is soft by a micrometre, which may put an edge beyond the last bin.
        cell = np.minimum(bent, shape[0] - 1) * shape[1] + np.minimum(away, shape[1] - 1)
        wanted = _is_wanted(event, edges)
        for region, in_pair in regions(sample).items():
            inside = in_pair[edges.pair]
            for counts, chosen in ((n_edges, inside), (n_found, inside & wanted)):
                cells = np.bincount(cell[chosen], minlength=shape[0] * shape[1]).reshape(shape)
                counts[region] += cells.cumsum(axis=0).cumsum(axis=1)
    settings = [{"min_pt": pt, "max_z0": z0} for pt in WINDOW_PT[::-1] for z0 in WINDOW_Z0]
    return _points(sample, n_edges, n_found, settings)


def _cone_points(sample: SeedingSample) -> dict[str, list[Point]]:
    """For each pT one search at the largest quantile; smaller ones are cuts on the joint test's chi2."""
    cuts = np.array([ConeOptions(quantile=q).joint_cut() for q in CONE_QUANTILES])
    shape = (len(CONE_PT), len(cuts))
    n_edges = {region: np.zeros(shape, dtype=np.int64) for region in REGIONS}
    n_found = {region: np.zeros(shape, dtype=np.int64) for region in REGIONS}
    for event in sample.events:
        for row, pt in enumerate(CONE_PT):
            options = ConeOptions(quantile=max(CONE_QUANTILES), min_pt=pt)
            edges = find_edges(_hits(event), sample.detector, sample.pairs, sample.field, options)
            step = np.minimum(np.searchsorted(cuts, edges.chi2), len(cuts) - 1)
            wanted = _is_wanted(event, edges)
            for region, in_pair in regions(sample).items():
                inside = in_pair[edges.pair]
                for counts, chosen in ((n_edges, inside), (n_found, inside & wanted)):
                    counts[region][row] += np.bincount(step[chosen], minlength=len(cuts)).cumsum()
    settings = [{"min_pt": pt, "quantile": q} for pt in CONE_PT for q in CONE_QUANTILES]
    return _points(sample, n_edges, n_found, settings)

"""Cones from mixtures in the end-caps, against those of single Gaussians: edges, and true ones kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges, find_edges
from seeding.hits import Hits, make_hits
from seeding.mixtures import find_mixture_edges, possibilities
from smartpix.clusters import flatten
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.mixture import MixtureNetwork
from smartpix.io.events import open_events
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from tracking.bench.events import records_with_truth
from tracking.finders.gnn.options import WIDE
from tracking.metrics import MIN_PT, EventTruth, edge_rows, event_truth

__all__ = ["BOOTSTRAPS", "QUANTILES", "WHERE", "at_equal_share", "mixture_edges", "ratio_error"]

QUANTILES = (0.9, 0.97, 0.99, 0.997, 0.999, 0.9995, WIDE.quantile, 0.99998)
"""With lower ones than the chain's, and one above: so the share of true edges that one Gaussian keeps at the
chain's is within those that the mixture keeps.
"""
BOOTSTRAPS = 500
"""Samples of events, drawn with replacement: errors are good to 3 %."""
WHERE = ("all", "endcap")
"""All edges, and those between two hits of the end-caps."""


def mixture_edges(
    files: Sequence[str | Path],
    mixture: MixtureNetwork,
    limit: int,
    quantiles: Sequence[float] = QUANTILES,
) -> dict[str, Any]:
    """Edges of the first events of files with truth, with one Gaussian and with a mixture in the end-caps.

    The cones are the chain's but for the quantile.

    Returns:
        For ``single`` and ``mixture`` a list by quantile of ``quantile`` and of ``all`` edges and those
        between two ``endcap`` hits: ``edges``, ``wanted`` (true ones of particles that are findable but for
        their pseudorapidity) and ``found``;
        ``possibilities``, how often a hit of the end-caps is searched, on average; and
        ``at_equal_share``: of ``all`` and ``endcap`` :func:`at_equal_share` at the chain's quantile, with
        ``edges_ratio_error``, :func:`ratio_error`.
    """
    header = open_events(files[0]).header.at_beam()
    detector = header.detector
    estimator, pairs = choose_estimator(header, "mdn"), layer_pairs(detector)
    counts: dict[tuple[str, float], list[npt.NDArray[np.int64]]] = {}
    copies = n_endcap = 0
    for record in records_with_truth(files, limit):
        clusters = record["clusters"]
        hits = make_hits(clusters, estimate(clusters, header, estimator), detector)
        truth = event_truth(clusters, record["particles"], hits.layer, frame=detector.frame)
        rows = np.flatnonzero(~detector.barrel[hits.module])
        components = mixture.components(flatten(clusters, estimator.slices), rows, detector, header.field)
        for quantile in quantiles:
            cone = replace(WIDE, quantile=quantile).at_beam(detector.frame)
            found = possibilities(hits, rows, components, cone)
            by_kind = {
                "single": find_edges(hits, detector, pairs, header.field, cone),
                "mixture": find_mixture_edges(found, detector, pairs, header.field, cone),
            }
            for kind, edges in by_kind.items():
                counts.setdefault((kind, quantile), []).append(_counts(edges, hits, truth, detector.barrel))
        copies, n_endcap = copies + len(found.row) - len(hits), n_endcap + len(rows)
    by_event = {key: np.stack(of_events) for key, of_events in counts.items()}
    result = _summed(by_event)
    result["possibilities"] = 1 + copies / max(n_endcap, 1)
    result["at_equal_share"] = {where: _with_error(by_event, where) for where in WHERE}
    return result


def _with_error(by_event: Mapping[tuple[str, float], npt.NDArray[np.int64]], where: str) -> dict[str, Any]:
    """Of all events :func:`at_equal_share` at the chain's quantile, with the ratio's error."""
    return at_equal_share(_summed(by_event), where, WIDE.quantile) | ratio_error(by_event, where)


def ratio_error(by_event: Mapping[tuple[str, float], npt.NDArray[np.int64]], where: str) -> dict[str, Any]:
    """Standard error of ``edges_ratio`` of :func:`at_equal_share`: the bootstrap over events (Efron 1979), as
    few true edges decide the ratio, and it moves in steps.

    Args:
        by_event: (E, 2, 3) counts by kind and quantile.

    Returns:
        ``edges_ratio_error``, None where fewer than two samples of events have a ratio, as of one event;
        ``bootstraps``: how many of :data:`BOOTSTRAPS` samples have one. In the others the mixture does not
        reach the share at any quantile.
    """
    n = len(next(iter(by_event.values())))
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(BOOTSTRAPS if n > 1 else 0):
        drawn = rng.integers(0, n, n)
        numbers = _summed({key: of_events[drawn] for key, of_events in by_event.items()})
        ratios.append(at_equal_share(numbers, where, WIDE.quantile)["edges_ratio"])
    known = [ratio for ratio in ratios if ratio is not None]
    error = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"edges_ratio_error": error, "bootstraps": len(known)}


def at_equal_share(numbers: Mapping[str, Any], where: str, quantile: float) -> dict[str, Any]:
    """How many edges both give where they keep the share of true edges that one Gaussian keeps at a quantile.

    Of each it is the least number of edges that keeps this share. Between two quantiles the logarithm of the
    number of edges follows the share on a straight line. So neither gains where a larger quantile finds
    nothing more.

    Args:
        numbers: ``single`` and ``mixture`` of :func:`mixture_edges`; where: of :data:`WHERE`.
        quantile: of the one Gaussian.

    Returns:
        ``quantile``, ``n_true`` (true edges wanted), ``n_found`` and ``share`` of these; ``edges_single``,
        ``edges_mixture`` and ``edges_ratio``, of the mixture to the one Gaussian, None where the share is
        outside of what the quantiles keep.
    """
    at = next((row[where] for row in numbers["single"] if row["quantile"] == quantile), None)
    if at is None:
        raise InputError(f"at_equal_share: no edges of quantile {quantile:g}; give it among the quantiles")
    single, mixture = (_least_edges(numbers[kind], where, at["found"]) for kind in ("single", "mixture"))
    return {
        "quantile": quantile,
        "n_true": at["wanted"],
        "n_found": at["found"],
        "share": at["found"] / at["wanted"] if at["wanted"] else None,
        "edges_single": single,
        "edges_mixture": mixture,
        "edges_ratio": mixture / single if single and mixture else None,
    }


def _least_edges(rows: Sequence[Mapping[str, Any]], where: str, n_found: int) -> float | None:
    """Fewest edges with which so many true ones are found, between the quantiles of some rows."""
    rows = sorted(rows, key=lambda row: float(row["quantile"]))
    found = np.maximum.accumulate([row[where]["found"] for row in rows])
    edges = [float(row[where]["edges"]) for row in rows]
    last = int(np.searchsorted(found, n_found))
    if last == len(rows):
        return None
    if found[last] == n_found:
        return edges[last]
    if last == 0 or not edges[0]:
        return None
    part = float((n_found - found[last - 1]) / (found[last] - found[last - 1]))
    return float(edges[last - 1] ** (1 - part) * edges[last] ** part)


def _summed(by_event: Mapping[tuple[str, float], npt.NDArray[np.int64]]) -> dict[str, Any]:
    """Sums over events (E, 2, 3), as lists by quantile of dictionaries by :data:`WHERE`."""
    result: dict[str, Any] = {"single": [], "mixture": []}
    names = ("edges", "wanted", "found")
    for (kind, quantile), of_events in by_event.items():
        numbers = dict(zip(WHERE, of_events.sum(axis=0), strict=True))
        result[kind].append(
            {"quantile": quantile}
            | {where: dict(zip(names, values.tolist(), strict=True)) for where, values in numbers.items()}
        )
    return result


def _counts(
    edges: Edges, hits: Hits, truth: EventTruth, barrel: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """(2, 3) edges, true ones wanted and true ones found: of all, and between end-cap hits."""
    disk = ~barrel[hits.module]
    kept = edge_rows(truth, edges.source, edges.target)
    is_found = np.zeros(len(truth.edges), dtype=bool)
    is_found[kept[kept >= 0]] = True
    # Findable particles, but at any pseudorapidity: most end-cap hits are beyond theirs.
    enough = truth.n_layers[truth.edge_particle] >= truth.min_layers
    wanted = (truth.edge_pt > MIN_PT) & enough
    here = disk[truth.edges].all(axis=1)
    inside = disk[edges.source] & disk[edges.target]
    return np.array(
        [
            [len(edges), wanted.sum(), (wanted & is_found).sum()],
            [inside.sum(), (wanted & here).sum(), (wanted & here & is_found).sum()],
        ]
    )

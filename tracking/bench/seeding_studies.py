"""Studies of ``smartpix bench seeding``: the quantile, where edges are lost, coverage, other sensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seeding.cones import ConeOptions, inside, make_cones, to_plane
from seeding.edges import find_edges
from seeding.references import WindowOptions, window
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from smartpix.text import read_json
from tracking.bench.seeding_sample import SeedingSample, edges_and_seeds, with_directions
from tracking.metrics import edge_rows, score_edges

__all__ = ["coverage", "front", "lost_edges", "read_levers", "sensors"]

QUANTILES = (0.9, 0.97, 0.99, 0.997, 0.999, 0.9999)
COVERAGES = (0.9, 0.99, 0.997)


def front(sample: SeedingSample) -> dict[str, list[dict[str, float]]]:
    """Edges per event and edge efficiency of findable particles as the quantile moves, by estimator."""
    points: dict[str, list[dict[str, float]]] = {}
    for name in sample.events[0].hits:
        for quantile in QUANTILES:
            options = ConeOptions(quantile=quantile)
            n_edges = n_found = n_wanted = 0
            for event in sample.events:
                edges = find_edges(event.hits[name], sample.detector, sample.pairs, sample.field, options)
                score = score_edges(event.truth, edges)
                n_edges, n_found = n_edges + score.n_edges, n_found + score.n_found
                n_wanted += score.n_wanted
            points.setdefault(name, []).append(
                {
                    "quantile": quantile,
                    "edges": n_edges / len(sample.events),
                    "edge_efficiency_0p9": n_found / max(n_wanted, 1),
                    "n_wanted": n_wanted,
                    "n_found": n_found,
                }
            )
    return points


def lost_edges(sample: SeedingSample) -> dict[str, Any]:
    """True edges of pT > 0.5 GeV, ``all`` and ``lost`` ones, in ``bins`` of ``pt`` and ``eta`` and by pair of
    ``layers``.
    """
    pt, eta, pair, lost = [], [], [], []
    layers = sample.detector.layers
    for event in sample.events:
        edges = edges_and_seeds(sample, event.hits["mdn"])[0]
        truth, layer = event.truth, event.hits["mdn"].layer
        soft = truth.edge_pt > 0.5
        kept = np.zeros(len(truth.edges), dtype=bool)
        rows = edge_rows(truth, edges.source, edges.target)
        kept[rows[rows >= 0]] = True
        pt.append(truth.edge_pt[soft])
        position = event.hits["mdn"].position[truth.edges[soft]]
        step = position[:, 1] - position[:, 0]
        eta.append(np.arcsinh(step[:, 2] / np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-3)))
        pair += [f"{layers.name(a)}-{layers.name(b)}" for a, b in layer[truth.edges[soft]]]
        lost.append(~kept[soft])
    missing = np.concatenate(lost)
    out: dict[str, Any] = {}
    for name, values, bins in (
        ("pt", np.concatenate(pt), np.geomspace(0.5, 10, 12)), ("eta", np.concatenate(eta), np.linspace(-4,
        4, 17)),
    ):  # fmt: skip
        out[name] = {
            "bins": bins.tolist(), "all": np.histogram(values, bins)[0].tolist(),
            "lost": np.histogram(values[missing], bins)[0].tolist(),
        }  # fmt: skip
    names, number = np.unique(np.array(pair), return_inverse=True)
    out["layers"] = {
        name: {"all": int(np.sum(number == k)), "lost": int(np.sum(missing & (number == k)))}
        for k, name in enumerate(names.tolist())
    }
    return out


def sensors(sample: SeedingSample, levers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Edges in the barrel with other sensors and readouts: true directions, blurred by measured resolutions.

    Args:
        levers: ``"levers"`` of ``smartpix study levers``: half widths of cot alpha and cot beta by lever and
            setting.

    Returns:
        By lever and setting ``sigma`` (cot alpha, cot beta), ``reduction_barrel`` and
        ``edge_efficiency_0p9``. The blur is the same for all clusters and Gaussian, so that the numbers
        compare with one another, not with the network's own.
    """
    layers, pairs = sample.detector.layers, sample.pairs
    chosen = np.flatnonzero(layers.barrel[pairs.inner] & layers.barrel[pairs.outer])
    barrel = LayerPairs(pairs.inner[chosen], pairs.outer[chosen], pairs.skipped[chosen])
    options, event = ConeOptions(), sample.events[0]
    true = event.hits["truth"]
    searched = len(window(true, sample.detector, barrel, sample.field, WindowOptions()))
    out: dict[str, dict[str, Any]] = {}
    for lever, settings in levers.items():
        for label, widths in settings.items():
            half = widths["half_width_68"]
            sigma = (float(half["cot_alpha"]), float(half["cot_beta"]))
            noise = np.random.default_rng(1).normal(0, sigma, (len(true), 2))
            blurred = with_directions(true, np.arange(len(true)), true.cot + noise, sigma)
            edges = find_edges(blurred, sample.detector, barrel, sample.field, options)
            score = score_edges(event.truth, edges)
            upright = layers.barrel[true.layer[event.truth.edges]].all(axis=1) & event.truth.edge_findable
            out.setdefault(lever, {})[label] = {
                "sigma": sigma, "reduction_barrel": searched / max(len(edges), 1),
                "edge_efficiency_0p9": score.n_found / max(int(upright.sum()), 1),
            }  # fmt: skip
    return out


def coverage(sample: SeedingSample) -> dict[str, Any]:
    """Share of true next hits (pT > 0.5 GeV) inside the cones of single hits, for the shares asked for.

    The target is the plane of the module that was hit, with the target's own position error.

    Returns:
        By quantile ``all`` and lists by ``pt``, ``eta`` (|eta|) and ``layers`` of ``{"bin", "n", "inside"}``.
    """
    layers = sample.detector.layers
    parts = []
    for event in sample.events:
        hits, truth = event.hits["mdn"], event.truth
        rows = truth.edges[(truth.edge_pt > 0.5)]
        pt = truth.edge_pt[truth.edge_pt > 0.5]
        good = ~hits.estimate.flagged[rows[:, 0]]
        parts.append((hits.take(rows[good, 0]), hits.take(rows[good, 1]), pt[good]))
    out: dict[str, Any] = {}
    for quantile in COVERAGES:
        options = ConeOptions(quantile=quantile)
        held, pts, etas, names = [], [], [], []
        for start, end, pt in parts:
            axes = np.swapaxes(sample.detector.axes[end.module], 1, 2)
            prediction = to_plane(
                make_cones(start, sample.field, options), sample.detector.center[end.module], axes
            )
            error = end.estimate.covariance()[:, :2, :2]
            held.append(inside(prediction, end.estimate.mean[:, :2], error, options))
            pts.append(pt)
            step = end.position - start.position
            etas.append(np.abs(np.arcsinh(step[:, 2] / np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-3))))
            names += [
                f"{layers.name(a)}-{layers.name(b)}" for a, b in zip(start.layer, end.layer, strict=True)
            ]
        ok, labels = np.concatenate(held), np.array(names)
        result: dict[str, Any] = {"all": float(ok.mean())}
        for name, values, bins in (
            ("pt", np.concatenate(pts), (0.5, 0.7, 0.9, 1.5, 3.0, 100.0)),
            ("eta", np.concatenate(etas), (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)),
        ):
            chosen = [
                (f"{a:g}-{b:g}", (values >= a) & (values < b)) for a, b in zip(bins, bins[1:], strict=False)
            ]
            result[name] = [
                {"bin": k, "n": int(c.sum()), "inside": float(ok[c].mean())}
                for k, c in chosen
                if c.sum() >= 100
            ]
        chosen = [(str(k), labels == k) for k in np.unique(labels)]
        result["layers"] = [
            {"bin": k, "n": int(c.sum()), "inside": float(ok[c].mean())} for k, c in chosen if c.sum() >= 100
        ]
        out[f"{quantile:g}"] = result
    return out


def read_levers(path: str | Path) -> Mapping[str, Any]:
    """Half widths by lever and setting, from the results of ``smartpix study levers``.

    Raises:
        InputError: something else.
    """
    try:
        levers = read_json(path)["levers"]
        _ = [
            r["half_width_68"][k]
            for settings in levers.values()
            for r in settings.values()
            for k in ("cot_alpha", "cot_beta")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not the results of `smartpix study levers` ({error}); give its levers.json"
        ) from error
    return dict(levers)

"""Figures of vertices and of the cones: those along z and how well they are found, and the cone study."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from smartpix.estimate.quality import half_width
from tracking.chain import Chain, EventResult
from tracking.fit.vertices import MIN_FINDABLE, lesser_vertices, true_vertices
from tracking.metrics import EventTruth, clopper_pearson, score_edges
from tracking.runs.totals import Totals
from tracking.runs.units import ScoredEvent
from tracking.show.points import enough, histogram, in_bins, rate_points, sigma_text
from tracking.show.style import BLUE, GREY, RED, SIGMA_NOTE, empty_panel, figure

__all__ = ["cone_study", "vertices"]

QUANTILES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.997, 0.999)
FEWEST_VERTICES = 10
"""In a bin of the efficiency of vertices: bins are merged until they hold as many."""
LESSER = "#A0A0A0"


def vertices(path: Path, title: str, totals: Totals, result: EventResult, truth: EventTruth) -> None:
    """Vertices along z: how many are found, how well, and those of one event."""
    note = (
        f"Left: error bars are 68 % Clopper-Pearson intervals; bins are merged until each holds at least "
        f"{FEWEST_VERTICES} vertices; the last holds what is beyond. {SIGMA_NOTE}, of all found vertices.\n"
        f"Right: grey are production points of two or more particles of which fewer than {MIN_FINDABLE} are findable."
    )
    with figure(path, title, (20, 6.8), note=note, ncols=3, width_ratios=(1, 1, 1.6)) as (_, axes):
        _draw_found(axes[0], totals)
        _draw_residuals(axes[1], totals)
        _draw_along_z(axes[2], result, truth)


def _draw_found(axis: Any, totals: Totals) -> None:
    counts = totals.vertex_efficiency
    both, edges = counts.values(), counts.axes[0].edges - 0.5
    merged = enough(edges, both.sum(axis=1), FEWEST_VERTICES)
    axis.set_xlabel("findable particles at the vertex")
    axis.set_ylabel("share of the vertices found")
    if not len(merged):
        empty_panel(axis, f"no vertex has {MIN_FINDABLE} findable particles")
        return
    both = in_bins(edges, merged, both)
    low, _ = rate_points(axis, merged, both[:, 1], both.sum(axis=1), log=False, fmt="o", color=BLUE)
    axis.set_xlim(merged[0] - 0.5, merged[-1] + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(max(0.0, float(low.min()) - 0.1), 1.02)
    axis.axhline(1, color=GREY, lw=0.8, ls=":")


def _draw_residuals(axis: Any, totals: Totals) -> None:
    residual, sigma = np.concatenate([*totals.vertex_residuals, np.zeros((0, 2))]).T
    axis.set_xlabel(r"found $-$ true z [µm]")
    axis.set_ylabel("vertices / bin")
    if not len(residual):
        empty_panel(axis, "no true vertex is found")
        return
    # Bins of a third of a sigma, over five of them.
    reach = float(np.clip(5e3 * half_width(residual), 20, 500))
    label = f"{sigma_text(1e3 * residual, 'µm')}; of their pulls {half_width(residual / sigma):.2f}"
    heights = histogram(axis, 1e3 * residual, reach, 30, color=BLUE, label=label)
    axis.set_xlim(-reach, reach)
    axis.set_ylim(0, 1.4 * (heights + np.sqrt(heights)).max())
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=10, loc="upper left")


def _draw_along_z(axis: Any, result: EventResult, truth: EventTruth) -> None:
    z0, sigma_z0 = result.helices.z0, result.helices.sigma()[:, 1]
    found, sharp = result.vertices, z0[sigma_z0 < 0.5]
    true, lesser = true_vertices(truth)[:, 2], lesser_vertices(truth)[:, 2]
    axis.set_xlabel("z at the beam line [mm]")
    at = np.concatenate([found.z, true, sharp])
    if not len(at):
        empty_panel(axis, "no track and no vertex in this event")
        return
    # Where the vertices are; of many those in the middle, so that they can be told apart.
    reach = 1.1 * float(np.percentile(np.abs(at), 99)) + 1 if len(found) <= 30 else 20.0
    heights = histogram(axis, sharp, reach, 200, color=BLUE, label=r"tracks, $\sigma$ of $z_0$ < 0.5 mm")
    top = max(float(heights.max()), 4.0)
    axis.plot(
        lesser, np.full(len(lesser), 1.18 * top), "|", color=LESSER, ms=10, mew=1.2, label="true, fewer"
    )
    axis.plot(
        true, np.full(len(true), 1.18 * top), "|", color="black", ms=12, mew=1.5,
        label=f"true, at least {MIN_FINDABLE} findable",
    )  # fmt: skip
    axis.plot(found.z, np.full(len(found), 1.08 * top), "v", color=RED, ms=6, label="found")
    axis.set_xlim(-reach, reach)
    axis.set_ylim(0, 1.6 * top)
    axis.set_ylabel(f"tracks / {2 * reach / 200:.2g} mm")
    axis.legend(fontsize=11, loc="upper left", ncols=2)
    axis.set_title(f"event {result.event}", fontsize=12, loc="left")


def cone_study(path: Path, title: str, chain: Chain, study: Sequence[ScoredEvent], totals: Totals) -> None:
    """Share of true edges that are lost against reduction as the cones' quantile moves."""
    reduction, wanted, found = [], [], []
    searched = sum(event.n_window for event in study)
    for quantile in QUANTILES:
        cone = dataclasses.replace(chain.options.cone, quantile=quantile)
        search = dataclasses.replace(chain.finder.search, graph="cone", cone=cone)
        n_edges = n_wanted = n_found = 0
        for event in study:
            assert event.truth is not None
            edges = search.edges(event.result.hits)
            score = score_edges(event.truth, edges)
            n_edges, n_wanted = n_edges + score.n_edges, n_wanted + score.n_wanted
            n_found += score.n_found
        if n_wanted and n_edges:
            reduction.append(searched / n_edges)
            wanted.append(n_wanted)
            found.append(n_found)
    # Without a field there is no window to compare with.
    if not reduction or not searched:
        return
    n = f"{len(study)} event" + "s" * (len(study) != 1)
    note = (
        f"Numbers: the quantile asked for; curve: {wanted[0]:,} true edges of findable particles in the first {n}.\n"
        "Error bars: 68 % Clopper-Pearson intervals; an arrow is the upper end of one of no edge lost."
    )
    with figure(path, title, (9, 7.4), note=note) as (_, axis):
        axis.set_yscale("log")
        axis.set_xscale("log")
        style: dict[str, Any] = {"fmt": "o-", "color": BLUE, "label": f"cones, first {n}"}
        shown = _lost_points(axis, reduction, wanted, found, **style)
        for k, (q, x, y) in enumerate(zip(QUANTILES, reduction, shown, strict=False)):
            # Above the curve and below it in turn, since the wide cones lie close.
            side = 1 if k % 2 else -1
            axis.annotate(
                f"{q:g}", (x, y), xytext=(10 * side, -7 * side), textcoords="offset points", fontsize=11,
                ha="left" if side > 0 else "right", va="center",
            )  # fmt: skip
        summary, kept, window = totals.summary(), totals.edge_counts, totals.window_counts
        if summary["reduction"] and summary["edge_efficiency"]:
            style = {"fmt": "*", "ms": 14, "color": RED, "label": "this run, all events", "zorder": 5}
            _lost_points(axis, [summary["reduction"]], [kept[2]], [kept[3]], **style)
        if summary["window_edge_efficiency"]:
            style = {"fmt": "s", "color": GREY, "label": "reference window, all events"}
            _lost_points(axis, [1.0], [window[2]], [window[3]], **style)
        axis.set_xlabel("reduction: edges of the reference window / edges in cones")
        axis.set_ylabel("true edges of findable particles that are lost")
        axis.legend(fontsize=11, loc="best")
        axis.grid(alpha=0.3, which="both")
        axis.margins(0.08)
        axis.set_ylim(top=1.0)


def _lost_points(
    axis: Any, x: Sequence[float], wanted: Sequence[int], found: Sequence[int], **style: Any
) -> list[float]:
    """Draw 1 - efficiency with its interval; returns the heights. A logarithm shows no zero: then there is an
    arrow at the interval's upper end.
    """
    total = np.asarray(wanted, dtype=float)
    lost = total - np.asarray(found, dtype=float)
    low, high = clopper_pearson(lost, total)
    none = lost == 0
    at = np.where(none, high, lost / total)
    down = np.where(none, 0.4 * at, np.maximum(at - low, 0.0))
    up = np.where(none, 0.0, high - at)
    axis.errorbar(x, at, yerr=np.stack([down, up]), uplims=none, capsize=3, **style)
    return [float(y) for y in at]

"""Figures of single events of a run: the event display, the vertices along z, and the cone study."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import hist
import mplhep
import numpy as np

from seeding.cones import make_cones, to_cylinder
from smartpix.estimate.quality import half_width
from tracking.chain import Chain, EventResult
from tracking.fit.vertices import MIN_FINDABLE, true_vertices
from tracking.metrics import EventTruth, score_edges
from tracking.runs.totals import Totals
from tracking.runs.units import ScoredEvent
from tracking.show.style import BLUE, GREY, ORANGE, PURPLE, RED, figure, rate_points

__all__ = ["cone_study", "event_display", "vertices"]

QUANTILES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.997, 0.999)


def vertices(path: Path, totals: Totals, result: EventResult, truth: EventTruth) -> None:
    """Vertices along z: how many are found, how well, and those of one event."""
    with figure(path, ncols=3, figsize=(20, 6), width_ratios=(1, 1, 1.6)) as (_, (rate, width, shown)):
        counts = totals.vertex_efficiency
        both, edges = counts.values(), counts.axes[0].edges - 0.5
        rate_points(rate, edges, both[:, 1], both.sum(axis=1), fmt="o", color=BLUE)
        rate.set_xlabel("findable particles at the vertex (last: or more)")
        rate.set_ylabel("vertices found")
        rate.set_xlim(edges[0] - 0.5, edges[-1] + 0.5)
        rate.set_ylim(0, 1.1)
        rate.axhline(1, color=GREY, lw=0.8, ls=":")
        residual, sigma = np.concatenate([*totals.vertex_residuals, np.zeros((0, 2))]).T
        width.set_xlabel("found - true z [µm]")
        width.set_ylabel("vertices / bin")
        if len(residual):
            histogram = hist.Hist.new.Reg(60, -150, 150).Int64().fill(1e3 * residual)
            mplhep.histplot(histogram, ax=width, color=BLUE, histtype="fill", alpha=0.35, flow="none")
            text = (
                f"68 % within {1e3 * half_width(residual):.1f} µm\n"
                f"and {half_width(residual / sigma):.2f} of their sigma"
            )
            width.text(0.04, 0.95, text, va="top", transform=width.transAxes, fontsize=13)
            width.set_ylim(0, 1.3 * histogram.values().max())
            width.set_xlim(-150, 150)
            width.set_xticks(range(-100, 101, 50))
        z0, sigma_z0 = result.helices.z0, result.helices.sigma()[:, 1]
        found = result.vertices
        reach = 150.0 if len(found) <= 30 else 20.0
        sharp = hist.Hist.new.Reg(200, -reach, reach).Int64().fill(z0[sigma_z0 < 0.5])
        mplhep.histplot(
            sharp,
            ax=shown,
            color=BLUE,
            histtype="fill",
            alpha=0.5,
            flow="none",
            label="tracks, sigma of $z_0$ < 0.5 mm",
        )
        top = max(sharp.values().max(), 4.0)
        true = true_vertices(truth)[:, 2]
        shown.plot(found.z, np.full(len(found), 1.06 * top), "v", color=RED, ms=7, label="found")
        label = f"true, at least {MIN_FINDABLE} findable"
        shown.plot(true, np.full(len(true), 1.16 * top), "|", color="black", ms=12, mew=1.5, label=label)
        shown.set_xlim(-reach, reach)
        shown.set_ylim(0, 1.5 * top)
        shown.set_xlabel("z at the beam line [mm]")
        shown.set_ylabel(f"tracks / {2 * reach / 200:g} mm")
        shown.legend(fontsize=12, loc="upper left", ncols=3)
        shown.set_title(f"event {result.event}", fontsize=12)


def cone_study(path: Path, chain: Chain, study: Sequence[ScoredEvent], totals: Totals) -> None:
    """Edge efficiency against reduction as the cones' quantile moves."""
    reduction, rate = [], []
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
            rate.append(n_found / n_wanted)
    # Without a field there is no window to compare with.
    if not rate or not searched:
        return
    with figure(path, figsize=(8, 6)) as (_, axis):
        axis.plot(reduction, rate, "o-", color=BLUE, label="cones, first events")
        summary = totals.summary()
        if summary["reduction"] and summary["edge_efficiency"]:
            axis.plot(
                summary["reduction"],
                summary["edge_efficiency"],
                "*",
                ms=16,
                color=RED,
                label="this run, all events",
            )
        if summary["window_edge_efficiency"]:
            axis.plot(1, summary["window_edge_efficiency"], "s", color=GREY, label="reference window")
        for q, x, y in zip(QUANTILES, reduction, rate, strict=False):
            if q in (0.5, 0.9, 0.99):
                axis.annotate(f"{q:g}", (x, y), xytext=(4, -14), textcoords="offset points", fontsize=11)
        axis.set_xlabel("reduction: edges of the reference window / edges in cones")
        axis.set_ylabel("edge efficiency of findable particles")
        axis.set_title("numbers: the quantile asked for", fontsize=12)
        axis.set_xscale("log")
        axis.set_ylim(min(rate) - 0.05, 1.03)
        axis.axhline(1, color=GREY, lw=0.8, ls=":")
        axis.legend(fontsize=11, loc="lower left")
        axis.grid(alpha=0.3)


def event_display(path: Path, chain: Chain, result: EventResult) -> None:
    """One event in x-y (barrel) and r-z: hits, tracks, and the cones of the stiffest tracks' innermost
    hits.
    """
    hits, tracks = result.hits, result.tracks
    position = hits.position
    radius = np.hypot(position[:, 0], position[:, 1])
    barrel = chain.header.detector.barrel[hits.module]
    layers = chain.header.detector.layers
    rows = tracks.rows()
    # pT = sin(theta) / |qop|, of the tracks that stay in the barrel.
    order = np.argsort(np.abs(result.helices.qop) / np.sin(result.helices.theta))
    leading = [t for t in order if np.all(barrel[rows[t]])][:3]
    with figure(path, ncols=2, figsize=(15, 7)) as (_, (xy, rz)):
        xy.plot(
            position[barrel, 0],
            position[barrel, 1],
            ".",
            ms=2,
            color=GREY,
            alpha=0.6,
            label="clusters (barrel)",
        )
        rz.plot(position[:, 2], radius, ".", ms=2, color=GREY, alpha=0.6, label="clusters")
        for t, hit_rows in enumerate(rows):
            style = (
                {"color": RED, "lw": 1.6, "zorder": 4}
                if t in leading
                else {"color": BLUE, "lw": 0.5, "alpha": 0.6}
            )
            inside = hit_rows[barrel[hit_rows]]
            xy.plot(position[inside, 0], position[inside, 1], **style)
            rz.plot(position[hit_rows, 2], radius[hit_rows], **style)
        gate = chain.options.cone.gate()
        outermost = layers.r_max[layers.barrel].max() if np.any(layers.barrel) else radius.max()
        for k, t in enumerate(leading):
            # To the next layer, where the search goes on.
            start = radius[rows[t][0]]
            further = layers.r_max[layers.barrel & (layers.radius > start + 5)]
            grid = np.linspace(start, further.min() if len(further) else outermost, 40)[1:]
            cone = make_cones(
                hits.take(np.full(len(grid), rows[t][0])), chain.header.field, chain.options.cone
            )
            predicted = to_cylinder(cone, grid)
            low, high = (
                predicted.local + side * gate * np.sqrt(predicted.covariance[:, [0, 1], [0, 1]])
                for side in (-1, 1)
            )
            label = (
                f"cones of their first hits, {100 * chain.options.cone.quantile:.4g} %" if k == 0 else None
            )
            xy.fill(
                np.concatenate([grid * np.cos(low[:, 0] / grid), (grid * np.cos(high[:, 0] / grid))[::-1]]),
                np.concatenate([grid * np.sin(low[:, 0] / grid), (grid * np.sin(high[:, 0] / grid))[::-1]]),
                color=ORANGE,
                alpha=0.35,
                lw=0,
                zorder=3,
                label=label,
            )
            rz.fill(
                np.concatenate([low[:, 1], high[::-1, 1]]),
                np.concatenate([grid, grid[::-1]]),
                color=ORANGE,
                alpha=0.35,
                lw=0,
                zorder=3,
                label=label,
            )
        if len(result.vertices):
            rz.eventplot(
                result.vertices.z,
                lineoffsets=4,
                linelengths=8,
                linewidths=1,
                colors=PURPLE,
                label="vertices along z",
            )
        xy.plot([], [], color=BLUE, lw=0.5, label="tracks")
        xy.plot([], [], color=RED, lw=1.6, label="the three of largest $p_T$")
        rz.plot([], [], color=BLUE, lw=0.5, label="tracks")
        xy.set_aspect("equal")
        xy.set_xlabel("x [mm]")
        xy.set_ylabel("y [mm]")
        rz.set_xlabel("z [mm]")
        rz.set_ylabel("r [mm]")
        rz.set_ylim(0, radius.max() * 1.25)
        rz.set_xlim(-1.05 * np.abs(position[:, 2]).max(), 1.05 * np.abs(position[:, 2]).max())
        xy.set_xlim(-outermost * 1.1, outermost * 1.1)
        xy.set_ylim(-outermost * 1.1, outermost * 1.3)
        for axis in (xy, rz):
            axis.legend(fontsize=10, loc="upper center", ncols=2, markerscale=4)
        xy.set_title(f"event {result.event}", fontsize=12)

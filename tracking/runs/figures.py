"""Figures of a run. Colours are Okabe and Ito's, told apart by all kinds of colour vision; every axis has its
unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl
import mplhep
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from seeding.cones import ConeOptions, make_cones, to_cylinder
from seeding.edges import find_edges
from seeding.references import window
from smartpix.estimate.quality import half_width
from smartpix.files import replace_when_done
from smartpix.schema import PARAMETERS, TARGETS
from tracking.chain import Chain, EventResult
from tracking.fit.resolution import PULL_RANGE, joined, pull_width, resolution
from tracking.fit.vertices import MIN_FINDABLE, true_vertices
from tracking.metrics import BINS, TRACK_BINS, EventTruth, clopper_pearson, score_edges
from tracking.runs.totals import Totals

__all__ = ["FIGURES", "FIGURES_OF_TRUTH", "figure", "write_figures"]

FIGURES = ("cone-study.png", "event-display.png")
FIGURES_OF_TRUTH = (
    "residuals.png", "pulls.png", "efficiency.png", "fakes.png", "track-pulls.png", "track-resolutions.png",
    "vertices.png",
)  # fmt: skip
"""Those that :func:`write_figures` writes where there is truth, besides."""

BLUE, ORANGE, GREEN, PURPLE, GREY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#808080", "#D55E00"
UNITS = {"x": ("µm", 1e3), "y": ("µm", 1e3), "cot_alpha": ("", 1.0), "cot_beta": ("", 1.0)}
LABELS = {"x": "x", "y": "y", "cot_alpha": r"cot $\alpha$", "cot_beta": r"cot $\beta$"}
VARIABLES = {
    "pt": "$p_T$ [GeV]",
    "eta": r"$\eta$",
    "pileup": "collisions in the event",
    "distance": r"distance to the next particle in ($\eta$, $\phi$)",
    "radius": "production radius [mm]",
}
PARAMETER_LABELS = {
    "d0": ("$d_0$", "µm"), "z0": ("$z_0$", "µm"), "phi": (r"$\phi$", "mrad"), "theta": (r"$\theta$", "mrad"),
    "qop": ("$q/p$", "%"),
}  # fmt: skip
RESOLUTION_BINS = {"pt": np.geomspace(0.9, 20, 9), "eta": np.linspace(-2.5, 2.5, 11)}
QUANTILES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.997, 0.999)

Floats = npt.NDArray[np.float64]


@contextmanager
def figure(
    path: Path, figsize: tuple[float, float] | None = None, **options: Any
) -> Iterator[tuple[Any, Any]]:
    """Figure and axes (options as of ``plt.subplots``) in the common style, written whole at the end.

    Without pyplot, so that a notebook keeps its own backend and figures.
    """
    with mpl.rc_context(
        {
            **mplhep.style.ATLAS,
            "font.family": "sans-serif",
            "mathtext.fontset": "dejavusans",
            "figure.constrained_layout.use": True,
        }
    ):
        whole = Figure(figsize=figsize)
        yield whole, whole.subplots(**options)
        with replace_when_done(path) as beside:
            whole.savefig(beside, dpi=130)


def write_figures(
    folder: Path,
    chain: Chain,
    totals: Totals,
    shown: tuple[EventResult, EventTruth | None] | None,
    study: Sequence[tuple[EventResult, EventTruth]],
) -> None:
    """Write all figures of a run; those that need truth only where there is truth.

    Args:
        shown: the event to display.
        study: events for the cone study.
    """
    if totals.truth and any(len(r["barrel"]) > 0 for r in totals.residuals):
        residuals(folder / "residuals.png", totals, lambda r, name: r[name] * UNITS[name][1], "residual")
        residuals(folder / "pulls.png", totals, lambda r, name: r[name] / r[f"sigma_{name}"], "pull")
        efficiency(folder / "efficiency.png", totals)
        fakes(folder / "fakes.png", totals)
        if totals.track_residuals and sum(map(len, totals.track_residuals)):
            track_pulls(folder / "track-pulls.png", totals)
            track_resolutions(folder / "track-resolutions.png", totals)
        if shown is not None and shown[1] is not None:
            vertices(folder / "vertices.png", totals, shown[0], shown[1])
    if sum(len(r.edges) for r, _ in study):
        cone_study(folder / "cone-study.png", chain, study, totals)
    if shown is not None and len(shown[0].hits):
        event_display(folder / "event-display.png", chain, shown[0])


def residuals(
    path: Path,
    totals: Totals,
    quantity: Callable[[dict[str, npt.NDArray[Any]], str], npt.NDArray[Any]],
    kind: str,
) -> None:
    """Estimate minus truth, or pulls, of single-particle clusters, barrel and end-caps."""
    with figure(path, nrows=2, ncols=2, figsize=(11, 8)) as (_, axes):
        for axis, name in zip(axes.flat, TARGETS, strict=True):
            values = np.concatenate([quantity(r, name) for r in totals.residuals])
            barrel = np.concatenate([r["barrel"] for r in totals.residuals])
            reach = 5.0 if kind == "pull" else float(np.percentile(np.abs(values), 97))
            for chosen, colour, label in ((barrel, BLUE, "barrel"), (~barrel, ORANGE, "end-caps")):
                if not np.any(chosen):
                    continue
                histogram = hist.Hist.new.Reg(60, -reach, reach).Double().fill(values[chosen])
                half = np.percentile(np.abs(values[chosen]), 68.27)
                unit = "" if kind == "pull" else f" {UNITS[name][0]}"
                mplhep.histplot(
                    histogram,
                    ax=axis,
                    color=colour,
                    density=True,
                    label=f"{label}: 68 % within {half:.3g}{unit}",
                    flow="none",
                )
            if kind == "pull":
                grid = np.linspace(-reach, reach, 200)
                axis.plot(
                    grid,
                    np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi),
                    color=GREY,
                    ls="--",
                    label="unit Gaussian",
                )
                axis.set_xlabel(f"(estimate - truth) / sigma of {LABELS[name]}")
            else:
                axis.set_xlabel(
                    f"estimate - truth of {LABELS[name]}" + (f" [{UNITS[name][0]}]" if UNITS[name][0] else "")
                )
            axis.set_ylabel("clusters, normalised")
            axis.set_xlim(-reach, reach)
            axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
            axis.legend(fontsize=11, loc="upper left")


def rate_points(
    axis: Any, edges: Floats, passed: npt.ArrayLike, total: npt.ArrayLike, **style: Any
) -> tuple[Floats, Floats]:
    """Draw the rate of each filled bin with its 68 % Clopper-Pearson interval; returns the intervals' lower
    and upper ends.
    """
    passed, total = np.asarray(passed, dtype=np.float64), np.asarray(total, dtype=np.float64)
    filled = total > 0
    rate = passed[filled] / total[filled]
    low, high = clopper_pearson(passed[filled], total[filled])
    center = bin_centers(edges)
    across = [(center - edges[:-1])[filled], (edges[1:] - center)[filled]]
    axis.errorbar(
        center[filled], rate, yerr=np.abs(np.stack([rate - low, high - rate])), xerr=across, **style
    )
    return low, high


def bin_centers(edges: Floats) -> Floats:
    """Middles of bins: geometric ones where the edges are."""
    even = np.allclose(np.diff(edges), edges[1] - edges[0])
    return np.asarray(0.5 * (edges[1:] + edges[:-1]) if even else np.sqrt(edges[1:] * edges[:-1]))


def efficiency(path: Path, totals: Totals) -> None:
    """Track efficiency against all variables, with 68 % Clopper-Pearson intervals."""
    styles: dict[str, dict[str, Any]] = {
        "technical": {
            "fmt": "o", "ms": 6, "color": BLUE,
            "label": "technical: findable particles, with\nclusters on at least 4 layers",
        },
        "physics": {
            "fmt": "s", "ms": 9, "color": ORANGE, "mfc": "none",
            "label": "physics: all charged particles with\n"
            r"$p_T$ > 0.9 GeV, $|\eta|$ < 2.5",
        },
    }  # fmt: skip
    with figure(path, nrows=2, ncols=3, figsize=(17, 9.5)) as (_, axes):
        axes = list(axes.flat)
        for axis, (name, label) in zip(axes, VARIABLES.items(), strict=False):
            edges, bottom = BINS[name], 0.85
            axis.set_xlabel(label)
            axis.set_ylabel("track efficiency")
            if name in totals.efficiency:
                for of, style in styles.items():
                    both = totals.efficiency[name][:, of, :].values()
                    low, _ = rate_points(axis, edges, both[:, 1], both.sum(axis=1), **style)
                    bottom = min(bottom, low.min(initial=1.0))
            else:
                axis.text(
                    0.5, 0.5, "the file does not say", ha="center", transform=axis.transAxes, fontsize=12
                )
            if name in ("pt", "distance", "radius"):
                axis.set_xscale("log")
            if name != "pileup":
                axis.set_xlim(edges[0], edges[-1])
            # Room below, also for points at 0.
            axis.set_ylim(bottom - 0.05 * (1 - bottom), 1 + 0.1 * (1 - bottom))
            axis.axhline(1, color=GREY, lw=0.8, ls=":")
        axes[0].axvline(0.9, color=GREY, ls="--", lw=1)
        axes[0].text(0.95, 0.05, "cut of the other panels", color=GREY, fontsize=12)
        axes[5].axis("off")
        axes[5].legend(
            *axes[0].get_legend_handles_labels(), loc="upper center", fontsize=14,
            title="Matched particles / all of them", title_fontsize=14, labelspacing=1.2,
        )  # fmt: skip
        note = "68 % Clopper-Pearson intervals\noutermost bins of the lower panels: or beyond"
        axes[5].text(0.5, 0.15, note, ha="center", transform=axes[5].transAxes, fontsize=12, color=GREY)


def fakes(path: Path, totals: Totals) -> None:
    """Shares of fakes and duplicates among the tracks, with 68 % Clopper-Pearson intervals; of bins with at
    least 30 tracks.
    """
    styles: dict[str, dict[str, Any]] = {
        "duplicate": {"fmt": "s", "ms": 9, "color": BLUE, "mfc": "none", "label": "duplicates"},
        "fake": {"fmt": "o", "ms": 6, "color": RED, "label": "fakes"},
    }
    with figure(path, ncols=2, figsize=(12, 5)) as (_, axes):
        for axis, name in zip(axes, TRACK_BINS, strict=True):
            counts, top = totals.tracks[name], 0.01
            total = counts.project(name).values()
            total = np.where(total >= 30, total, 0)
            for kind, style in styles.items():
                _, high = rate_points(axis, TRACK_BINS[name], counts[:, kind].values(), total, **style)
                top = max(top, high.max(initial=0.0))
            axis.set_xlabel("fitted " + VARIABLES[name])
            axis.set_ylabel("share of the tracks [%]")
            axis.set_xlim(TRACK_BINS[name][0], TRACK_BINS[name][-1])
            axis.set_ylim(-0.05 * top, 1.3 * top)
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
            axis.legend(fontsize=12, loc="upper center", ncols=2)
        axes[0].set_xscale("log")


def track_pulls(path: Path, totals: Totals) -> None:
    """Pulls of the fitted parameters of matched tracks of findable particles."""
    assert totals.pulls is not None
    of_tracks = joined(totals.track_residuals)
    with figure(path, nrows=2, ncols=3, figsize=(15, 9)) as (_, axes):
        axes = list(axes.flat)
        for k, name in enumerate(PARAMETERS):
            axis, label = axes[k], PARAMETER_LABELS[name][0]
            histogram = totals.pulls[name, :]
            axis.set_xlabel(f"(fitted - true) / sigma of {label}")
            axis.set_ylabel("tracks / bin")
            axis.set_xlim(-PULL_RANGE, PULL_RANGE)
            axis.set_xticks(range(-4, 5, 2))
            found, width = pull_width(of_tracks.pull[:, k]), resolution(of_tracks.pull[:, k])
            if found is None or width is None:
                axis.text(0.5, 0.5, "not fitted", ha="center", transform=axis.transAxes)
                continue
            mplhep.histplot(
                histogram, ax=axis, color=BLUE, histtype="fill", alpha=0.35, flow="none", label="tracks"
            )
            grid = np.linspace(-PULL_RANGE, PULL_RANGE, 200)
            scale = histogram.sum(flow=True) * histogram.axes[0].widths[0] / np.sqrt(2 * np.pi)
            axis.plot(grid, scale * np.exp(-(grid**2) / 2), color=GREY, ls="--", label="unit Gaussian")
            axis.set_ylim(0, 1.45 * max(histogram.values().max(), scale))
            text = f"mean {round(found[0], 2) + 0.0:.2f}, width {found[1]:.2f}\n68 % within {width:.2f}"
            axis.text(0.04, 0.95, text, va="top", transform=axis.transAxes, fontsize=13)
        axes[5].axis("off")
        axes[5].legend(
            *axes[0].get_legend_handles_labels(),
            loc="center",
            fontsize=14,
            title="Tracks of findable particles",
        )


def track_resolutions(path: Path, totals: Totals) -> None:
    """68 % half widths of the parameters' residuals against true pT and eta; errors as for Gaussian
    residuals.
    """
    of_tracks = joined(totals.track_residuals)
    with figure(path, nrows=2, ncols=5, figsize=(24, 9)) as (_, axes):
        for row, (variable, edges) in zip(axes, RESOLUTION_BINS.items(), strict=True):
            values, center = getattr(of_tracks, variable), bin_centers(edges)
            place = np.digitize(values, edges) - 1
            for axis, k, (label, unit) in zip(row, range(5), PARAMETER_LABELS.values(), strict=True):
                in_bin = [of_tracks.residual[place == i, k] for i in range(len(center))]
                shown = [
                    (i, half_width(r), len(r))
                    for i, r in enumerate(in_bin)
                    if len(r) > 9 and np.all(np.isfinite(r))
                ]
                if shown:
                    i, width, n = (np.array(column) for column in zip(*shown, strict=True))
                    # Of a quantile: sqrt(share (1 - share) / n) over the density of |residual| at one sigma,
                    # 0.484 / sigma.
                    across = [center[i] - edges[i], edges[i + 1] - center[i]]
                    axis.errorbar(
                        center[i], width, yerr=0.96 * width / np.sqrt(n), xerr=across, fmt="o", color=BLUE
                    )
                axis.set_xlabel(f"true {VARIABLES[variable]}")
                axis.set_ylabel(f"68 % half width of {label} [{unit}]")
                axis.set_ylim(bottom=0)
                axis.set_xlim(edges[0], edges[-1])
                if variable == "pt":
                    axis.set_xscale("log")
            row[4].yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))


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
            text = f"68 % within {1e3 * half_width(residual):.1f} µm\nand {half_width(residual / sigma):.2f} of their sigma"
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


def cone_study(
    path: Path, chain: Chain, study: Sequence[tuple[EventResult, EventTruth]], totals: Totals
) -> None:
    """Edge efficiency against reduction as the cones' quantile moves."""
    import dataclasses

    reduction, rate = [], []
    header, window_options = chain.header, chain.options.window
    searched = sum(
        len(window(r.hits, header.detector, chain.pairs, header.field, window_options)) for r, _ in study
    )
    for quantile in QUANTILES:
        options: ConeOptions = dataclasses.replace(chain.options.cone, quantile=quantile)
        kept = wanted = found = 0
        for result, truth in study:
            edges = find_edges(result.hits, chain.header.detector, chain.pairs, chain.header.field, options)
            score = score_edges(truth, edges.source, edges.target)
            kept, wanted, found = kept + score.n_edges, wanted + score.n_wanted, found + score.n_found
        if wanted and kept:
            reduction.append(searched / kept)
            rate.append(found / wanted)
    if not rate:
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
                color=ORANGE, alpha=0.35, lw=0, zorder=3, label=label,
            )  # fmt: skip
            rz.fill(
                np.concatenate([low[:, 1], high[::-1, 1]]), np.concatenate([grid, grid[::-1]]),
                color=ORANGE, alpha=0.35, lw=0, zorder=3, label=label,
            )  # fmt: skip
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

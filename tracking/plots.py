"""Figures of a run. Colours are Okabe and Ito's, told apart by all kinds of colour vision; every axis has its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from scipy.stats import beta as beta_distribution

from seeding.cones import ConeOptions, make_cones, to_cylinder
from seeding.edges import find_edges
from seeding.references import window
from smartpix.estimate import TARGETS
from smartpix.files import replace_when_done
from tracking.metrics import ETA_BINS, PT_BINS, EventTruth, score_edges
from tracking.pipeline import Chain, EventResult, Totals

__all__ = ["clopper_pearson", "figure", "write_figures"]

mpl.use("Agg")
import matplotlib.pyplot as plt
import mplhep

BLUE, ORANGE, GREEN, PURPLE, GREY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#808080", "#D55E00"
UNITS = {"x": ("µm", 1e3), "y": ("µm", 1e3), "cot_alpha": ("", 1.0), "cot_beta": ("", 1.0)}
LABELS = {"x": "x", "y": "y", "cot_alpha": r"cot $\alpha$", "cot_beta": r"cot $\beta$"}
QUANTILES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.997, 0.999)

Floats = npt.NDArray[np.float64]


def clopper_pearson(passed: Floats, total: Floats, level: float = 0.6827) -> tuple[Floats, Floats]:
    """Exact binomial interval (Clopper and Pearson, Biometrika 26 (1934) 404): lower and upper bound of each bin."""
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(passed > 0, beta_distribution.ppf(tail, passed, total - passed + 1), 0.0)
        high = np.where(passed < total, beta_distribution.ppf(1 - tail, passed + 1, total - passed), 1.0)
    return np.asarray(low), np.asarray(high)


@contextmanager
def figure(path: Path, **options: Any) -> Iterator[tuple[Any, Any]]:
    """Figure and axes (options as of ``plt.subplots``) in the common style, written whole at the end."""
    with plt.rc_context(
        {
            **mplhep.style.ATLAS,
            "font.family": "sans-serif",
            "mathtext.fontset": "dejavusans",
            "figure.constrained_layout.use": True,
        }
    ):
        figure, axes = plt.subplots(**options)
        yield figure, axes
        with replace_when_done(path) as beside:
            figure.savefig(beside, dpi=130)
        plt.close(figure)


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
    if sum(len(r.edges) for r, _ in study):
        cone_study(folder / "cone-study.png", chain, study, totals)
    if shown is not None and len(shown[0].hits):
        event_display(folder / "event-display.png", chain, shown[0])


def residuals(
    path: Path, totals: Totals, quantity: Callable[[dict[str, npt.NDArray[Any]], str], npt.NDArray[Any]], kind: str
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
                    histogram, ax=axis, color=colour, density=True, label=f"{label}: 68 % within {half:.3g}{unit}", flow="none"
                )
            if kind == "pull":
                grid = np.linspace(-reach, reach, 200)
                axis.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=GREY, ls="--", label="unit Gaussian")
                axis.set_xlabel(f"(estimate - truth) / sigma of {LABELS[name]}")
            else:
                axis.set_xlabel(f"estimate - truth of {LABELS[name]}" + (f" [{UNITS[name][0]}]" if UNITS[name][0] else ""))
            axis.set_ylabel("clusters, normalised")
            axis.set_xlim(-reach, reach)
            axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
            axis.legend(fontsize=11, loc="upper left")


def efficiency(path: Path, totals: Totals) -> None:
    """Track efficiency against pT and eta, with 68 % Clopper-Pearson intervals."""
    with figure(path, ncols=2, figsize=(12, 5)) as (_, axes):
        for axis, name, edges, label in ((axes[0], "pt", PT_BINS, "$p_T$ [GeV]"), (axes[1], "eta", ETA_BINS, r"$\eta$")):
            total, passed = totals.efficiency[name].astype(float)
            filled = total > 0
            rate = passed[filled] / total[filled]
            low, high = clopper_pearson(passed[filled], total[filled])
            center = np.sqrt(edges[1:] * edges[:-1]) if name == "pt" else 0.5 * (edges[1:] + edges[:-1])
            across = [(center - edges[:-1])[filled], (edges[1:] - center)[filled]]
            along = np.abs(np.stack([rate - low, high - rate]))
            axis.errorbar(center[filled], rate, yerr=along, xerr=across, fmt="o", color=BLUE)
            axis.set_xlabel(label)
            axis.set_ylabel("track efficiency")
            axis.set_ylim(0, 1.15)
            axis.axhline(1, color=GREY, lw=0.8, ls=":")
        axes[0].set_xscale("log")
        axes[0].axvline(0.9, color=ORANGE, ls="--", lw=1)
        axes[0].text(0.95, 0.08, "findable", color=ORANGE, fontsize=11)
        axes[0].set_title(r"$|\eta| < 2.5$, at least 4 layers", fontsize=12)
        axes[1].set_title("findable particles", fontsize=12)


def cone_study(path: Path, chain: Chain, study: Sequence[tuple[EventResult, EventTruth]], totals: Totals) -> None:
    """Edge efficiency against reduction as the cones' quantile moves."""
    import dataclasses

    reduction, rate = [], []
    header, window_options = chain.header, chain.options.window
    searched = sum(len(window(r.hits, header.detector, chain.pairs, header.field, window_options)) for r, _ in study)
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
            axis.plot(summary["reduction"], summary["edge_efficiency"], "*", ms=16, color=RED, label="this run, all events")
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
    """One event in x-y (barrel) and r-z: hits, tracks, and the cones of the stiffest tracks' innermost hits."""
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
        xy.plot(position[barrel, 0], position[barrel, 1], ".", ms=2, color=GREY, alpha=0.6, label="clusters (barrel)")
        rz.plot(position[:, 2], radius, ".", ms=2, color=GREY, alpha=0.6, label="clusters")
        for t, hit_rows in enumerate(rows):
            style = {"color": RED, "lw": 1.6, "zorder": 4} if t in leading else {"color": BLUE, "lw": 0.5, "alpha": 0.6}
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
            cone = make_cones(hits.take(np.full(len(grid), rows[t][0])), chain.header.field, chain.options.cone)
            predicted = to_cylinder(cone, grid)
            low, high = (predicted.local + side * gate * np.sqrt(predicted.covariance[:, [0, 1], [0, 1]]) for side in (-1, 1))
            label = f"cones of their first hits, {chain.options.cone.quantile:.1%}" if k == 0 else None
            xy.fill(
                np.concatenate([grid * np.cos(low[:, 0] / grid), (grid * np.cos(high[:, 0] / grid))[::-1]]),
                np.concatenate([grid * np.sin(low[:, 0] / grid), (grid * np.sin(high[:, 0] / grid))[::-1]]),
                color=ORANGE, alpha=0.35, lw=0, zorder=3, label=label,
            )  # fmt: skip
            rz.fill(
                np.concatenate([low[:, 1], high[::-1, 1]]), np.concatenate([grid, grid[::-1]]),
                color=ORANGE, alpha=0.35, lw=0, zorder=3, label=label,
            )  # fmt: skip
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

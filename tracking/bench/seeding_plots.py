"""Figures of ``smartpix bench seeding``; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from tracking.metrics import clopper_pearson
from tracking.show.points import enough, in_bins, rate_points
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, about, figure

__all__ = ["plot_front", "plot_lost", "plot_time"]

ESTIMATORS = {
    "mdn": ("network", BLUE),
    "shape": ("cluster shape", ORANGE),
    "truth": ("true directions", GREEN),
}
FEWEST = 50
"""True edges in a bin, or between two layers, of which a share is drawn."""
LEAST = 1e-5
"""Share below which a point lies at the edge: a logarithm shows no zero."""
OTHERS = {"window": ("window", GREY, "s"), "length": ("cluster length", RED, "D")}


def plot_front(path: Path, result: Mapping[str, Any]) -> None:
    """Share of true edges that are lost against reduction as the quantile moves, by what the direction comes
    from.
    """
    window = result["methods"]["window"]["edges"]
    note = "Numbers: the quantile asked for. Error bars: 68 % Clopper-Pearson intervals, where edges were counted."
    with figure(path, _title(result), (9, 7.2), note=note) as (_, axis):
        axis.set_xscale("log")
        axis.set_yscale("log")
        for name, points in result["front"].items():
            label, colour = ESTIMATORS[name]
            reduction = [window / p["edges"] for p in points]
            lost = np.array([max(1 - p["edge_efficiency_0p9"], LEAST) for p in points])
            axis.errorbar(
                reduction, lost, _interval(points, lost), fmt="o-", color=colour, label=f"cones, {label}"
            )
        for k, p in enumerate(result["front"]["mdn"]):
            at, side = (window / p["edges"], max(1 - p["edge_efficiency_0p9"], LEAST)), 1 if k % 2 else -1
            axis.annotate(
                f"{p['quantile']:g}", at, xytext=(10 * side, -7 * side), textcoords="offset points", fontsize=11,
                ha="left" if side > 0 else "right", va="center", color=BLUE,
            )  # fmt: skip
        for name, (label, colour, marker) in OTHERS.items():
            method = result["methods"][name]
            share = max(1 - method["edge_efficiency_0p9"], LEAST)
            axis.plot(window / method["edges"], share, marker, color=colour, ms=9, label=label, ls="none")
        axis.set_xlabel("reduction: edges of the window / edges kept")
        axis.set_ylabel("true edges of findable particles that are lost")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=11, loc="upper left")


def _interval(points: Sequence[Mapping[str, Any]], lost: Any) -> Any:
    """(2, N) error bars of the shares of lost edges; None where a result holds no numbers of edges."""
    if any("n_wanted" not in p for p in points):
        return None
    n = np.array([p["n_wanted"] for p in points], dtype=float)
    low, high = clopper_pearson(n - np.array([p["n_found"] for p in points], dtype=float), n)
    return np.clip([lost - np.maximum(low, LEAST), high - lost], 0, None)


def _title(result: Mapping[str, Any]) -> str:
    return about("bench seeding", result["n_events"], f"{result['n_hits']:,.0f} clusters an event")


def plot_time(path: Path, result: Mapping[str, Any]) -> None:
    """Time of cones and seeds against the number of hits, with the fitted power."""
    hits, ms = (np.array([p[k] for p in result["time_points"]]) for k in ("hits", "ms"))
    with figure(path, about("events of several pile-ups"), (8, 6.2)) as (_, axis):
        axis.plot(hits, ms, "o", color=BLUE, ms=8, label="edges and seeds, one thread")
        grid = np.geomspace(hits.min() / 1.2, hits.max() * 1.2, 50)
        middle = np.exp(np.mean(np.log(ms)) - result["exponent"] * np.mean(np.log(hits)))
        axis.plot(
            grid,
            middle * grid ** result["exponent"],
            "-",
            color=ORANGE,
            label=f"hits$^{{{result['exponent']:.2f}}}$",
        )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("hits in the event")
        axis.set_ylabel("time [ms]")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=12)


def plot_lost(path: Path, result: Mapping[str, Any]) -> None:
    """Share of true edges of pT > 0.5 GeV that are lost, against pT, eta and layer pair."""
    lost = result["lost"]
    note = f"Error bars: 68 % Clopper-Pearson intervals. Bins are merged until each holds at least {FEWEST} true edges."
    with figure(path, _title(result), (19, 6.6), note=note, ncols=3) as (_, axes):
        for axis, name, label in ((axes[0], "pt", "$p_T$ [GeV]"), (axes[1], "eta", r"$\eta$ of the edge")):
            bins, total, gone = (np.array(lost[name][k], dtype=float) for k in ("bins", "all", "lost"))
            edges = enough(bins, total, FEWEST)
            n, share = in_bins(bins, edges, total), in_bins(bins, edges, gone)
            rate_points(axis, edges, share, n, log=name == "pt", fmt="o", color=BLUE, ms=5)
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
            axis.set_xlim(edges[0], edges[-1])
            axis.set_xlabel(label)
            axis.set_ylabel("true edges lost [%]")
            axis.set_ylim(0)
            axis.grid(alpha=0.3)
        axes[0].set_xscale("log")
        pairs = {k: v for k, v in lost["layers"].items() if v["all"] >= FEWEST}
        gone, of = (np.array([v[k] for v in pairs.values()], dtype=float) for k in ("lost", "all"))
        low, high = clopper_pearson(gone, of)
        bars = 100 * np.abs(np.stack([gone / of - low, high - gone / of]))
        axes[2].errorbar(100 * gone / of, np.arange(len(pairs)), xerr=bars, fmt="o", ms=5, color=BLUE)
        axes[2].set_xlim(left=0)
        axes[2].set_yticks(np.arange(len(pairs)), list(pairs), fontsize=9)
        axes[2].invert_yaxis()
        axes[2].tick_params(axis="y", which="both", left=False, right=False)
        axes[2].set_xlabel("true edges lost [%]")
        axes[2].grid(alpha=0.3, axis="x")

"""Figures of ``smartpix bench seeding``; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, figure

__all__ = ["plot_front", "plot_lost", "plot_time"]

ESTIMATORS = {
    "mdn": ("network", BLUE),
    "shape": ("cluster shape", ORANGE),
    "truth": ("true directions", GREEN),
}
OTHERS = {"window": ("window", GREY, "s"), "length": ("cluster length", RED, "D")}


def plot_front(path: Path, result: Mapping[str, Any]) -> None:
    """Edge efficiency against reduction as the quantile moves, by what the direction comes from."""
    window = result["methods"]["window"]["edges"]
    with figure(path, figsize=(8, 6)) as (_, axis):
        for name, points in result["front"].items():
            label, colour = ESTIMATORS[name]
            reduction = [window / p["edges"] for p in points]
            axis.plot(
                reduction,
                [p["edge_efficiency_0p9"] for p in points],
                "o-",
                color=colour,
                label=f"cones, {label}",
            )
        for p in result["front"]["mdn"]:
            if p["quantile"] in (0.9, 0.99, 0.999):
                at = (window / p["edges"], p["edge_efficiency_0p9"])
                axis.annotate(
                    f"{p['quantile']:g}", at, xytext=(6, -4), textcoords="offset points", fontsize=11
                )
        for name, (label, colour, marker) in OTHERS.items():
            method = result["methods"][name]
            axis.plot(
                window / method["edges"],
                method["edge_efficiency_0p9"],
                marker,
                color=colour,
                ms=9,
                label=label,
                ls="none",
            )
        axis.set_xscale("log")
        axis.set_xlabel("reduction: edges of the window / edges kept")
        axis.set_ylabel("edge efficiency of findable particles")
        axis.set_title("numbers: the quantile asked for", fontsize=12)
        axis.axhline(1, color=GREY, lw=0.8, ls=":")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=11, loc="lower left")


def plot_time(path: Path, result: Mapping[str, Any]) -> None:
    """Time of cones and seeds against the number of hits, with the fitted power."""
    hits, ms = (np.array([p[k] for p in result["time_points"]]) for k in ("hits", "ms"))
    with figure(path, figsize=(8, 6)) as (_, axis):
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
    with figure(path, ncols=3, figsize=(19, 6)) as (_, axes):
        for axis, name, label in ((axes[0], "pt", "$p_T$ [GeV]"), (axes[1], "eta", r"$\eta$ of the edge")):
            bins, total, gone = (np.array(lost[name][k], dtype=float) for k in ("bins", "all", "lost"))
            middle = np.sqrt(bins[1:] * bins[:-1]) if name == "pt" else 0.5 * (bins[1:] + bins[:-1])
            share = np.divide(gone, total, out=np.full_like(gone, np.nan), where=total > 0)
            error = np.sqrt(np.maximum(share * (1 - share), 1e-9) / np.maximum(total, 1))
            axis.errorbar(
                middle,
                100 * share,
                100 * error,
                [middle - bins[:-1], bins[1:] - middle],
                "o",
                color=BLUE,
                ms=5,
            )
            axis.set_xlabel(label)
            axis.set_ylabel("true edges lost [%]")
            axis.set_ylim(0)
            axis.grid(alpha=0.3)
        axes[0].set_xscale("log")
        pairs = {k: v for k, v in lost["layers"].items() if v["all"] >= 50}
        share = [100 * v["lost"] / v["all"] for v in pairs.values()]
        axes[2].barh(np.arange(len(pairs)), share, color=BLUE)
        axes[2].set_yticks(np.arange(len(pairs)), list(pairs), fontsize=9)
        axes[2].invert_yaxis()
        axes[2].tick_params(axis="y", which="both", left=False, right=False)
        axes[2].set_xlabel("true edges lost [%]")
        axes[2].grid(alpha=0.3, axis="x")

"""Figures of ``smartpix study trkx``: the finders of the RAMP challenge, and the learned cone on the next layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracking.bench.trkx_table import RAMP_FINDERS
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, figure

__all__ = ["plot_next_layer", "plot_ramp"]

SHARES = {"68": (68.0, BLUE, "o"), "95": (95.0, ORANGE, "s"), "997": (99.7, GREEN, "^")}
"""Per cent that a cone should hold, colour and marker, by the name in the keys of the results."""
BAND = 1.0
"""Per cent that a coverage may be off by; drawn as a band."""


def plot_ramp(path: Path, result: Mapping[str, Any]) -> None:
    """What all finders of the RAMP challenge miss of a score of 1, at 10 and at 20 tracks, and their time."""
    found = result["ramp"]
    place = np.arange(len(found))[::-1]
    with figure(path, nrows=1, ncols=2, figsize=(12, 0.7 * len(found) + 2.6), sharey=True,
                gridspec_kw={"width_ratios": (2, 1)}) as (whole, axes):  # fmt: skip
        for tracks, shift, colour, marker in ((10, 0.1, BLUE, "o"), (20, -0.1, RED, "s")):
            axes[0].errorbar(
                [1 - r[f"score_{tracks}"] for r in found.values()], place + shift,
                xerr=[r[f"error_{tracks}"] for r in found.values()], fmt=marker, color=colour, ms=7, lw=1.6,
                label=f"{tracks} tracks on average",
            )  # fmt: skip
        told = list((result["ramp_published"] or {}).values())
        if told:
            axes[0].axvspan(
                1 - max(told), 1 - min(told), color=ORANGE, alpha=0.35, lw=0,
                label="published starting kit, 10 tracks",
            )  # fmt: skip
        axes[0].set_xscale("log")
        axes[0].xaxis.set_major_formatter("{x:g}")
        axes[0].set_xlabel("1 - score: share of hits in no right cluster", fontsize=15)
        axes[1].plot([r["ms_per_event"] for r in found.values()], place, "D", color=GREY, ms=7)
        axes[1].set_xscale("log")
        axes[1].xaxis.set_major_formatter("{x:g}")
        axes[1].set_xlabel("ms per event, 10 tracks", fontsize=15)
        axes[0].set_yticks(place, [RAMP_FINDERS.get(name, name) for name in found], fontsize=13)
        axes[0].set_ylim(-0.6, len(found) - 0.4)
        for axis in axes:
            axis.tick_params(axis="y", which="both", left=False, right=False)
            axis.grid(axis="y", color=GREY, alpha=0.25, lw=0.6)
        whole.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=12)
        text = f"simulation: RAMP challenge, {result['n_ramp_events']:,} events each"
        whole.suptitle(text, x=0.01, ha="left", fontsize=14)


def plot_next_layer(path: Path, result: Mapping[str, Any]) -> None:
    """The learned cone in bins of pT: shares of crossings that it holds less those asked for, and its area over that of
    the Kalman filter's cone.
    """
    rows = [row for row in result["by_pt"] if row["n"]]
    edges = np.array([row["pt"] for row in rows])
    n = np.array([row["n"] for row in rows])
    middle = np.sqrt(edges.prod(axis=1))
    with figure(path, nrows=1, ncols=2, figsize=(13, 5.8)) as (whole, axes):
        for k, (key, (share, colour, marker)) in enumerate(SHARES.items()):
            x = middle * 1.035 ** (2 * (k - 1))
            for name, fill, label in (("", "full", "learned"), ("_kalman", "none", "Kalman")):
                held = np.array([row[f"coverage{key}{name}"] for row in rows])
                # Predictions of one particle are taken to stand or fall together.
                error = np.sqrt(held * (1 - held) / n * result["n"] / result["n_paths"])
                axes[0].errorbar(
                    x * (1.018 if name else 1), 100 * held - share, yerr=100 * error, fmt=marker, ms=7, color=colour,
                    fillstyle=fill, lw=1.5, label=f"{share:g} %, {label}",
                )  # fmt: skip
            ratio = np.array([row[f"area_ratio{key}"] for row in rows])
            across = np.abs(edges.T - x)
            axes[1].errorbar(
                x, ratio, xerr=across, fmt=marker, ms=7, color=colour, lw=1.3, label=f"{share:g} % cones"
            )
        axes[0].axhspan(-BAND, BAND, color=GREY, alpha=0.2, lw=0)
        axes[0].axhline(0, color=GREY, lw=0.8, ls=":")
        axes[1].axhline(1, color=RED, lw=1, ls="--", label="as large as the Kalman filter's")
        axes[0].set_ylabel("crossings in the cone, less those asked for [%]", fontsize=14)
        axes[1].set_ylabel("area of the cone / Kalman filter's", fontsize=14)
        axes[0].set_ylim(np.array([-1, 1.7]) * max(2 * BAND, np.abs(axes[0].get_ylim()).max()))
        axes[1].set_ylim(bottom=0)
        for axis in axes:
            axis.set_xscale("log")
            axis.set_xlim(edges.min(), edges.max())
            axis.set_xticks(np.unique(edges), [f"{pt:g}" for pt in np.unique(edges)])
            axis.tick_params(axis="x", which="minor", labelbottom=False)
            axis.set_xlabel("$p_T$ of the particle [GeV]", fontsize=15)
        axes[0].legend(fontsize=11, ncols=3, loc="upper center", columnspacing=0.8)
        axes[1].legend(fontsize=12, loc="lower right")
        sample = " and ".join(result["sample"])
        if "n_events" in result:
            sample += f", {result['n_events']} events"
        text = f"simulation: {sample}, {result['n_paths']:,} particles, {result['n']:,} predictions"
        whole.suptitle(text, x=0.01, ha="left", fontsize=14)

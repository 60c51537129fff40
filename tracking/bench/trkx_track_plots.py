"""Figures of ``smartpix study trkx``: the finders of the RAMP challenge, and the learned cone on the next
layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracking.bench.trkx_table import RAMP_FINDERS
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, figure

__all__ = ["plot_next_layer", "plot_ramp"]

SHARES = {"68": (68.0, BLUE, "o"), "95": (95.0, ORANGE, "s"), "997": (99.7, GREEN, "^")}
"""Per cent that a cone should hold, colour and marker, by the name in the keys of the results."""
APART = 1.025
"""Factor of pT between points of one bin."""
BAND = 1.0
"""Per cent that a coverage may be off by; drawn as a band."""


def plot_ramp(path: Path, result: Mapping[str, Any]) -> None:
    """What all finders of the RAMP challenge miss of a score of 1, at 10 and at 20 tracks, and their time."""
    found = result["ramp"]
    place = np.arange(len(found))[::-1]
    title = f"simulation: RAMP challenge, {result['n_ramp_events']:,} events each"
    with figure(path, title, nrows=1, ncols=2, figsize=(12, 0.7 * len(found) + 2.6), sharey=True,
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


def plot_next_layer(path: Path, result: Mapping[str, Any]) -> None:
    """The learned cone in bins of pT: shares of crossings that it holds less those asked for, and its area
    over that of the Kalman filter's cone; where they were measured, overlapping modules of the same layer
    below.
    """
    groups = {"next layers": result, "overlaps of the same layer": result.get("overlaps") or {"n": 0}}
    groups = {name: told for name, told in groups.items() if told["n"]}
    sample = " and ".join(result["sample"])
    if "n_events" in result:
        sample += f", {result['n_events']} events"
    title = (
        f"simulation: {sample}, {result['n_paths']:,} particles, {result['n']:,} predictions of next layers"
    )
    with figure(path, title, nrows=len(groups), ncols=2, figsize=(13, 4.4 * len(groups) + 1.4), sharex=True, sharey="col",
                squeeze=False) as (whole, axes):  # fmt: skip
        for (left, right), (name, told) in zip(axes, groups.items(), strict=True):
            rows = [row for row in told["by_pt"] if row["n"]]
            _plot_coverage(left, rows)
            _plot_areas(right, rows)
            left.set_ylabel(f"{name}:\nin the cone less asked for [%]", fontsize=14)
            right.set_ylabel("area / Kalman filter's", fontsize=14)
        edges = np.unique([row["pt"] for row in result["by_pt"]])
        for axis in axes.flat:
            axis.set_xscale("log")
            axis.set_xlim(edges[0], edges[-1])
            axis.set_xticks(edges, [f"{pt:g}" for pt in edges])
            axis.tick_params(axis="x", which="minor", labelbottom=False)
            axis.grid(axis="y", color=GREY, alpha=0.25, lw=0.6)
        for axis in axes[-1]:
            axis.set_xlabel("$p_T$ of the particle [GeV]", fontsize=15)
        handles = [pair for axis in axes[0] for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
        whole.legend(*zip(*handles, strict=True), loc="outside lower center", ncols=4, fontsize=11)


def _points(rows: Sequence[Mapping[str, Any]], key: str, shift: int) -> tuple[Any, Any, Any, Any]:
    """Places, half widths of the bins on either side, values and errors; NaN where an earlier study has no
    error.
    """
    edges = np.array([row["pt"] for row in rows])
    x = np.sqrt(edges.prod(axis=1)) * APART**shift
    values, errors = (np.array([row.get(name, np.nan) for row in rows]) for name in (key, f"{key}_error"))
    return x, np.abs(edges.T - x), values, errors


def _plot_coverage(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Per cent of the crossings that the cones of both hold, less those asked for."""
    for k, (key, (share, colour, marker)) in enumerate(SHARES.items()):
        for side, (name, fill, label) in enumerate((("", "full", "learned"), ("_kalman", "none", "Kalman"))):
            x, _, held, error = _points(rows, f"coverage{key}{name}", 4 * (k - 1) + 2 * side - 1)
            axis.errorbar(
                x, 100 * held - share, yerr=100 * error, fmt=marker, ms=7, color=colour, fillstyle=fill, lw=1.5,
                label=f"{share:g} %, {label}",
            )  # fmt: skip
    axis.axhspan(-BAND, BAND, color=GREY, alpha=0.2, lw=0)
    axis.axhline(0, color=GREY, lw=0.8, ls=":")


def _plot_areas(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Mean areas of the learned cones over those of the Kalman filter's."""
    for k, (key, (share, colour, marker)) in enumerate(SHARES.items()):
        x, across, ratio, error = _points(rows, f"area_ratio{key}", 3 * (k - 1))
        axis.errorbar(
            x,
            ratio,
            xerr=across,
            yerr=error,
            fmt=marker,
            ms=7,
            color=colour,
            lw=1.3,
            label=f"area, {share:g} % cones",
        )
    axis.axhline(1, color=RED, lw=1, ls="--", label="as large as the Kalman filter's")

"""The results of ``smartpix bench scaling`` as text and as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, about, figure

__all__ = ["plot_scaling", "scaling_table"]

# A chain has more stages than the other figures have colours: two more of Okabe and Ito's.
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY, "#56B4E9", "#000000")


def scaling_table(result: Mapping[str, Any]) -> str:
    """The result of :func:`tracking.bench.scaling.bench_scaling` as lines of text."""
    stages = list(result["points"][0]["ms"])
    lines = [
        f"{'ms an event':16s}{'hits':>10s}{'edges':>10s}"
        + "".join(f"{stage:>9s}" for stage in [*stages, "total", "MB"])
    ]
    for point in result["points"]:
        values = [*point["ms"].values(), point["ms_total"], point["mb"]]
        lines.append(
            f"{point['sample']:16s}{point['hits']:10,.0f}{point['edges']:10,.0f}"
            + "".join(f"{value:9.1f}" for value in values)
        )
    for key, name in (("exponents", "power of hits"), ("gun_exponents", "the gun's")):
        if result[key] is not None:
            values = [result[key][stage] for stage in [*stages, "total", "memory"]]
            cells = "".join(f"{'-' if value is None else format(value, '.2f'):>9s}" for value in values)
            lines.append(f"{name:36s}{cells}")
    speedup = result["thread_speedup"]
    lines.append(
        f"{str(result['n_threads']) + ' threads, speed':36s}"
        + "".join(f"{speedup[stage]:9.2f}" for stage in [*stages, "total"])
    )
    lines.append(f"{str(result['n_processes']) + ' processes, speed':36s}{result['process_speedup']:9.2f}")
    nodes = ", ".join(f"{v:,.0f} on {n} cores" for n, v in result["node_events_per_second"].items())
    lines.append(f"events a second of a node, extrapolated: {nodes}")
    if result["mb_per_1000_events"] is not None:
        first, last = result["memory_mb"][0], result["memory_mb"][-1]
        lines.append(
            f"memory: {first[1]:.0f} MB after {first[0]} events, {last[1]:.0f} MB after {last[0]}; "
            f"{result['mb_per_1000_events']:+.1f} MB per 1,000 events once it has settled"
        )
    return "\n".join(lines)


def plot_scaling(path: Path, result: Mapping[str, Any]) -> None:
    """Time of each stage against hits, with the fitted powers, and the memory over many events."""
    n_plots = 1 if result["memory_mb"] is None else 2
    kinds = " and ".join(sorted({point["sample"].split()[0] for point in result["points"]}, reverse=True))
    title = about(kinds, result.get("n_events"), "the mean of each point")
    with figure(path, title, ncols=n_plots, figsize=(9 * n_plots, 6.5)) as (_, made):
        axes = made if n_plots > 1 else [made]
        _plot_times(axes[0], result)
        if n_plots > 1:
            events, mb = np.array(result["memory_mb"]).T
            axes[1].plot(events, mb, "-", color=COLOURS[0])
            axes[1].set_xlabel("events reconstructed in one process")
            axes[1].set_ylabel("memory [MB]")
            axes[1].set_ylim(0, 1.15 * mb.max())
            axes[1].grid(alpha=0.3)


def _plot_times(axis: Any, result: Mapping[str, Any]) -> None:
    stages = list(result["points"][0]["ms"])
    for kind, filled in (("pileup", True), ("gun", False)):
        points = [point for point in result["points"] if point["sample"].startswith(kind)]
        if not points:
            continue
        hits = np.array([point["hits"] for point in points])
        for stage, colour in zip(stages, COLOURS, strict=False):
            ms = np.array([point["ms"][stage] for point in points])
            exponent = result["exponents"][stage]
            label = f"{stage}, hits$^{{{exponent:.2f}}}$" if filled and exponent is not None else None
            face = colour if filled else "none"
            line = "-" if filled else "--"
            axis.plot(hits, ms, f"o{line}", color=colour, mfc=face, ms=6, lw=1.2, label=label)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("hits in the event")
    axis.set_ylabel("time [ms]")
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=11, ncol=2, title="filled: pile-up; open: pions alone", title_fontsize=11)

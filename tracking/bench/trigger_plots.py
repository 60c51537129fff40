"""Figure of the trigger's sectors; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from tracking.show.style import BLUE, GREY, ORANGE, RED, figure

__all__ = ["plot_sectors"]

ORDERS = {"chi2": ("-", "largest chi2 cut first"), "file": (":", "last of the list cut first")}
COLOURS = (RED, ORANGE, BLUE)


def plot_sectors(path: Path, result: Mapping[str, Any]) -> None:
    """Particles above 1 GeV that a sector holds whole, and sectors that lose edges, against the number of sectors,
    for every size of a sector.
    """
    rows = [row for row in result["curve"] if row["by"] == "helix"]
    sizes = sorted({(row["nodes"], row["edges"]) for row in rows})
    with figure(path, nrows=1, ncols=2, figsize=(13, 5.2)) as (_, axes):
        for size, colour in zip(sizes, cycle(COLOURS), strict=False):
            for order, (line, words) in ORDERS.items():
                chosen = [r for r in rows if (r["nodes"], r["edges"]) == size and r["order"] == order]
                n = [row["n_sectors"] for row in chosen]
                label = f"{size[0]} hits, {size[1]} edges; {words}"
                axes[0].plot(n, [row["whole"] for row in chosen], line, marker="o", color=colour, label=label)
                if order == "chi2":
                    # A logarithm shows no zero.
                    cut = [(row["n_sectors"], row["truncated"]) for row in chosen if row["truncated"] > 0]
                    axes[1].plot(
                        [many for many, _ in cut], [share for _, share in cut], line, marker="o", color=colour,
                        label=f"{size[0]} hits, {size[1]} edges",
                    )  # fmt: skip
        axes[0].axhline(0.99, color=GREY, lw=1, ls="--")
        axes[0].set_ylim(top=1.0)
        axes[0].set_ylabel("particles in one sector")
        axes[1].set_ylabel("sectors that lose edges")
        axes[1].set_yscale("log")
        for axis in axes:
            axis.set_xscale("log")
            axis.set_xlabel("sectors of an event")
            axis.legend(fontsize=10)

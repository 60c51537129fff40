"""The figure of the link: bits of a cluster and the link's rate against what the chain makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracking.bench.link import CROSSINGS_PER_S
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, figure

__all__ = ["plot_link"]

FAMILIES = {
    "raw": (GREY, "s", "raw pixels"), "pca": (GREEN, "^", "principal components"), "mdn": (ORANGE, "D", "the MDN's 14 numbers"),
    "": (BLUE, "o", "learned code"),
}  # fmt: skip
"""Colour, marker and name by the beginning of a code's name; all others are learned ones."""
PANELS = {
    "track_efficiency": "track efficiency", "fake_rate": "fakes", "reduction": "reduction of edges",
    "resolution_d0_um": "resolution of d0 (um)",
}  # fmt: skip


def plot_link(path: Path, result: Mapping[str, Any]) -> None:
    """Four measures of the chain against bits of a cluster of the innermost layer, and the link's rate above.

    Fixed fields are filled markers, arithmetic codes hollow ones.
    """
    codes = {name: row for name, row in result["codes"].items() if "bits_per_cluster" in row}
    per_bit, place = 1e-9 * CROSSINGS_PER_S * result["occupancy"], result["place_bits"]
    with figure(path, nrows=2, ncols=2, figsize=(13, 9)) as (_, axes):
        for axis, (key, label) in zip(axes.flat, PANELS.items(), strict=True):
            for name, row in codes.items():
                begin = next(b for b in FAMILIES if name.startswith(b))
                colour, marker, _ = FAMILIES[begin]
                ends = row["bits_innermost"], row["arithmetic_bits_innermost"]
                values = [row[key]] * 2
                axis.plot(ends, values, color=colour, lw=0.6, zorder=1)
                for bits, fill in zip(ends, ("full", "none"), strict=True):
                    axis.plot(bits, row[key], color=colour, marker=marker, fillstyle=fill, ls="none")
                axis.annotate(
                    name, (ends[0], row[key]), xytext=(4, 3), textcoords="offset points", fontsize=6
                )
            axis.axhline(result["codes"]["float"][key], color="black", lw=0.8, ls=":")
            axis.set_xlabel("bits of a cluster, without its place", fontsize=11)
            axis.set_ylabel(label, fontsize=11)
            above = axis.secondary_xaxis(
                "top", functions=(lambda b: per_bit * (b + place), lambda r: r / per_bit - place)
            )
            above.set_xlabel("Gb/s/cm2 of the innermost layer", fontsize=11)
        for colour, marker, name in FAMILIES.values():
            axes.flat[0].plot([], [], color=colour, marker=marker, ls="none", label=name)
        axes.flat[0].plot([], [], color="black", ls=":", label="no code")
        axes.flat[0].legend(fontsize=8)

"""The figure of the link: bits of a cluster and the link's rate against what the chain makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tracking.bench.link import CROSSINGS_PER_S
from tracking.metrics import clopper_pearson
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, about, figure

__all__ = ["plot_link"]

FAMILIES = {
    "raw": (GREY, "s", "raw pixels"), "pca": (GREEN, "^", "principal components"), "mdn": (ORANGE, "D", "the MDN's 14 numbers"),
    "": (BLUE, "o", "learned code"),
}  # fmt: skip
"""Colour, marker and name by the beginning of a code's name; all others are learned ones."""
PANELS = {
    "track_efficiency": "particles without a track (%)", "fake_rate": "fakes (%)", "reduction": "reduction of edges",
    "resolution_d0_um": "resolution of d0 (µm)",
}  # fmt: skip
COUNTED = {"track_efficiency": "n_findable", "fake_rate": "n_tracks"}
"""Shares, drawn in per cent on a logarithmic axis, and of what they are."""
BITS, RATES = (20, 30, 50, 100, 200, 300), (4, 6, 10, 20, 30)
"""Numbers at the axes."""
WIDE = (18, 400)
"""Bits at the ends of the axes."""
AROUND = tuple(
    (np.cos(turn), np.sin(turn)) for turn in np.pi * np.array([0.25, 0.75, 1.75, 1.25, 0.5, 1.5, 0, 1])
)
FREE = 12.0
"""Distance in points that the number of a code keeps from other numbers and from markers."""


def plot_link(path: Path, result: Mapping[str, Any]) -> None:
    """Four measures of the chain against bits of a cluster of the innermost layer, and the link's rate above.

    Fixed fields are filled markers, arithmetic codes hollow ones. Codes are numbered; their names are below.
    Shares have their binomial intervals of 68 %.
    """
    codes = {name: row for name, row in result["codes"].items() if "bits_per_cluster" in row}
    options: dict[str, Any] = {"nrows": 3, "ncols": 2, "height_ratios": [1, 1, 0.42], "figsize": (11, 10)}
    title = about(
        f"pile-up 200, seed {result['seed']}", result["n_events"], f"{result['n_clusters']:,} clusters"
    )
    with figure(path, title, **options) as (whole, axes):
        for axis, (key, label) in zip(axes[:2].flat, PANELS.items(), strict=True):
            _panel(axis, key, label, codes, result)
        whole.canvas.draw()
        for axis, key in zip(axes[:2].flat, PANELS, strict=True):
            _numbers(axis, key, codes)
        _names(axes[2], list(codes))


def _shown(row: Mapping[str, Any], key: str) -> float:
    """What is drawn of a code."""
    if key == "track_efficiency":
        return 100 * (1 - float(row[key]))
    return float(row[key]) * (100 if key in COUNTED else 1)


def _panel(axis: Any, key: str, label: str, codes: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    per_bit, place = 1e-9 * CROSSINGS_PER_S * result["occupancy"], result["place_bits"]
    axis.set_xscale("log")
    axis.set_xlim(*WIDE)
    if key in COUNTED:
        axis.set_yscale("log")
    for name, row in codes.items():
        colour, marker, _ = _family(name)
        ends, shown = (row["bits_innermost"], row["arithmetic_bits_innermost"]), _shown(row, key)
        axis.plot(ends, [shown] * 2, color=colour, lw=0.8, zorder=1)
        for bits, fill in zip(ends, ("full", "none"), strict=True):
            axis.plot(bits, shown, color=colour, marker=marker, ms=6, fillstyle=fill, ls="none")
        if key in COUNTED:
            total = np.array([float(row[COUNTED[key]])])
            low, high = (100 * float(v[0]) for v in clopper_pearson(np.round(shown / 100 * total), total))
            axis.vlines(ends[0], low if low > 0 else shown, high, color=colour, lw=0.8, zorder=1)
    axis.axhline(_shown(result["codes"]["float"], key), color="black", lw=0.9, ls=":")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_major_locator(FixedLocator(BITS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(plain)
    axis.yaxis.set_major_formatter(plain)
    axis.set_xlabel("bits of a cluster of the innermost layer, without its place", fontsize=11)
    axis.set_ylabel(label, fontsize=11)
    above = axis.secondary_xaxis(
        "top", functions=(lambda b: per_bit * (b + place), lambda r: r / per_bit - place)
    )
    above.xaxis.set_major_locator(FixedLocator(RATES))
    above.xaxis.set_minor_locator(NullLocator())
    above.xaxis.set_major_formatter(plain)
    above.set_xlabel("Gb/s/cm² of the innermost layer at pile-up 200", fontsize=11)
    for both in (axis, above):
        both.tick_params(labelsize=11)


def _numbers(axis: Any, key: str, codes: Mapping[str, Any]) -> None:
    """Put the number of each code beside its filled marker, where it is farthest from all that is there
    already.
    """
    scale = 72 / axis.figure.dpi
    ends = [(row["bits_innermost"], row["arithmetic_bits_innermost"]) for row in codes.values()]
    shown = [_shown(row, key) for row in codes.values()]
    filled, hollow = (
        scale * axis.transData.transform([(end[k], y) for end, y in zip(ends, shown, strict=True)])
        for k in (0, 1)
    )
    taken: list[Any] = [*filled, *hollow]
    for number, point in enumerate(filled, 1):
        others = [p for p in taken if not np.array_equal(p, point)]
        offsets = [FREE * np.array(way) for way in AROUND]
        # The first place that is free, or else the one with the most room.
        room = [min(FREE, float(np.min(np.linalg.norm(point + o - others, axis=1)))) for o in offsets]
        offset = offsets[int(np.argmax(room))]
        taken.append(point + offset)
        axis.annotate(
            str(number), (ends[number - 1][0], shown[number - 1]), xytext=tuple(offset), textcoords="offset points",
            fontsize=9, ha="center", va="center",
        )  # fmt: skip


def _names(axes: Sequence[Any], names: Sequence[str]) -> None:
    """Below: the number of each code, and what the markers are."""
    for axis in axes:
        axis.set_axis_off()
    n_rows = -(-len(names) // 3)
    for k, name in enumerate(names):
        axes[0].text(
            0.36 * (k // n_rows), 1 - (k % n_rows + 0.5) / n_rows, f"{k + 1}  {name}", fontsize=10,
            color=_family(name)[0], transform=axes[0].transAxes, va="center",
        )  # fmt: skip
    for colour, marker, name in FAMILIES.values():
        axes[1].plot([], [], color=colour, marker=marker, ls="none", label=name)
    axes[1].plot(
        [], [], color="black", marker="o", fillstyle="none", ls="none", label="hollow: arithmetic code"
    )
    axes[1].plot([], [], color="black", ls=":", label="no code")
    axes[1].legend(fontsize=10, loc="center right", ncols=2)


def _family(name: str) -> tuple[str, str, str]:
    return FAMILIES[next(begin for begin in FAMILIES if name.startswith(begin))]

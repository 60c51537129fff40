"""Figures of ``smartpix study smart-pixels``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracking.bench.smart_pixels_table import settings
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, about, figure, guide

__all__ = ["plot_bits", "plot_levers"]

WIDTHS = {
    "y_um": ("y", BLUE, "o"), "cot_alpha": (r"cot $\alpha$", ORANGE, "s"), "cot_beta": (r"cot $\beta$", GREEN, "^"),
}  # fmt: skip
SHIFT = 0.12
"""Of one series from the next, so that none hides another."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, "black")


NOTE = (
    "Half widths hold 68 % of the residuals of the barrel's clusters. Intervals of the particles lost are 68 %, of "
    "findable particles."
)
BITS = "Bits are of pixels with their addresses, or of 14 numbers, without the place on the module."


def _title(result: Mapping[str, Any], *more: str) -> str:
    options = result["options"]
    return about(f"pile-up {options['pileup']}", options["events"], *more)


def plot_levers(path: Path, result: Mapping[str, Any]) -> None:
    """What each lever does to the estimates' errors (beside those of the base), to the reduction, and to
    tracks.
    """
    levers = result["levers"]
    title = _title(result, f"base {result['base']}".replace(" um", " µm"))
    with figure(
        path, title, (3.6 * len(levers), 10.5), note=NOTE, nrows=3, ncols=len(levers), sharey="row"
    ) as (_, axes):
        for column, (lever, of_lever) in zip(axes.T, levers.items(), strict=True):
            labels, places = list(of_lever), np.arange(len(of_lever))
            base = result["link"]["pixels"]["half_width_68"]
            for k, (name, (shown, colour, marker)) in enumerate(WIDTHS.items()):
                ratio = [n["half_width_68"][name] / base[name] for n in of_lever.values()]
                column[0].plot(
                    places + SHIFT * (k - 1), ratio, color=colour, marker=marker, ls=":", label=shown
                )
            guide(column[0].axhline(1, color=GREY, lw=1))
            column[1].plot(
                places, [n["reduction"] for n in of_lever.values()], color=BLUE, marker="o", ls=":"
            )
            lost = np.array([1 - n["track_efficiency"] for n in of_lever.values()])
            ends = np.array([n["track_efficiency_interval"] for n in of_lever.values()])
            column[2].errorbar(
                places - SHIFT / 2, lost, yerr=[lost - (1 - ends[:, 1]), (1 - ends[:, 0]) - lost], color=BLUE,
                marker="o", ls="none", label="particles lost",
            )  # fmt: skip
            column[2].plot(
                places + SHIFT / 2, [n["fake_rate"] for n in of_lever.values()], color=RED, marker="v", ls="none",
                label="fakes",
            )  # fmt: skip
            for axis in column:
                axis.set_xticks(places, labels)
                axis.set_xlim(-0.5, len(places) - 0.5)
                axis.minorticks_off()
            column[2].set_xlabel(lever, fontsize=14)
        for axis, label in zip(
            axes[:, 0], ("half width / that of the base", "reduction", "share"), strict=True
        ):
            axis.set_ylabel(label, fontsize=14)
            axis.set_ylim(0, None)
        for axis in (axes[0, 0], axes[2, 0]):
            axis.legend(fontsize=11)


def plot_bits(path: Path, result: Mapping[str, Any]) -> None:
    """Reduction against the bits of a cluster, of all settings."""

    def at(numbers: Mapping[str, Any]) -> tuple[float, float]:
        return numbers["bits_per_cluster"], numbers["reduction"]

    base = result["link"]["pixels"]
    with figure(path, _title(result), (9, 6.5), note=BITS) as (_, axis):
        levers = list(dict.fromkeys(lever for lever, _, _ in settings(result)))
        for lever, colour, marker in zip(levers, COLOURS, "os^vDP", strict=True):
            rows = [
                (label, n) for of, label, n in settings(result) if of == lever and "bits_per_cluster" in n
            ]
            axis.plot(
                [n["bits_per_cluster"] for _, n in rows], [n["reduction"] for _, n in rows], color=colour, marker=marker,
                ls=":", label=lever,
            )  # fmt: skip
            for label, n in rows:
                # The base is in every lever, and has one word for all.
                if at(n) != at(base):
                    axis.annotate(
                        label.removesuffix(" a number"), at(n), fontsize=10, color=colour,
                        xytext=(5, -14 if lever == "link" else 4), textcoords="offset points",
                    )  # fmt: skip
        axis.plot(*at(base), color="black", marker="*", ms=16, ls="none", label="base")
        # Room for the last label.
        axis.margins(x=0.15)
        axis.set_xlabel("bits of a cluster")
        axis.set_ylabel("reduction of edges")
        axis.set_ylim(0, 1.1 * axis.get_ylim()[1])
        axis.legend(fontsize=11)

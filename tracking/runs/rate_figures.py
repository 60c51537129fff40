"""Figures of rates over all events of a run: efficiency, fakes and duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from tracking.metrics import BINS, TRACK_BINS
from tracking.runs.totals import Totals
from tracking.show.style import BLUE, GREY, ORANGE, RED, VARIABLES, figure, rate_points

__all__ = ["efficiency", "fakes"]

FEWEST_TRACKS = 30
"""In a bin of fakes: with fewer the interval of a share of some percent fills the panel."""


def efficiency(path: Path, totals: Totals) -> None:
    """Track efficiency against all variables, with 68 % Clopper-Pearson intervals."""
    styles: dict[str, dict[str, Any]] = {
        "technical": {
            "fmt": "o",
            "ms": 6,
            "color": BLUE,
            "label": "technical: findable particles, with\nclusters on at least 4 layers",
        },
        "physics": {
            "fmt": "s",
            "ms": 9,
            "color": ORANGE,
            "mfc": "none",
            "label": "physics: all charged particles with\n"
            r"$p_T$ > 0.9 GeV, $|\eta|$ < 2.5",
        },
    }
    with figure(path, nrows=2, ncols=4, figsize=(22, 9.5)) as (_, axes):
        axes = list(axes.flat)
        for axis, (name, label) in zip(axes, VARIABLES.items(), strict=False):
            edges, bottom = BINS[name], 0.85
            axis.set_xlabel(label)
            axis.set_ylabel("track efficiency")
            if name in totals.efficiency:
                for of, style in styles.items():
                    both = totals.efficiency[name][:, of, :].values()
                    low, _ = rate_points(axis, edges, both[:, 1], both.sum(axis=1), **style)
                    bottom = min(bottom, low.min(initial=1.0))
            else:
                axis.text(
                    0.5, 0.5, "the file does not say", ha="center", transform=axis.transAxes, fontsize=12
                )
            if name in ("pt", "distance", "radius", "d0"):
                axis.set_xscale("log")
            if name != "pileup":
                axis.set_xlim(edges[0], edges[-1])
            # Room below, also for points at 0.
            axis.set_ylim(bottom - 0.05 * (1 - bottom), 1 + 0.1 * (1 - bottom))
            axis.axhline(1, color=GREY, lw=0.8, ls=":")
        axes[0].axvline(0.9, color=GREY, ls="--", lw=1)
        # Its height is a share of the panel: at an efficiency of 0.05 it would lie far below most panels, and
        # leave them no room.
        at_the_cut = axes[0].get_xaxis_transform()
        axes[0].text(0.95, 0.05, "cut of the other panels", color=GREY, fontsize=12, transform=at_the_cut)
        axes[-1].axis("off")
        axes[-2].axis("off")
        axes[-2].legend(
            *axes[0].get_legend_handles_labels(),
            loc="upper center",
            fontsize=14,
            title="Matched particles / all of them",
            title_fontsize=14,
            labelspacing=1.2,
        )
        note = "68 % Clopper-Pearson intervals\noutermost bins of the lower panels: or beyond"
        axes[-2].text(0.5, 0.15, note, ha="center", transform=axes[-2].transAxes, fontsize=12, color=GREY)


def fakes(path: Path, totals: Totals) -> None:
    """Shares of fakes and duplicates among the tracks, with 68 % Clopper-Pearson intervals; in bins of at
    least :data:`FEWEST_TRACKS`.
    """
    styles: dict[str, dict[str, Any]] = {
        "duplicate": {"fmt": "s", "ms": 9, "color": BLUE, "mfc": "none", "label": "duplicates"},
        "fake": {"fmt": "o", "ms": 6, "color": RED, "label": "fakes"},
    }
    with figure(path, ncols=2, figsize=(12, 5)) as (_, axes):
        for axis, name in zip(axes, TRACK_BINS, strict=True):
            counts, top = totals.tracks[name], 0.01
            total = counts.project(name).values()
            total = np.where(total >= FEWEST_TRACKS, total, 0)
            for kind, style in styles.items():
                _, high = rate_points(axis, TRACK_BINS[name], counts[:, kind].values(), total, **style)
                top = max(top, high.max(initial=0.0))
            axis.set_xlabel("fitted " + VARIABLES[name])
            axis.set_ylabel("share of the tracks [%]")
            axis.set_xlim(TRACK_BINS[name][0], TRACK_BINS[name][-1])
            axis.set_ylim(-0.05 * top, 1.3 * top)
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
            axis.legend(fontsize=12, loc="upper center", ncols=2)
        axes[0].set_xscale("log")

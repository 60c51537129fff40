"""Figures of rates over all events of a run: efficiency, fakes and duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.ticker import PercentFormatter

from tracking.metrics import BINS, TRACK_BINS
from tracking.runs.totals import Totals
from tracking.show.points import enough, in_bins, rate_points
from tracking.show.style import BLUE, GREY, ORANGE, RED, VARIABLES, empty_panel, figure, guide

__all__ = ["efficiency", "fakes"]

FEWEST_PARTICLES, FEWEST_TRACKS = 20, 30
"""In a bin of the efficiency and of the fakes: bins are merged until they hold as many. With fewer tracks the
interval of a share of some percent fills the panel."""
INTERVALS = "Error bars: 68 % Clopper-Pearson intervals. Bins are merged until each holds at least {} {}."


def efficiency(path: Path, title: str, totals: Totals) -> None:
    """Track efficiency against all variables, with 68 % Clopper-Pearson intervals; in bins of at least
    :data:`FEWEST_PARTICLES`.
    """
    styles: dict[str, dict[str, Any]] = {
        "technical": {
            "fmt": "o",
            "ms": 6,
            "color": BLUE,
            "label": "technical: findable particles, with\nclusters on at least 4 layers",
            "shift": -0.1,
        },
        "physics": {
            "fmt": "s",
            "ms": 7,
            "color": ORANGE,
            "mfc": "none",
            "label": "physics: all charged particles with\n"
            r"$p_T$ > 0.9 GeV, $|\eta|$ < 2.5",
            "shift": 0.1,
        },
    }
    note = (
        f"{INTERVALS.format(FEWEST_PARTICLES, 'particles')} The outermost bins of the distance, the radius and the "
        "impact parameter hold what is beyond, too.\nPoints are beside the middle of their bins, so that none hides "
        "another. All panels but the first are of particles above the cut in $p_T$."
    )
    with figure(path, title, (22, 10), note=note, nrows=2, ncols=4) as (_, axes):
        axes = list(axes.flat)
        for axis, (name, label) in zip(axes, VARIABLES.items(), strict=False):
            axis.set_xlabel(label)
            axis.set_ylabel("track efficiency")
            if name not in totals.efficiency:
                empty_panel(axis, "the file does not say")
                continue
            ends, bottom = [], 0.85
            for of, style in styles.items():
                both = totals.efficiency[name][:, of, :].values()
                edges = enough(BINS[name], both.sum(axis=1), FEWEST_PARTICLES)
                if len(edges):
                    both = in_bins(BINS[name], edges, both)
                    log = name in ("pt", "distance", "radius", "d0")
                    low, _ = rate_points(axis, edges, both[:, 1], both.sum(axis=1), log=log, **style)
                    bottom = min(bottom, low.min(initial=1.0))
                    ends += [edges[0], edges[-1]]
            if not ends:
                empty_panel(axis, "no particle in these bins")
                continue
            if name in ("pt", "distance", "radius", "d0"):
                axis.set_xscale("log")
            axis.set_xlim(min(ends), max(ends))
            # Room below, also for points at 0.
            axis.set_ylim(bottom - 0.05 * (1 - bottom), 1 + 0.1 * (1 - bottom))
            axis.axhline(1, color=GREY, lw=0.8, ls=":")
        if axes[0].containers:
            axes[0].axvline(0.9, color=GREY, ls="--", lw=1)
            # Its height is a share of the panel: at an efficiency of 0.05 it would lie far below most panels, and
            # leave them no room.
            at_the_cut = axes[0].get_xaxis_transform()
            axes[0].text(
                0.95, 0.05, "cut of the other panels", color="#505050", fontsize=12, transform=at_the_cut
            )
        for axis in axes[len(VARIABLES) :]:
            axis.axis("off")
        axes[-2].legend(
            *next((handles for axis in axes if (handles := axis.get_legend_handles_labels())[0]), ([], [])),
            loc="center",
            fontsize=14,
            title="Matched particles / all of them",
            title_fontsize=14,
            labelspacing=1.2,
        )


def fakes(path: Path, title: str, totals: Totals) -> None:
    """Shares of fakes and duplicates among the tracks, with 68 % Clopper-Pearson intervals; in bins of at
    least :data:`FEWEST_TRACKS`.
    """
    styles: dict[str, dict[str, Any]] = {
        "duplicate": {"fmt": "s", "ms": 7, "color": BLUE, "mfc": "none", "label": "duplicates", "shift": 0.1},
        "fake": {"fmt": "o", "ms": 6, "color": RED, "label": "fakes", "shift": -0.1},
    }
    note = f"{INTERVALS.format(FEWEST_TRACKS, 'tracks')}\nPoints are beside the middle of their bins."
    with figure(path, title, (12, 5.6), note=note, ncols=2) as (_, axes):
        for axis, name in zip(axes, TRACK_BINS, strict=True):
            counts, top = totals.tracks[name], 0.01
            total = counts.project(name).values()
            edges = enough(TRACK_BINS[name], total, FEWEST_TRACKS)
            axis.set_xlabel("fitted " + VARIABLES[name])
            axis.set_ylabel("share of the tracks [%]")
            if not len(edges):
                empty_panel(axis, "no tracks")
                continue
            for kind, style in styles.items():
                passed = in_bins(TRACK_BINS[name], edges, counts[:, kind].values())
                of = in_bins(TRACK_BINS[name], edges, total)
                _, high = rate_points(axis, edges, passed, of, log=name == "pt", **style)
                top = max(top, high.max(initial=0.0))
            axis.set_xlim(edges[0], edges[-1])
            axis.set_ylim(-0.05 * top, 1.3 * top)
            guide(axis.axhline(0, color=GREY, lw=0.8, ls=":"))
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
            axis.legend(fontsize=12, loc="upper center", ncols=2)
            if name == "pt":
                axis.set_xscale("log")

"""Efficiency and fakes of two or more runs in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.schema import InputError
from tracking.runs.compare import RunResult
from tracking.runs.rate_figures import FEWEST_TRACKS
from tracking.show.points import rate_points
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, VARIABLES, empty_panel, figure

__all__ = ["draw_comparison"]

STYLES = tuple(zip((BLUE, RED, GREEN, ORANGE, PURPLE, GREY), "osD^vP", strict=True))
PANELS = ("pt", "eta", "distance", "radius", "d0")
FEWEST = 10
"""Particles in a bin: with fewer its interval fills the panel, and the bin is left out."""
APART = 0.12
"""Share of a bin between the points of two runs, so that none hides another."""


def draw_comparison(path: str | Path, runs: Sequence[RunResult]) -> None:
    """Draw the technical efficiency of each run against all variables and its fakes against the fitted pT,
    with 68 % Clopper-Pearson intervals.

    Args:
        path: file to write, as of :func:`tracking.show.style.figure`.
        runs: with truth; up to six.

    Raises:
        InputError: another kind of file, too many runs, or one without truth.
    """
    if len(runs) > len(STYLES):
        raise InputError(
            f"compare: a figure shows {len(STYLES)} runs and not {len(runs)}; give fewer, or no -o"
        )
    for run in runs:
        if not run.summary.get("binned", {}).get("efficiency"):
            raise InputError(f"{run.name}: has no efficiency, since its events have no truth; leave out -o")
    n = " and ".join(dict.fromkeys(f"{run.summary['n_events']:,}" for run in runs))
    note = f"Findable particles; bins of fewer than {FEWEST} are left out, of tracks fewer than {FEWEST_TRACKS}; 68 % intervals."
    with figure(Path(path), f"Simulation, {n} events", note=note, nrows=2, ncols=3, figsize=(18, 10)) as (
        _,
        axes,
    ):
        for axis, name in zip(axes.flat, PANELS, strict=False):
            _efficiency(axis, name, runs)
        _fakes(axes.flat[-1], runs)
        handles, labels = axes.flat[0].get_legend_handles_labels()
        axes.flat[0].figure.legend(handles, labels, loc="outside upper right", ncols=3, fontsize=13)


def _efficiency(axis: Any, name: str, runs: Sequence[RunResult]) -> None:
    lowest = 1.0
    for k, run in enumerate(runs):
        bins = run.summary["binned"]["efficiency"][name]
        of = bins["technical"]
        whole = np.where(np.array(of["all"]) >= FEWEST, of["all"], 0)
        low, _ = rate_points(
            axis, np.array(bins["edges"]), of["found"], whole, shift=_shift(k, len(runs)), **_style(k, run)
        )
        lowest = min(lowest, low.min(initial=1.0))
    axis.set_xlabel(VARIABLES[name])
    axis.set_ylabel("track efficiency")
    axis.set_ylim(lowest - 0.05 * (1 - lowest), 1 + 0.1 * (1 - lowest) + 1e-3)
    axis.axhline(1, color=GREY, lw=0.8, ls=":")
    _frame(axis, bins["edges"], f"no bin of {FEWEST} particles", log=name != "eta")


def _fakes(axis: Any, runs: Sequence[RunResult]) -> None:
    highest = 1e-3
    for k, run in enumerate(runs):
        bins = run.summary["binned"]["tracks"]["pt"]
        whole = np.where(np.array(bins["all"]) >= FEWEST_TRACKS, bins["all"], 0)
        _, high = rate_points(
            axis, np.array(bins["edges"]), bins["fake"], whole, shift=_shift(k, len(runs)), **_style(k, run)
        )
        highest = max(highest, high.max(initial=0.0))
    axis.set_xlabel("fitted " + VARIABLES["pt"])
    axis.set_ylabel("fakes / tracks")
    axis.set_ylim(-0.05 * highest, 1.15 * highest)
    _frame(axis, bins["edges"], f"no bin of {FEWEST_TRACKS} tracks", log=True)


def _frame(axis: Any, edges: Sequence[float], empty: str, log: bool) -> None:
    """Let a panel end where its bins do, and say why one is empty."""
    if log:
        axis.set_xscale("log")
    axis.set_xlim(edges[0], edges[-1])
    if all(len(container[0].get_xdata()) == 0 for container in axis.containers):
        empty_panel(axis, empty)


def _shift(k: int, n: int) -> float:
    """Of the points of run k of n, in widths of their bins."""
    return APART * (k - (n - 1) / 2)


def _style(k: int, run: RunResult) -> dict[str, Any]:
    colour, marker = STYLES[k]
    return {"bars": False, "fmt": marker, "ms": 6, "color": colour, "label": run.name}

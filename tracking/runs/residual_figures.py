"""Figures of estimates and fitted parameters against truth, over all events of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hist
import mplhep
import numpy as np
import numpy.typing as npt
from matplotlib.ticker import PercentFormatter

from smartpix.estimate.quality import half_width
from smartpix.schema import PARAMETERS, TARGETS
from tracking.fit.resolution import PULL_RANGE, joined, pull_width, resolution
from tracking.runs.totals import Totals
from tracking.show.style import (
    BLUE,
    LABELS,
    ORANGE,
    UNITS,
    VARIABLES,
    bin_centers,
    figure,
    unit_gaussian,
)

__all__ = ["residuals", "track_pulls", "track_resolutions"]

PARAMETER_LABELS = {
    "d0": ("$d_0$", "µm"), "z0": ("$z_0$", "µm"), "phi": (r"$\phi$", "mrad"), "theta": (r"$\theta$", "mrad"),
    "qop": ("$q/p$", "%"),
}  # fmt: skip
RESOLUTION_BINS = {"pt": np.geomspace(0.9, 20, 9), "eta": np.linspace(-2.5, 2.5, 11)}


def residuals(
    path: Path,
    totals: Totals,
    quantity: Callable[[dict[str, npt.NDArray[Any]], str], npt.NDArray[Any]],
    kind: str,
) -> None:
    """Estimate minus truth, or pulls, of single-particle clusters, barrel and end-caps."""
    with figure(path, nrows=2, ncols=2, figsize=(11, 8)) as (_, axes):
        for axis, name in zip(axes.flat, TARGETS, strict=True):
            values = np.concatenate([quantity(r, name) for r in totals.residuals])
            barrel = np.concatenate([r["barrel"] for r in totals.residuals])
            reach = 5.0 if kind == "pull" else float(np.percentile(np.abs(values), 97))
            for chosen, colour, label in ((barrel, BLUE, "barrel"), (~barrel, ORANGE, "end-caps")):
                if not np.any(chosen):
                    continue
                histogram = hist.Hist.new.Reg(60, -reach, reach).Double().fill(values[chosen])
                half = np.percentile(np.abs(values[chosen]), 68.27)
                unit = "" if kind == "pull" else f" {UNITS[name][0]}"
                mplhep.histplot(
                    histogram,
                    ax=axis,
                    color=colour,
                    density=True,
                    label=f"{label}: 68 % within {half:.3g}{unit}",
                    flow="none",
                )
            if kind == "pull":
                unit_gaussian(axis, reach)
                axis.set_xlabel(f"(estimate - truth) / sigma of {LABELS[name]}")
            else:
                axis.set_xlabel(
                    f"estimate - truth of {LABELS[name]}" + (f" [{UNITS[name][0]}]" if UNITS[name][0] else "")
                )
            axis.set_ylabel("clusters, normalised")
            axis.set_xlim(-reach, reach)
            axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
            axis.legend(fontsize=11, loc="upper left")


def track_pulls(path: Path, totals: Totals) -> None:
    """Pulls of the fitted parameters of matched tracks of findable particles."""
    assert totals.pulls is not None
    of_tracks = joined(totals.track_residuals)
    with figure(path, nrows=2, ncols=3, figsize=(15, 9)) as (_, axes):
        axes = list(axes.flat)
        for k, name in enumerate(PARAMETERS):
            axis, label = axes[k], PARAMETER_LABELS[name][0]
            histogram = totals.pulls[name, :]
            axis.set_xlabel(f"(fitted - true) / sigma of {label}")
            axis.set_ylabel("tracks / bin")
            axis.set_xlim(-PULL_RANGE, PULL_RANGE)
            axis.set_xticks(range(-4, 5, 2))
            found, width = pull_width(of_tracks.pull[:, k]), resolution(of_tracks.pull[:, k])
            if found is None or width is None:
                axis.text(0.5, 0.5, "not fitted", ha="center", transform=axis.transAxes)
                continue
            mplhep.histplot(
                histogram, ax=axis, color=BLUE, histtype="fill", alpha=0.35, flow="none", label="tracks"
            )
            area = histogram.sum(flow=True) * histogram.axes[0].widths[0]
            unit_gaussian(axis, PULL_RANGE, area)
            axis.set_ylim(0, 1.45 * max(histogram.values().max(), area / np.sqrt(2 * np.pi)))
            text = f"mean {round(found[0], 2) + 0.0:.2f}, width {found[1]:.2f}\n68 % within {width:.2f}"
            axis.text(0.04, 0.95, text, va="top", transform=axis.transAxes, fontsize=13)
        axes[5].axis("off")
        axes[5].legend(
            *axes[0].get_legend_handles_labels(),
            loc="center",
            fontsize=14,
            title="Tracks of findable particles",
        )


def track_resolutions(path: Path, totals: Totals) -> None:
    """68 % half widths of the parameters' residuals against true pT and eta; errors as for Gaussian
    residuals.
    """
    of_tracks = joined(totals.track_residuals)
    with figure(path, nrows=2, ncols=5, figsize=(24, 9)) as (_, axes):
        for row, (variable, edges) in zip(axes, RESOLUTION_BINS.items(), strict=True):
            values, center = getattr(of_tracks, variable), bin_centers(edges)
            place = np.digitize(values, edges) - 1
            for axis, k, (label, unit) in zip(row, range(5), PARAMETER_LABELS.values(), strict=True):
                in_bin = [of_tracks.residual[place == i, k] for i in range(len(center))]
                shown = [
                    (i, half_width(r), len(r))
                    for i, r in enumerate(in_bin)
                    if len(r) > 9 and np.all(np.isfinite(r))
                ]
                if shown:
                    i, width, n = (np.array(column) for column in zip(*shown, strict=True))
                    # Of a quantile: sqrt(share (1 - share) / n) over the density of |residual| at one sigma,
                    # 0.484 / sigma.
                    across = [center[i] - edges[i], edges[i + 1] - center[i]]
                    axis.errorbar(
                        center[i], width, yerr=0.96 * width / np.sqrt(n), xerr=across, fmt="o", color=BLUE
                    )
                axis.set_xlabel(f"true {VARIABLES[variable]}")
                axis.set_ylabel(f"68 % half width of {label} [{unit}]")
                axis.set_ylim(bottom=0)
                axis.set_xlim(edges[0], edges[-1])
                if variable == "pt":
                    axis.set_xscale("log")
            row[4].yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))

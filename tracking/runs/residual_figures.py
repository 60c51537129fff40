"""Figures of estimates and fitted parameters against truth, over all events of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import PercentFormatter

from smartpix.estimate.quality import half_width
from smartpix.schema import PARAMETERS, TARGETS
from tracking.fit.resolution import PULL_RANGE, joined, pull_width, resolution
from tracking.runs.totals import Totals
from tracking.show.points import enough, histogram, moved, sigma_text, unit_gaussian
from tracking.show.style import BLUE, LABELS, ORANGE, SIGMA_NOTE, UNITS, VARIABLES, empty_panel, figure

__all__ = ["residuals", "track_pulls", "track_resolutions"]

PARAMETER_LABELS = {
    "d0": ("$d_0$", "µm"), "z0": ("$z_0$", "µm"), "phi": (r"$\phi$", "mrad"), "theta": (r"$\theta$", "mrad"),
    "qop": ("$q/p$", "%"),
}  # fmt: skip
RESOLUTION_BINS = {"pt": np.geomspace(0.9, 20, 9), "eta": np.linspace(-2.5, 2.5, 11)}
FEWEST_RESIDUALS = 30
"""In a bin of a resolution: bins are merged until they hold as many; the error of a half width is then below
a fifth of it."""


def residuals(
    path: Path,
    title: str,
    totals: Totals,
    quantity: Callable[[dict[str, npt.NDArray[Any]], str], npt.NDArray[Any]],
    kind: str,
) -> None:
    """Estimate minus truth, or pulls, of single-particle clusters, barrel and end-caps."""
    note = f"{SIGMA_NOTE}, of all clusters, those beyond the axis among them. Clusters of one particle."
    with figure(path, title, (12, 9), note=note, nrows=2, ncols=2) as (_, axes):
        for axis, name in zip(axes.flat, TARGETS, strict=True):
            values = np.concatenate([quantity(r, name) for r in totals.residuals])
            barrel = np.concatenate([r["barrel"] for r in totals.residuals])
            reach = 5.0 if kind == "pull" else float(np.percentile(np.abs(values), 97))
            top = 0.0
            for chosen, colour, label in ((barrel, BLUE, "barrel"), (~barrel, ORANGE, "end-caps")):
                if not np.any(chosen):
                    continue
                unit = "" if kind == "pull" else UNITS[name][0]
                text = f"{label}: {sigma_text(values[chosen], unit)}"
                heights = histogram(axis, values[chosen], reach, 60, density=True, color=colour, label=text)
                top = max(top, heights.max())
            unit = UNITS[name][0]
            if kind == "pull":
                unit_gaussian(axis, reach)
                top = max(top, 0.4)
                axis.set_xlabel(rf"(estimate $-$ truth) / $\sigma$ of {LABELS[name]}")
                axis.set_ylabel("share of the clusters / unit")
            else:
                axis.set_xlabel(rf"estimate $-$ truth of {LABELS[name]}" + (f" [{unit}]" if unit else ""))
                axis.set_ylabel(f"share of the clusters / {unit or 'unit'}")
            axis.set_xlim(-reach, reach)
            axis.set_ylim(0, 1.45 * top)
            axis.legend(fontsize=10, loc="upper left")


def track_pulls(path: Path, title: str, totals: Totals) -> None:
    """Pulls of the fitted parameters of matched tracks of findable particles."""
    assert totals.pulls is not None
    of_tracks = joined(totals.track_residuals)
    note = (
        f"{SIGMA_NOTE}, of all tracks. Mean and width: of those within {PULL_RANGE:g}. Matched tracks of findable "
        "particles."
    )
    with figure(path, title, (15, 9), note=note, nrows=2, ncols=3) as (_, axes):
        axes = list(axes.flat)
        for k, name in enumerate(PARAMETERS):
            axis, label = axes[k], PARAMETER_LABELS[name][0]
            counts = totals.pulls[name, :]
            axis.set_xlabel(rf"(fitted $-$ true) / $\sigma$ of {label}")
            axis.set_ylabel("tracks / bin")
            found, width = pull_width(of_tracks.pull[:, k]), resolution(of_tracks.pull[:, k])
            if found is None or width is None:
                empty_panel(axis, "not fitted")
                continue
            axis.set_xlim(-PULL_RANGE, PULL_RANGE)
            axis.set_xticks(range(-4, 5, 2))
            n, edges = counts.values(), counts.axes[0].edges
            axis.errorbar(
                counts.axes[0].centers, n, np.sqrt(n), 0.5 * np.diff(edges), fmt="o", ms=3, lw=1, color=BLUE,
                label="tracks",
            )  # fmt: skip
            area = counts.sum(flow=True) * counts.axes[0].widths[0]
            unit_gaussian(axis, PULL_RANGE, area)
            axis.set_ylim(0, 1.5 * max((n + np.sqrt(n)).max(), area / np.sqrt(2 * np.pi)))
            beyond = 1 - n.sum() / max(counts.sum(flow=True), 1)
            text = (
                f"mean {_rounded(found[0])}, width {found[1]:.2f}\n"
                rf"$\sigma$ = {width:.2f}, beyond the axis {100 * beyond:.2g} %"
            )
            axis.text(0.04, 0.96, text, va="top", transform=axis.transAxes, fontsize=12)
        axes[5].axis("off")
        axes[5].legend(
            *axes[0].get_legend_handles_labels(),
            loc="center",
            fontsize=14,
            title="Tracks of findable particles",
        )


def _rounded(value: float) -> str:
    """Two digits, with the sign that a minus has in print."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def track_resolutions(path: Path, title: str, totals: Totals) -> None:
    """Half widths of the parameters' residuals against true pT and eta; errors as for Gaussian residuals."""
    of_tracks = joined(totals.track_residuals)
    note = (
        f"{SIGMA_NOTE}; that of $q/p$ is relative. Error bars: those of a half width of as many Gaussian residuals. "
        f"Bins are merged until each holds at least {FEWEST_RESIDUALS} tracks. Matched tracks of findable particles."
    )
    with figure(path, title, (24, 9.4), note=note, nrows=2, ncols=5) as (_, axes):
        for row, (variable, edges) in zip(axes, RESOLUTION_BINS.items(), strict=True):
            values = getattr(of_tracks, variable)
            for axis, k, (label, unit) in zip(row, range(5), PARAMETER_LABELS.values(), strict=True):
                axis.set_xlabel(f"true {VARIABLES[variable]}")
                axis.set_ylabel(rf"$\sigma$ of {label} [{unit}]")
                fitted = np.isfinite(of_tracks.residual[:, k])
                merged = enough(edges, np.histogram(values[fitted], edges)[0], FEWEST_RESIDUALS)
                if not np.any(fitted) or len(merged) < 2:
                    empty_panel(axis, "not fitted" if not np.any(fitted) else "no track in these bins")
                    continue
                place = np.digitize(values, merged) - 1
                in_bin = [of_tracks.residual[fitted & (place == i), k] for i in range(len(merged) - 1)]
                width = np.array([half_width(r) for r in in_bin])
                n = np.array([len(r) for r in in_bin])
                center = moved(merged, 0.0, variable == "pt")
                across = [center - merged[:-1], merged[1:] - center]
                # Of a quantile: sqrt(share (1 - share) / n) over the density of |residual| at one sigma,
                # 0.484 / sigma.
                axis.errorbar(center, width, yerr=0.96 * width / np.sqrt(n), xerr=across, fmt="o", color=BLUE)
                axis.set_xlim(merged[0], merged[-1])
                axis.set_ylim(0, 1.12 * (width * (1 + 0.96 / np.sqrt(n))).max())
                if variable == "pt":
                    axis.set_xscale("log")
                if k == 4:
                    axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))

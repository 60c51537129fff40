"""Figures of the studies; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.schema import REGIONS, TARGETS
from tracking.show.points import histogram, sigma_text, unit_gaussian
from tracking.show.style import BLUE, GREEN, GREY, LABELS, ORANGE, SIGMA_NOTE, UNITS, about, figure

__all__ = ["plot_angle_pt", "plot_levers", "plot_pulls", "plot_targets"]

COLOURS = {"mdn": BLUE, "shape": ORANGE}
NAMES = {"mdn": "network", "shape": "cluster shape"}


def plot_levers(path: Path, results: Mapping[str, Any]) -> None:
    """Half width of cot alpha (|cot alpha| < 2) at each setting, one panel per lever."""
    levers = results["levers"]
    n_columns = min(3, len(levers))
    n_rows = -(-len(levers) // n_columns)
    base = next((r for settings in levers.values() for k, r in settings.items() if _is_base(k)), None)
    size = (6.2 * n_columns, 3.6 * n_rows + 0.5)
    with figure(
        path,
        _title(results),
        nrows=n_rows,
        ncols=n_columns,
        figsize=size,
        squeeze=False,
        note=f"{SIGMA_NOTE}.",
    ) as (_, axes):
        for axis in axes.flat[len(levers) :]:
            axis.set_visible(False)
        for axis, (lever, settings) in zip(axes.flat, levers.items(), strict=False):
            labels = list(settings)
            at = np.arange(len(labels))
            for offset, target, colour, scale, name in (
                (-0.18, "cot_alpha", BLUE, 1.0, r"cot $\alpha$"),
                (0.18, "cot_beta", ORANGE, 4.0, r"4 $\times$ cot $\beta$"),
            ):
                values = [settings[k]["half_width_68_central"][target] * scale for k in labels]
                axis.barh(at + offset, values, 0.34, color=colour, label=name)
                for y, value in zip(at + offset, values, strict=True):
                    axis.text(value, y, f" {value / scale:.3f}", va="center", fontsize=9)
            if base is not None:
                axis.axvline(base["half_width_68_central"]["cot_alpha"], color=GREY, lw=1, ls="--")
            axis.set_yticks(at, labels, fontsize=10)
            axis.invert_yaxis()
            axis.margins(x=0.15)
            axis.set_title(lever, fontsize=13, loc="left")
            axis.tick_params(axis="y", which="both", left=False, right=False)
            axis.set_xlabel(r"$\sigma$, |cot $\alpha$| < 2", fontsize=11)
        axes.flat[0].legend(fontsize=9, loc="lower right")


def _title(results: Mapping[str, Any]) -> str:
    """The data that a study's networks were trained and judged on."""
    options = results["options"]
    return about(f"data set {options['dataset']}", None, f"{options['clusters']:,} clusters of each sensor")


def _is_base(label: str) -> bool:
    return label in ("0 and 19", "2 (0, 19)", "columns, 2,178", "float", "2: 50 x 12.5 x 100 um")


def plot_targets(path: Path, results: Mapping[str, Any], lever: str) -> None:
    """All four half widths at each setting of one lever."""
    settings = results["levers"][lever]
    size = (17, 2.4 + 0.45 * len(settings))
    with figure(
        path, _title(results), nrows=1, ncols=4, figsize=size, sharey=True, note=f"{SIGMA_NOTE}."
    ) as (
        whole,
        axes,
    ):
        at = np.arange(len(settings))
        for axis, (target, label) in zip(
            axes,
            (
                ("x_um", "x [µm]"),
                ("y_um", "y [µm]"),
                ("cot_alpha", r"cot $\alpha$"),
                ("cot_beta", r"cot $\beta$"),
            ),
            strict=True,
        ):
            for offset, key, colour, name in (
                (-0.18, "half_width_68", BLUE, "all"),
                (0.18, "half_width_68_central", GREEN, r"|cot $\alpha$| < 2"),
            ):
                values = [r[key][target] for r in settings.values()]
                axis.barh(at + offset, values, 0.34, color=colour, label=name)
                for y, value in zip(at + offset, values, strict=True):
                    axis.text(value, y, f" {value:.3g}", va="center", fontsize=9)
            axis.margins(x=0.18)
            axis.set_xlabel(rf"$\sigma$ of {label}", fontsize=12)
            axis.ticklabel_format(axis="x", style="plain")
            axis.tick_params(axis="y", which="both", left=False, right=False)
        axes[0].set_yticks(at, list(settings), fontsize=11)
        axes[0].invert_yaxis()
        whole.legend(*axes[0].get_legend_handles_labels(), fontsize=11, loc="outside upper right", ncols=2)


def plot_pulls(path: Path, results: Mapping[str, Any], pulls: bool, sample: str) -> None:
    """Residuals or pulls of the networks and the cluster-shape estimates, by target and region.

    Args:
        sample: the files, in words.
    """
    arrays = results["arrays"]
    regions = [r for r in REGIONS if any(region == r for region, _ in arrays)]
    # All estimators see the same clusters.
    n = sum(len(next(a for (at, _), (a, _) in arrays.items() if at == region)) for region in regions)
    title = about(sample, None, f"{n:,} clusters of one particle")
    note = f"{SIGMA_NOTE}, of all clusters, those beyond the axis among them."
    size = (19, 4.6 * len(regions) + 0.6)
    with figure(path, title, nrows=len(regions), ncols=4, figsize=size, squeeze=False, note=note) as (
        _,
        axes,
    ):
        for row, region in zip(axes, regions, strict=True):
            shown = {e: colour for e, colour in COLOURS.items() if (region, e) in arrays}
            # Those of cluster shapes, where both are there.
            widest = arrays[(region, list(shown)[-1])]
            for k, (axis, name) in enumerate(zip(row, TARGETS, strict=True)):
                unit, scale = ("", 1.0) if pulls else UNITS[name]
                reach = 4.0
                if not pulls:
                    reach = 1.3 * float(np.percentile(np.abs(widest[0][:, k] * scale), 95))
                top = 0.4 if pulls else 0.0
                for estimator, colour in shown.items():
                    # Estimate less truth, as in the figures of a run.
                    values = -arrays[(region, estimator)][1 if pulls else 0][:, k] * scale
                    text = f"{NAMES[estimator]}: {sigma_text(values, unit)}"
                    heights = histogram(axis, values, reach, 60, density=True, color=colour, label=text)
                    top = max(top, float(heights.max()))
                if pulls:
                    unit_gaussian(axis, reach)
                less = r"estimate $-$ truth"
                what = rf"({less}) / $\sigma$ of {LABELS[name]}" if pulls else f"{less} of {LABELS[name]}"
                axis.set_xlabel(what + (f" [{unit}]" if unit else ""), fontsize=13)
                axis.set_ylabel(f"share / unit, {region.replace('endcap', 'end-caps')}", fontsize=13)
                axis.set_xlim(-reach, reach)
                axis.set_ylim(0, 1.5 * top)
                axis.legend(fontsize=10, loc="upper right")


def plot_angle_pt(path: Path, results: Mapping[str, Any]) -> None:
    """Measured bend against q/pT, with the true curve and a band of one sigma."""
    curvature, true, measured = results["arrays"]
    order = np.argsort(curvature)
    title = about("data set 2s", None, f"{results['n']:,} clusters", f"network {results['variant']}")
    with figure(path, title, (9, 6.8), note=f"{SIGMA_NOTE}.") as (_, axis):
        inside = np.abs(curvature) < 8
        counts, x, y = np.histogram2d(
            curvature[inside], np.degrees(measured[inside]), bins=(80, 80), range=((-8, 8), (-15, 15))
        )
        mesh = axis.pcolormesh(x, y, np.where(counts > 0, counts, np.nan).T, cmap="cividis", rasterized=True)
        axis.figure.colorbar(mesh, ax=axis, label="clusters")
        curve = np.degrees(true[order])
        axis.plot(curvature[order], curve, color=ORANGE, lw=2, label="true bend")
        for sign in (-1, 1):
            axis.plot(
                curvature[order], curve + sign * results["sigma_beta_deg"], color=ORANGE, lw=1.5, ls="--",
                label=rf"$\pm$ $\sigma$: {results['sigma_beta_deg']:.2f}°" if sign > 0 else None,
            )  # fmt: skip
        axis.set_xlim(-8, 8)
        axis.set_ylim(-15, 15)
        axis.set_xlabel(r"q / $p_T$ [1/GeV]")
        axis.set_ylabel(r"$\pi/2 - \beta - \arctan(y_{local}/R)$ [°]")
        axis.legend(loc="upper left", fontsize=12, frameon=True)

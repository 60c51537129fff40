"""Figures of the networks in ``smartpix study trkx``; colours and style as in :mod:`tracking.show.style`. Those of the
RAMP challenge and of the learned cone are in :mod:`tracking.bench.trkx_track_plots`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from tracking.bench.trkx_models import ACCURACIES
from tracking.bench.trkx_track_plots import plot_next_layer, plot_ramp
from tracking.finders.trkx.filters import OptimalInputs
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, figure, unit_gaussian

__all__ = [
    "plot_accuracies", "plot_captions", "plot_curves", "plot_filters", "plot_multiplicity", "plot_trkx",
]  # fmt: skip

SKY, BLACK, BROWN, YELLOW = "#56B4E9", "#000000", "#7F3B08", "#C5A900"
STYLES = {
    "lstm": (BLUE, "o"), "deep-lstm": (RED, "s"), "bidirectional": (GREEN, "^"), "next-layer": (PURPLE, "v"),
    "conv": (ORANGE, "D"), "autoencoder": (SKY, "P"), "lstm-50": (BROWN, "<"), "lstm-100": (YELLOW, ">"),
    "lstm-variable": (GREY, "X"), "conv-2d": ("#8C564B", "h"), "conv-autoencoder-2d": ("#17A2A2", "*"),
}  # fmt: skip
"""Colour and marker of each network that finds a track."""
LABELS = {"pixel_accuracy": "pixel accuracy", "hit_accuracy": "hit accuracy"}
MARGIN = 1.4
"""Factor between the points and the ends of logarithmic axes."""
SHOWN_LAYERS = 6
"""Of a network's filters, from the first to the last."""
LINE = "straight line, followed"


def plot_trkx(
    folder: Path, result: Mapping[str, Any], filters: Mapping[str, Sequence[OptimalInputs]]
) -> None:
    """All figures of :func:`tracking.bench.trkx.trkx_study` for which there are numbers, in a folder."""
    if models := result["models"]:
        references = result["references"]
        if any(r["hit_accuracy"] is not None for r in models.values()):
            plot_accuracies(folder / "accuracies.png", models, references)
        if any(r["multiplicity"] for r in models.values()):
            plot_multiplicity(folder / "multiplicity.png", models, references)
        if any(r["curve"] and r["hit_accuracy"] is not None for r in models.values()):
            plot_curves(folder / "samples.png", models)
        for name, r in models.items():
            if r["lines"] and "distance" in r["lines"]:
                plot_captions(folder / f"captions-{name}.png", r)
    for name, layers in filters.items():
        plot_filters(folder / f"filters-{name}.png", name, layers)
    if result["ramp"]:
        plot_ramp(folder / "ramp.png", result)
    if result["next_layer"] and result["next_layer"]["n"]:
        plot_next_layer(folder / "next-layer.png", result["next_layer"])


def plot_accuracies(
    path: Path, models: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, Any]]
) -> None:
    """Accuracies of all networks that find a track: ours, as published, and what a straight line reaches."""
    found = {name: r for name, r in models.items() if r["hit_accuracy"] is not None}
    height = 0.46 * len(found) + 2.6
    with figure(path, nrows=1, ncols=2, figsize=(11, height), sharey=True) as (whole, axes):
        place = np.arange(len(found))[::-1]
        for axis, key in zip(axes, ACCURACIES, strict=True):
            for y, r in zip(place, found.values(), strict=True):
                at_training = r["source"].endswith(".json")
                axis.errorbar(
                    r[key], y, xerr=r[f"{key}_error"], fmt="o", color=BLUE, ms=8, lw=1.6, mfc="white" if at_training
                    else BLUE, label="here, after the training" if at_training else "here, fresh toys",
                )  # fmt: skip
                if r["published"][key] is not None:
                    axis.plot(
                        r["published"][key], y, "D", color=ORANGE, ms=8, mfc="none", mew=2, label="published"
                    )
                if r["toy"] in references:
                    axis.plot(references[r["toy"]][key], y, "|", color=RED, ms=18, mew=2.5, label=LINE)
            axis.set_xlabel(LABELS[key], fontsize=15)
            axis.set_xlim(max(0.0, axis.get_xlim()[0]), 1.005)
            axis.axvline(1.0, color=GREY, lw=0.8, ls=":")
            axis.tick_params(axis="y", which="both", left=False, right=False)
            axis.grid(axis="y", color=GREY, alpha=0.25, lw=0.6)
        axes[0].set_yticks(
            place, [f"{name}, {r['toy']}\n{r['parameters']:,}" for name, r in found.items()], fontsize=11
        )
        axes[0].set_ylim(-0.6, len(found) - 0.4)
        _legend_below(whole, axes)
        whole.suptitle(
            f"simulation: toys of HEP.TrkX, {_events(found)} a network; parameters below its name",
            x=0.01, ha="left", fontsize=14,
        )  # fmt: skip


def plot_multiplicity(
    path: Path, models: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, Any]]
) -> None:
    """Accuracies against the number of background tracks, of all networks on square planes and of the straight
    line.
    """
    found = {name: r for name, r in models.items() if r["multiplicity"]}
    line = (references.get("3d") or {}).get("multiplicity")
    shown = {name: (r["multiplicity"], *STYLES.get(r["model"], (GREY, "."))) for name, r in found.items()}
    if line:
        shown[LINE] = (line, BLACK, "x")
    with figure(path, nrows=1, ncols=2, figsize=(14, 6.6)) as (whole, axes):
        for axis, key in zip(axes, ACCURACIES, strict=True):
            for k, (name, (rows, colour, marker)) in enumerate(shown.items()):
                n = np.array([float(number) for number in rows]) + 0.09 * (k - (len(shown) - 1) / 2)
                axis.errorbar(
                    n, [r[key] for r in rows.values()], yerr=[r[f"{key}_error"] for r in rows.values()],
                    fmt=f"{marker}-", color=colour, ms=7, lw=1.3, elinewidth=1.8, label=name,
                )  # fmt: skip
            axis.set_xlabel("background tracks", fontsize=16)
            axis.set_ylabel(LABELS[key], fontsize=16)
            axis.set_ylim(max(0.0, axis.get_ylim()[0]), 1.01)
            axis.axhline(1.0, color=GREY, lw=0.8, ls=":")
        _legend_below(whole, axes)
        text = f"simulation: 10 planes of 32 x 32 pixels, {_events({name: {'rows': rows} for name, (rows, *_) in shown.items()}, 'rows')} a point"
        whole.suptitle(text, x=0.01, ha="left", fontsize=15)


def plot_curves(path: Path, models: Mapping[str, Mapping[str, Any]]) -> None:
    """Share of wrong hits against the number of toys that a network has learned from."""
    with figure(path, figsize=(8.4, 6.8)) as (whole, axis):
        for name, r in models.items():
            if not r["curve"] or r["hit_accuracy"] is None:
                continue
            colour, marker = STYLES.get(r["model"], (GREY, "."))
            wrong = np.array([1 - point["hit_accuracy"] for point in r["curve"]])
            axis.errorbar(
                [point["samples"] for point in r["curve"]], 100 * wrong,
                yerr=100 * np.sqrt(wrong * (1 - wrong) / r["n_curve"]), fmt=f"{marker}-", color=colour, ms=6, lw=1.3,
                label=f"{name}, {r['toy']}",
            )  # fmt: skip
        axis.set_xscale("log")
        axis.set_yscale("log")
        points = [
            point for r in models.values() if r["hit_accuracy"] is not None for point in r["curve"] or ()
        ]
        for limit, values in (
            (axis.set_xlim, [point["samples"] for point in points]),
            (axis.set_ylim, [100 * (1 - point["hit_accuracy"]) for point in points]),
        ):
            limit(min(values) / MARGIN, max(values) * MARGIN)
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("toys learned from", fontsize=15)
        axis.set_ylabel("wrong hits [%]", fontsize=15)
        _legend_below(whole, [axis], 3)
        whole.suptitle("simulation: toys held out from each training", x=0.01, ha="left", fontsize=14)


def plot_captions(path: Path, model: Mapping[str, Any]) -> None:
    """Lines with covariances: squares of their Mahalanobis distances beside chi square with two degrees of freedom,
    and pulls beside a unit Gaussian.
    """
    told, n = model["lines"], model["lines"]["n_lines"]
    with figure(path, nrows=1, ncols=2, figsize=(13, 5.6)) as (whole, axes):
        edges, counts = (np.array(told["distance"][key], dtype=float) for key in ("edges", "counts"))
        _density(axes[0], edges, counts, n, color=BLUE, label=r"$r^T S^{-1} r$")
        grid = np.linspace(edges[0], edges[-1], 200)
        axes[0].plot(
            grid, 0.5 * np.exp(-grid / 2), color=GREY, ls="--", label=r"$\chi^2$, 2 degrees of freedom"
        )
        axes[0].set_yscale("log")
        axes[0].set_ylim(bottom=0.3 / (n * (edges[1] - edges[0])))
        axes[0].set_xlabel("square of the Mahalanobis distance", fontsize=15)
        beyond = told["distance"]["above"] / n
        axes[0].text(
            0.97, 0.97, f"68 % ellipses hold {model['coverage_68']:.3f}\n95 % ellipses hold {model['coverage_95']:.3f}\n"
            f"beyond the axis: {100 * beyond:.2f} %", transform=axes[0].transAxes, ha="right", va="top", fontsize=12,
        )  # fmt: skip
        axes[0].legend(fontsize=12, loc="lower left")
        for (name, histogram), colour, width in zip(
            told["pulls"].items(), (BLUE, RED), model["pull_widths"], strict=True
        ):
            edges, counts = (np.array(histogram[key], dtype=float) for key in ("edges", "counts"))
            _density(axes[1], edges, counts, n, color=colour, label=f"{name}, width {width:.3f}")
        unit_gaussian(axes[1], edges[-1])
        axes[1].set_ylim(0, 1.45 * axes[1].get_ylim()[1])
        axes[1].set_xlabel("residual / standard deviation", fontsize=15)
        axes[1].legend(fontsize=12, loc="upper left")
        axes[0].set_ylabel("lines per unit", fontsize=15)
        text = f"simulation: {model['toy']}, {model['n_events']:,} images, {n:,} lines"
        whole.suptitle(text, x=0.01, ha="left", fontsize=14)


def plot_filters(path: Path, name: str, layers: Sequence[OptimalInputs]) -> None:
    """Inputs that the filters of some layers respond most to, about the place that they look at.

    Of square planes the pixels in the middle of the other direction are shown.
    """
    chosen = [layers[k] for k in np.unique(np.linspace(0, len(layers) - 1, SHOWN_LAYERS).round().astype(int))]
    flat = [
        layer.images if layer.images.ndim == 3 else layer.images[..., layer.images.shape[3] // 2]
        for layer in chosen
    ]
    looked = np.any([np.any(images > 0, axis=0) for images in flat], axis=0)
    (planes, pixels) = (np.flatnonzero(looked.any(axis=axis)) for axis in (1, 0))
    columns = max(len(images) for images in flat)
    with figure(path, nrows=len(chosen), ncols=columns, figsize=(1.35 * columns + 0.9, 1.4 * len(chosen) + 1.1),
                squeeze=False) as (whole, axes):  # fmt: skip
        for row, layer, images in zip(axes, chosen, flat, strict=True):
            for axis in row[len(images) :]:
                axis.set_visible(False)
            for axis, image in zip(row, images, strict=False):
                axis.imshow(
                    image.T, vmin=0, vmax=1, cmap="Blues", origin="lower", aspect="auto", interpolation="none"
                )
                axis.set_xlim(planes[0] - 0.5, planes[-1] + 0.5)
                axis.set_ylim(pixels[0] - 0.5, pixels[-1] + 0.5)
                axis.tick_params(which="both", left=False, right=False, bottom=False, top=False, labelleft=False,
                                 labelbottom=False)  # fmt: skip
            row[0].set_ylabel(f"layer {layer.layer}", fontsize=12, loc="center")
        whole.supxlabel(f"planes {planes[0]} to {planes[-1]}", fontsize=13)
        whole.supylabel(f"pixels {pixels[0]} to {pixels[-1]}", fontsize=13)
        text = f"{name}: input that each filter responds most to (white: 0, dark: 1)"
        whole.suptitle(text, x=0.01, ha="left", fontsize=13)


def _density(axis: Any, edges: Any, counts: Any, n: int, **style: Any) -> None:
    """A histogram over n and the width of its bins, with the errors of the counts."""
    width, middle = np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    filled = counts > 0
    axis.errorbar(
        middle[filled], (counts / (n * width))[filled], yerr=(np.sqrt(counts) / (n * width))[filled], fmt="o", ms=4,
        lw=1.4, **style,
    )  # fmt: skip


def _legend_below(whole: Any, axes: Sequence[Any], columns: int = 4) -> None:
    """One legend of all axes, each label once."""
    found: dict[str, Any] = {}
    for axis in axes:
        found |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    whole.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns, fontsize=12)


def _events(models: Mapping[str, Mapping[str, Any]], key: str = "") -> str:
    """Events that the numbers are of: "10,240 events", or the least and the most."""
    rows = [row for r in models.values() for row in (r[key].values() if key else [r])]
    n = sorted({row["n_events"] for row in rows})
    return f"{n[0]:,} events" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,} events"

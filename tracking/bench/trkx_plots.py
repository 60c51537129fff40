"""Figures of the networks in ``smartpix study trkx``; colours and style as in :mod:`tracking.show.style`.
Those of the RAMP challenge and of the learned cone are in :mod:`tracking.bench.trkx_track_plots`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracking.bench.trkx_models import event_error
from tracking.bench.trkx_table import with_error
from tracking.bench.trkx_track_plots import plot_next_layer, plot_ramp
from tracking.finders.trkx.filters import OptimalInputs
from tracking.finders.trkx.metrics import ACCURACIES, MULTIPLICITIES
from tracking.finders.trkx.options import toy_options
from tracking.show.formats import FORMATS
from tracking.show.points import unit_gaussian
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, figure

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
LABELS = {
    "pixel_accuracy": "pixel accuracy", "hit_accuracy": "hit accuracy, all planes",
    "hit_accuracy_unseeded": "hit accuracy, planes without seed",
}  # fmt: skip
MARGIN = 1.4
"""Factor between the points and the ends of logarithmic axes."""
SHOWN_LAYERS = 6
"""Of a network's filters, from the first to the last."""
LINE = "straight line, followed"


def plot_trkx(
    folder: Path,
    result: Mapping[str, Any],
    filters: Mapping[str, Sequence[OptimalInputs]],
    kind: str = FORMATS[0],
) -> None:
    """All figures of :func:`tracking.bench.trkx.trkx_study` for which there are numbers, in a folder.

    Args:
        kind: format of the figures.
    """
    if models := result["models"]:
        references = result["references"]
        if any(r["hit_accuracy"] is not None for r in models.values()):
            plot_accuracies(folder / f"accuracies.{kind}", models, references)
        if any(r["multiplicity"] for r in models.values()):
            plot_multiplicity(folder / f"multiplicity.{kind}", models, references)
        if any(r["curve"] and r["hit_accuracy"] is not None for r in models.values()):
            plot_curves(folder / f"samples.{kind}", models)
        for name, r in models.items():
            # Of fewer than two lines there are no widths, and nothing to see.
            if r["lines"] and "distance" in r["lines"] and r["pull_widths"]:
                plot_captions(folder / f"captions-{name}.{kind}", r)
    for name, layers in filters.items():
        plot_filters(folder / f"filters-{name}.{kind}", name, layers, result["models"][name])
    if result["ramp"]:
        plot_ramp(folder / f"ramp.{kind}", result)
    if result["next_layer"] and result["next_layer"]["n"]:
        plot_next_layer(folder / f"next-layer.{kind}", result["next_layer"])


def plot_accuracies(
    path: Path, models: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, Any]]
) -> None:
    """Accuracies of all networks that find a track: ours, as published, and what a straight line reaches."""
    found = {name: r for name, r in models.items() if r["hit_accuracy"] is not None}
    height = 0.5 * len(found) + 2.8
    title = f"simulation: toys of HEP.TrkX, {_events(found)} a network; errors are binomial over events"
    with figure(path, title, nrows=1, ncols=3, figsize=(15, height), sharex=True, sharey=True) as (
        whole,
        axes,
    ):
        place = np.arange(len(found))[::-1]
        for axis, key in zip(axes, ACCURACIES, strict=True):
            for y, r in zip(place, found.values(), strict=True):
                at_training = r["source"].endswith(".json")
                if r.get(key) is not None:
                    axis.errorbar(
                        r[key], y, xerr=r[f"{key}_error"], fmt="o", color=BLUE, ms=7, lw=1.6, mfc="white" if at_training
                        else BLUE, label="here, after the training" if at_training else "here, fresh toys",
                    )  # fmt: skip
                if r["published"].get(key) is not None:
                    axis.plot(
                        r["published"][key], y, "D", color=ORANGE, ms=10, mfc="none", mew=2, label="published"
                    )
                # The line was followed through toys as published.
                if not r.get("changed_toy") and references.get(r["toy"], {}).get(key) is not None:
                    axis.plot(references[r["toy"]][key], y, "|", color=RED, ms=18, mew=2.5, label=LINE)
            axis.set_xlabel(LABELS[key], fontsize=14)
            axis.axvline(1.0, color=GREY, lw=0.8, ls=":")
            axis.tick_params(axis="y", which="both", left=False, right=False)
            axis.grid(axis="both", color=GREY, alpha=0.25, lw=0.6)
        axes[0].set_xlim(max(0.0, axes[0].get_xlim()[0]), 1.01)
        axes[0].set_yticks(place, [_described(name, r) for name, r in found.items()], fontsize=11)
        axes[0].set_ylim(-0.6, len(found) - 0.4)
        _legend_below(whole, axes)


def _described(name: str, r: Mapping[str, Any]) -> str:
    """A network's name and toys, and below them its size and how much it has learned from."""
    size = f"{r['parameters'] / 1e6:.1f}M" if r["parameters"] >= 1e6 else f"{r['parameters'] / 1e3:.1f}k"
    learned = "" if r["samples"] is None else f", learned from {r['samples']:,} toys"
    return f"{name}, {r['toy']}\n{size} parameters{learned}"


def plot_multiplicity(
    path: Path, models: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, Any]]
) -> None:
    """Accuracies on the planes without seed against the number of background tracks, of all networks on
    square planes and of the straight line.
    """
    found = {name: r for name, r in models.items() if r["multiplicity"]}
    line = (references.get("3d") or {}).get("multiplicity")
    shown = {name: (r["multiplicity"], *STYLES.get(r["model"], (GREY, "."))) for name, r in found.items()}
    if line:
        shown[LINE] = (line, BLACK, "x")
    mean = toy_options("3d").background
    rows_of = {name: {"rows": rows} for name, (rows, *_) in shown.items()}
    title = f"simulation: 3d toys, {_events(rows_of, 'rows')} a point"
    with figure(path, title, nrows=1, ncols=2, figsize=(14, 7.2), sharey=True) as (whole, axes):
        for axis, key in zip(axes, ("pixel_accuracy", "hit_accuracy_unseeded"), strict=True):
            for name, (rows, colour, marker) in shown.items():
                points = {float(k): r for k, r in rows.items() if r.get(key) is not None}
                axis.errorbar(
                    list(points), [r[key] for r in points.values()], yerr=[r[f"{key}_error"] for r in points.values()],
                    fmt=f"{marker}-", color=colour, ms=6, lw=1.3, elinewidth=1.8, label=name,
                )  # fmt: skip
            axis.axvline(mean, color=GREY, lw=1.2, ls="--", label=f"mean of the trainings: {mean:g}")
            axis.set_xlabel("background tracks", fontsize=16)
            axis.set_ylabel(LABELS[key], fontsize=15)
            axis.tick_params(labelleft=True)
            axis.set_xticks([float(k) for k in MULTIPLICITIES])
            axis.set_xlim(0, MULTIPLICITIES[-1] + 1)
            axis.tick_params(axis="x", which="minor", bottom=False, top=False)
            axis.axhline(1.0, color=GREY, lw=0.8, ls=":")
            axis.grid(color=GREY, alpha=0.25, lw=0.6)
        axes[0].set_ylim(max(0.0, axes[0].get_ylim()[0]), 1.01)
        _legend_below(whole, axes)


def plot_curves(path: Path, models: Mapping[str, Mapping[str, Any]]) -> None:
    """Accuracies against the number of toys that a network has learned from."""
    found = {name: r for name, r in models.items() if r["curve"] and r["hit_accuracy"] is not None}
    counts = [point["samples"] for r in found.values() for point in r["curve"]]
    n = sorted({r["n_curve"] for r in found.values()})
    many = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    title = f"simulation: {many} held-out toys a point"
    note = (
        "Errors are binomial over events. The learning rate falls to 1 % at the end of each curve, which bends it: a "
        "training of other length has another curve."
    )
    with figure(path, title, nrows=1, ncols=2, figsize=(14, 7.6), sharex=True, sharey=True, note=note) as (
        whole,
        axes,
    ):
        for axis, key in zip(axes, ACCURACIES[:2], strict=True):
            for name, r in found.items():
                colour, marker = STYLES.get(r["model"], (GREY, "."))
                axis.errorbar(
                    [point["samples"] for point in r["curve"]], [point[key] for point in r["curve"]],
                    yerr=[event_error(point[key], r["n_curve"]) for point in r["curve"]], fmt=f"{marker}-",
                    color=colour, ms=6, lw=1.3, label=f"{name}, {r['toy']}",
                )  # fmt: skip
            axis.set_xscale("log")
            axis.set_xlabel("toys learned from", fontsize=15)
            axis.set_ylabel(LABELS[key], fontsize=15)
            axis.tick_params(labelleft=True)
            axis.grid(color=GREY, alpha=0.25, lw=0.6)
        axes[0].set_xlim(min(counts) / MARGIN, max(counts) * MARGIN)
        axes[0].set_ylim(0, 1)
        _legend_below(whole, axes)


def plot_captions(path: Path, model: Mapping[str, Any]) -> None:
    """Lines with covariances: squares of their Mahalanobis distances beside chi square with two degrees of
    freedom, and pulls beside a unit Gaussian.
    """
    told, n = model["lines"], model["lines"]["n_lines"]
    title = f"simulation: toys {model['toy']}, {model['n_events']:,} images, {n:,} lines"
    with figure(path, title, nrows=1, ncols=2, figsize=(13, 5.6)) as (_, axes):
        edges, counts = (np.array(told["distance"][key], dtype=float) for key in ("edges", "counts"))
        _density(axes[0], edges, counts, n, color=BLUE, label=r"$r^T S^{-1} r$")
        grid = np.linspace(edges[0], edges[-1], 200)
        axes[0].plot(
            grid, 0.5 * np.exp(-grid / 2), color=GREY, ls="--", label=r"$\chi^2$, 2 degrees of freedom"
        )
        axes[0].set_yscale("log")
        axes[0].set_ylim(bottom=0.3 / (n * (edges[1] - edges[0])))
        axes[0].set_xlim(0, edges[-1])
        axes[0].set_xlabel("square of the Mahalanobis distance", fontsize=15)
        beyond = told["distance"]["above"] / n
        axes[0].text(
            0.97, 0.97, "".join(
                f"{share} % ellipses hold {with_error(model[key], model.get(f'{key}_error'), sign='±')}\n"
                for share, key in ((68, "coverage_68"), (95, "coverage_95"))
            ) + f"beyond the axis: {100 * beyond:.2f} %", transform=axes[0].transAxes, ha="right", va="top", fontsize=12,
        )  # fmt: skip
        axes[0].legend(fontsize=12, loc="lower left")
        for (name, histogram), colour, width in zip(
            told["pulls"].items(), (BLUE, RED), model["pull_widths"], strict=True
        ):
            edges, counts = (np.array(histogram[key], dtype=float) for key in ("edges", "counts"))
            _density(axes[1], edges, counts, n, color=colour, label=f"{name}, width {width:.3f}")
        unit_gaussian(axes[1], edges[-1])
        axes[1].set_ylim(0, 1.25 * axes[1].get_ylim()[1])
        axes[1].set_xlim(edges[0], edges[-1])
        axes[1].set_xlabel("residual / standard deviation", fontsize=15)
        axes[1].legend(fontsize=12, loc="upper left")
        for axis in axes:
            axis.set_ylabel("share of the lines per unit", fontsize=15)


def plot_filters(path: Path, name: str, layers: Sequence[OptimalInputs], model: Mapping[str, Any]) -> None:
    """Inputs that the filters of some layers respond most to: of each layer the planes and pixels that it
    sees.

    Of square planes the pixels in the middle of the other direction are shown.

    Args:
        model: of the network, in the results.
    """
    chosen = [layers[k] for k in np.unique(np.linspace(0, len(layers) - 1, SHOWN_LAYERS).round().astype(int))]
    columns = max(len(layer.images) for layer in chosen)
    learned = "" if model["samples"] is None else f", learned from {model['samples']:,} toys {model['toy']}"
    title = f"{name}{learned}:\ninput that each filter responds most to (white: no hit, dark: hit)"
    size = (1.35 * columns + 1.4, 1.4 * len(chosen) + 1.3)
    with figure(path, title, nrows=len(chosen), ncols=columns, figsize=size, squeeze=False) as (whole, axes):  # fmt: skip
        for row, layer in zip(axes, chosen, strict=True):
            (first, last), (low, high), *other = layer.field
            seen = layer.images[:, first : last + 1, low : high + 1]
            if other:
                seen = seen[..., sum(other[0]) // 2]
            for axis in row[len(seen) :]:
                axis.set_visible(False)
            for axis, image in zip(row, seen, strict=False):
                axis.imshow(
                    image.T, vmin=0, vmax=1, cmap="Blues", origin="lower", aspect="auto", interpolation="none"
                )
                axis.tick_params(which="both", left=False, right=False, bottom=False, top=False, labelleft=False,
                                 labelbottom=False)  # fmt: skip
            sides = " x ".join(str(b - a + 1) for a, b in layer.field)
            row[0].set_ylabel(f"layer {layer.layer}\n{sides}", fontsize=11, loc="center")
        whole.supxlabel("planes that the filter sees, from the first to the last", fontsize=13)
        whole.supylabel("pixels that it sees", fontsize=13)


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

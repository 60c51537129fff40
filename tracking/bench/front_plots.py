"""Figures of the compression study; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.networks.plan import KINDS
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SIGMA_NOTE, about, figure

__all__ = ["plot_front", "plot_history", "plot_weights"]

METHODS = {
    "none": (GREY, "o", "quantised"), "l1": (ORANGE, "v", "L1 penalty"), "l2": (RED, "^", "L2 penalty"),
    "bdmm": (PURPLE, "D", "BDMM"), "mdmm": (BLUE, "s", "MDMM"), "bits": (GREEN, "P", "learned bits"),
    "luts": (GREEN, "*", "learned bits, price in LUTs"),
}  # fmt: skip
"""Colour, marker and name."""
FILLS = ("left", "full", "none", "right", "top", "bottom")
"""How the markers of each kind of network are filled, in the order of the kinds."""
LAYERS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)


def plot_front(path: Path, result: Mapping[str, Any]) -> None:
    """Worst of the four half widths, relative to the base, against look-up tables and against weights that
    are not zero.
    """
    networks = result["networks"]
    clusters = [f"{result['n_clusters']:,} clusters"] if "n_clusters" in result else []
    title = about("clusters that no network was trained on", None, *clusters)
    with figure(path, title, nrows=1, ncols=2, figsize=(13, 5.6), sharey=True, note=f"{SIGMA_NOTE}.") as (
        _,
        axes,
    ):
        for axis, key, label in (
            (axes[0], "da4ml_luts", "look-up tables (da4ml)"), (axes[1], "nonzero_weights",
            "weights that are not zero"),
        ):  # fmt: skip
            front = sorted((r[key], r["worst"]) for r in networks.values() if r["on_front"])
            if key == "da4ml_luts":
                axis.plot(
                    *np.array(front).T, color=GREY, lw=1, drawstyle="steps-post", zorder=1, label="front"
                )
            for kind, fill in zip(KINDS, cycle(FILLS), strict=False):
                for method, (colour, marker, name) in METHODS.items():
                    points = [
                        (r[key], r["worst"])
                        for r in networks.values()
                        if r["kind"] == kind and r["method"] == method
                    ]
                    if points:
                        axis.plot(
                            *np.array(points).T, marker, color=colour, fillstyle=fill, ms=9, ls="none",
                            label=f"{kind}, {name}"
                        )  # fmt: skip
            axis.axhline(1.05, color=GREY, lw=1, ls=":")
            axis.set_xscale("log")
            axis.set_xlabel(label)
        axes[0].set_ylabel(rf"largest $\sigma$ / {result['base']}'s", fontsize=15)
        axes[0].set_ylim(bottom=0.9)
        axes[0].text(
            0.02, 1.055, "5 % worse", transform=axes[0].get_yaxis_transform(), fontsize=10, color=GREY
        )
        # No unit is given for the published areas: only how they compare with one another can be shown.
        areas = {name: area[1] for name, area in result["published_areas"].items()}
        largest = max(areas.values())
        lines = "\n".join(f"{name}: {area / largest:.2f}" for name, area in areas.items())
        axes[0].text(0.02, 0.02, f"published areas,\nrelative to the largest\n{lines}",
        transform=axes[0].transAxes, fontsize=9,
                     ha="left", va="bottom", color="#505050")  # fmt: skip
        axes[1].legend(fontsize=9, loc="upper right")


def plot_history(path: Path, result: Mapping[str, Any], name: str) -> None:
    """Zeros by layer and the multipliers against the epoch, of one network that was trained under a
    constraint.
    """
    network = result["networks"][name]
    by_epoch = network["by_epoch"]
    epochs = np.arange(1, len(by_epoch) + 1)
    title = f"training of {name}: {network['kind']}, {len(by_epoch)} epochs"
    with figure(path, title, nrows=1, ncols=2, figsize=(13, 4.8)) as (_, axes):
        layers = [layer for layer in by_epoch[0]["zeros"] if layer != "all"]
        for layer, colour in zip(layers, LAYERS, strict=False):
            axes[0].plot(epochs, [e["zeros"][layer] for e in by_epoch], color=colour, lw=1.5, label=layer)
        axes[0].plot(epochs, [e["zeros"]["all"] for e in by_epoch], color="black", lw=2.5, label="all")
        axes[0].axhline(float(network["setting"].split()[0]), color="black", lw=1, ls="--", label="target")
        axes[0].set_ylabel("share of weights exactly zero")
        axes[0].set_ylim(0, 1.4)
        axes[0].legend(fontsize=10, ncols=2, loc="upper left")
        multipliers = np.array([e["multipliers"] for e in by_epoch])
        names = ["all layers"] if multipliers.shape[1] == 1 else layers
        for column, label, colour in zip(multipliers.T, names, LAYERS, strict=False):
            axes[1].plot(epochs, column, color=colour, lw=1.5, label=label)
        axes[1].axhline(0, color=GREY, lw=1)
        axes[1].set_ylabel("multiplier")
        axes[1].legend(fontsize=10)
        for axis in axes:
            axis.set_xlabel("epoch")


def plot_weights(path: Path, result: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Histograms of the rounded weights, layer by layer, of two networks; of the second alone if they are of
    two kinds.
    """
    kinds = {result["networks"][name]["kind"] for name in names}
    if len(kinds) > 1:
        names = names[1:]
    layers = list(result["networks"][names[0]]["weights"])
    n_columns = min(3, len(layers))
    n_rows = -(-len(layers) // n_columns)
    title = f"rounded weights of {' and '.join(names)}"
    with figure(
        path, title, nrows=n_rows, ncols=n_columns, figsize=(4.6 * n_columns, 3.4 * n_rows), squeeze=False
    ) as (_, axes):
        for axis in axes.flat[len(layers) :]:
            axis.set_visible(False)
        for axis, layer in zip(axes.flat, layers, strict=False):
            counted = [
                {float(v): n for v, n in result["networks"][name]["weights"][layer].items()} for name in names
            ]
            reach = max(max(abs(v) for v in c) for c in counted) or 1.0
            # Zero in the middle of a bin.
            edges = np.linspace(-reach, reach, 42) * (1 + 1 / 41)
            for values, name, colour, fill in zip(counted, names, (GREY, BLUE), (True, False), strict=False):
                inside, _ = np.histogram(list(values), edges, weights=list(values.values()))
                axis.stairs(
                    inside, edges, color=colour, fill=fill, lw=1.5, alpha=0.5 if fill else 1.0, label=name
                )
            axis.set_yscale("log")
            # Below one, so that a bin of a single weight is seen.
            axis.set_ylim(bottom=0.5)
            axis.set_title(layer, fontsize=12, loc="left")
            axis.set_xlabel("weight")
        axes.flat[0].set_ylabel("weights per bin")
        axes.flat[0].legend(fontsize=9)

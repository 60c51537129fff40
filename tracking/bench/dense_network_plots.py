"""Figures of the networks in ``smartpix bench dense``: counting particles, places in merged clusters, and the
mixture of the end-caps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.estimate.components import REGION_SHARES
from smartpix.schema import REGIONS, TARGETS
from tracking.show.style import BLUE, GREEN, GREY, LABELS, ORANGE, RED, SIGMA_NOTE, about, figure

__all__ = ["plot_counting", "plot_endcap", "plot_positions"]

COLOURS = dict(zip(TARGETS, (BLUE, RED, GREEN, ORANGE), strict=True))
KINDS = {"mixture": "mixture", "single": "one Gaussian"}
PULL_BAND, REGION_BAND = 0.05, 0.02
"""What pulls and the contents of regions may be off by; drawn as bands."""


def plot_counting(path: Path, merged: Mapping[str, Any]) -> None:
    """Pairs found against their distance at 5 % of single clusters, and how calibrated the probabilities
    are.
    """
    networks = {"float": ("floating point", BLUE, "o"), "chip": ("on the chip", RED, "s")}
    title = about(
        "clusters of one and more particles", None, f"{merged['n_clusters']:,} clusters",
        f"AUC of two against one {merged['auc']:.4f}, on the chip {merged['auc_chip']:.4f}",
    )  # fmt: skip
    with figure(path, title, nrows=1, ncols=3, figsize=(19, 6)) as (_, axes):
        for axis, direction in zip(axes, "yx", strict=False):
            for key, (label, colour, marker) in networks.items():
                curve = merged[key]["curves"][direction]
                edges = np.array([[row["low"], row["high"]] for row in curve])
                n = np.array([row["n"] for row in curve])
                found = np.array([row["found"] for row in curve])
                axis.errorbar(
                    edges.mean(axis=1), found, xerr=np.ptp(edges, axis=1) / 2, yerr=np.sqrt(found * (1 - found) / n),
                    fmt=marker, color=colour, ms=6, lw=1.5, label=label,
                )  # fmt: skip
            axis.axhline(0.05, color=GREY, lw=1, ls="--")
            axis.text(0.98, 0.06, "clusters of one particle", transform=axis.get_yaxis_transform(), ha="right",
                      va="bottom", fontsize=10, color=GREY)  # fmt: skip
            axis.set_ylim(0, 1.05)
            axis.set_xlim(left=0)
            axis.set_xlabel(f"distance along {direction} [pitches]", fontsize=14)
        axes[0].set_ylabel("share of pairs called merged", fontsize=14)
        colours = {1: BLUE, 2: ORANGE, 3: GREEN}
        for key, (label, _, marker) in networks.items():
            for number, colour in colours.items():
                rows = [row for row in merged[key]["reliability"] if row["particles"] == number]
                axes[2].plot(
                    [row["predicted"] for row in rows], [row["true"] - row["predicted"] for row in rows], marker,
                    color=colour, ms=6, fillstyle="full" if key == "float" else "none",
                    label=f"{number}{' or more' if number == 3 else ''}, {label}",
                )  # fmt: skip
        axes[2].axhspan(-0.02, 0.02, color=GREY, alpha=0.2, lw=0)
        reach = max(0.05, 1.1 * max(abs(line.get_ydata()).max() for line in axes[2].lines))
        axes[2].set_ylim(-reach, 1.6 * reach)
        axes[2].set_xlim(0, 1)
        axes[2].ticklabel_format(axis="y", style="plain")
        axes[2].set_xlabel("predicted probability", fontsize=14)
        axes[2].set_ylabel(r"true share $-$ predicted", fontsize=14)
        axes[2].legend(fontsize=10, ncols=2, loc="upper right", title="particles", title_fontsize=10)
        axes[0].legend(fontsize=12, loc="lower right", bbox_to_anchor=(1.0, 0.12))


def plot_positions(path: Path, positions: Mapping[str, Any]) -> None:
    """Each particle of pairs and triples: half widths of residuals beside those of lone clusters, and
    pulls.
    """
    styles = {"pair": ("two particles", BLUE, "o"), "triple": ("three particles", RED, "s")}
    title = about("each particle of a merged cluster")
    with figure(path, title, nrows=1, ncols=2, figsize=(14, 6), note=f"{SIGMA_NOTE}.") as (_, axes):
        place = np.arange(len(TARGETS))
        for region, fill, shift in zip(REGIONS, ("full", "none"), (-0.12, 0.12), strict=True):
            for k, (kind, (label, colour, marker)) in enumerate(styles.items()):
                numbers = positions[region].get(kind)
                if numbers is None:
                    continue
                at, n = place + shift + 0.1 * (k - 0.5), numbers["n"] * (k + 2)
                ratio, pull = (
                    np.array([numbers[name][t] for t in TARGETS])
                    for name in ("half_width_ratio", "pull_width")
                )
                style = {"fmt": marker, "color": colour, "ms": 8, "fillstyle": fill, "lw": 1.4}
                axes[0].errorbar(at, ratio, **style, label=f"{label}, {region}")
                axes[1].errorbar(at, pull, yerr=pull / np.sqrt(2 * n), **style, label=f"{label}, {region}")
        axes[0].set_ylabel(r"$\sigma$ / that of lone clusters", fontsize=13)
        axes[0].set_ylim(bottom=0)
        axes[0].axhline(1.0, color=GREY, lw=0.8, ls=":")
        axes[1].axhspan(1 - PULL_BAND, 1 + PULL_BAND, color=GREY, alpha=0.2, lw=0)
        axes[1].set_ylabel("pull width", fontsize=13)
        for axis in axes:
            axis.set_xticks(place, [LABELS[t] for t in TARGETS])
            axis.set_xlim(-0.5, len(TARGETS) - 0.5)
            axis.tick_params(axis="x", which="minor", bottom=False, top=False)
        axes[0].legend(fontsize=11)


def plot_endcap(path: Path, endcap: Mapping[str, Any]) -> None:
    """The mixture of the end-caps and one Gaussian: pulls and regions in bins of pseudorapidity, and edges
    against true ones lost.
    """
    columns = 3 if endcap["edges"] else 2
    title = about("end-caps, two possibilities of the direction against one Gaussian")
    with figure(path, title, nrows=1, ncols=columns, figsize=(6.6 * columns, 6)) as (_, axes):
        for kind, fill, shift in (("mixture", "full", -0.12), ("single", "none", 0.12)):
            rows = [(k, row) for k, row in enumerate(endcap[kind]) if row["n"]]
            at, n = (
                np.array(column, dtype=float) for column in zip(*((k, r["n"]) for k, r in rows), strict=True)
            )
            for j, (target, colour) in enumerate(COLOURS.items()):
                width = np.array([row["pull_width"][target] for _, row in rows])
                axes[0].errorbar(
                    at + shift + 0.05 * (j - 1.5), width, yerr=width / np.sqrt(2 * n), fmt="o", ms=6, color=colour,
                    fillstyle=fill, label=f"{LABELS[target]}, {KINDS[kind]}",
                )  # fmt: skip
            for (name, share), colour, marker in zip(REGION_SHARES.items(), (BLUE, RED), "os", strict=True):
                held = np.array([row[name] for _, row in rows])
                axes[1].errorbar(
                    at + shift, held - share, yerr=np.sqrt(share * (1 - share) / n), fmt=marker, ms=7, color=colour,
                    fillstyle=fill, label=f"{share:.1%} region, {KINDS[kind]}",
                )  # fmt: skip
        for axis, middle, band in ((axes[0], 1.0, PULL_BAND), (axes[1], 0.0, REGION_BAND)):
            axis.axhspan(middle - band, middle + band, color=GREY, alpha=0.2, lw=0)
            axis.set_xticks(
                range(len(endcap["mixture"])), [row["bin"] for row in endcap["mixture"]], fontsize=12
            )
            axis.tick_params(axis="x", which="minor", bottom=False, top=False)
            axis.set_xlabel(r"|$\eta$| of the cluster", fontsize=14)
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.5 * (high - low))
            axis.legend(fontsize=9, ncols=2, loc="upper left")
        axes[0].set_ylabel("pull width", fontsize=13)
        axes[1].set_ylabel(r"share in the region $-$ nominal", fontsize=13)
        if endcap["edges"]:
            _plot_edges(axes[2], endcap["edges"])


def _plot_edges(axis: Any, edges: Mapping[str, Any]) -> None:
    """Edges between end-cap hits against the true ones lost, by quantile of the cones."""
    for kind, colour, marker in (("single", BLUE, "o"), ("mixture", RED, "s")):
        rows = [row["endcap"] for row in edges[kind] if row["endcap"]["wanted"]]
        lost = np.array([1 - row["found"] / row["wanted"] for row in rows])
        axis.plot(1e3 * lost, [row["edges"] for row in rows], marker + "-", color=colour, ms=6, lw=1.4,
                  label=KINDS[kind])  # fmt: skip
    equal = edges["at_equal_share"]["endcap"]
    if equal["edges_ratio"] is not None:
        axis.axvline(1e3 * (1 - equal["share"]), color=GREY, lw=1, ls="--", label="the chain's cones")
        error = equal["edges_ratio_error"]
        text = f"edges at equal efficiency: {equal['edges_ratio']:.3f}" + (
            "" if error is None else f" ± {error:.3f}"
        )
        axis.set_title(text, fontsize=12, loc="left")
    axis.set_xlim(left=-0.02 * axis.get_xlim()[1])
    axis.set_xlabel("true edges lost [per mille]", fontsize=14)
    axis.set_ylabel("edges between end-cap hits", fontsize=13)
    axis.legend(fontsize=11)

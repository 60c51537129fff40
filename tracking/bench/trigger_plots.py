"""Figures of the trigger's sectors and of its logic; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, about, figure

__all__ = ["plot_logic", "plot_sectors"]

ORDERS = {"chi2": ("-", "largest chi2 cut first"), "file": (":", "last of the list cut first")}
COLOURS = (RED, ORANGE, BLUE)


def plot_sectors(path: Path, result: Mapping[str, Any]) -> None:
    """Particles above 1 GeV that a sector holds whole, and sectors that lose edges, against the number of
    sectors, for every size of a sector.
    """
    rows = [row for row in result["curve"] if row["by"] == "helix"]
    sizes = sorted({(row["nodes"], row["edges"]) for row in rows})
    with figure(path, _title(result), nrows=1, ncols=2, figsize=(13, 5.4)) as (_, axes):
        for size, colour in zip(sizes, cycle(COLOURS), strict=False):
            for order, (line, words) in ORDERS.items():
                chosen = [r for r in rows if (r["nodes"], r["edges"]) == size and r["order"] == order]
                n = [row["n_sectors"] for row in chosen]
                label = f"{size[0]} hits, {size[1]} edges; {words}"
                axes[0].plot(n, [row["whole"] for row in chosen], line, marker="o", color=colour, label=label)
                if order == "chi2":
                    # A logarithm shows no zero.
                    cut = [(row["n_sectors"], row["truncated"]) for row in chosen if row["truncated"] > 0]
                    axes[1].plot(
                        [many for many, _ in cut], [share for _, share in cut], line, marker="o", color=colour,
                        label=f"{size[0]} hits, {size[1]} edges",
                    )  # fmt: skip
        axes[0].axhline(0.99, color=GREY, lw=1, ls="--")
        axes[0].set_ylim(top=1.002)
        axes[0].set_ylabel("particles in one sector")
        axes[1].set_ylabel("sectors that lose edges")
        axes[1].set_yscale("log")
        for axis in axes:
            axis.set_xscale("log")
            axis.set_xlabel("sectors of an event")
            axis.legend(fontsize=10, loc="best")


def _title(result: Mapping[str, Any]) -> str:
    data = result.get("data") or {}
    seed = [f"seed {data['seed']}"] if "seed" in data else []
    return about("bench trigger", result.get("n_events"), *seed)


def plot_logic(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Size and latency of the logic against the cycles between two sectors; rows by that interval, as of
    :func:`tracking.finders.trigger.logic.write_logic`.
    """
    intervals = sorted(int(name) for name in rows)
    chosen = [rows[str(interval)] for interval in intervals]
    title = "synthesis of the trigger's network; latency at its clock"
    with figure(path, title, nrows=1, ncols=2, figsize=(13, 5.4)) as (_, (size, time)):
        for key, colour, marker, label in (
            ("luts", BLUE, "o", "look-up tables"),
            ("ffs", ORANGE, "s", "flip-flops"),
        ):
            size.plot(intervals, [row[key] for row in chosen], color=colour, marker=marker, label=label)
        first = chosen[0]["luts"] * intervals[0]
        size.plot(
            intervals, [first / n for n in intervals], color=GREY, ls=":", label="look-up tables / interval"
        )
        size.set_yscale("log")
        size.set_ylabel("number in the whole design")
        for interval, row in zip(intervals, chosen, strict=True):
            size.annotate(
                f"{row['luts'] / 1000:.0f} k",
                (interval, row["luts"]),
                xytext=(6, 5),
                textcoords="offset points",
                fontsize=11,
            )
        time.plot(
            intervals,
            [row["latency_ns"] for row in chosen],
            color=GREEN,
            marker="o",
            label="until its logits are there",
        )
        time.plot(
            intervals,
            [interval * row["clock_ns"] for interval, row in zip(intervals, chosen, strict=True)],
            color=RED,
            marker="s",
            label="until the next sector",
        )
        time.set_yscale("log")
        time.set_ylabel("time after a sector comes in [ns]")
        for axis in (size, time):
            axis.set_xscale("log")
            axis.set_xlim(0.85 * intervals[0], 1.3 * intervals[-1])
            axis.set_xticks(intervals, [str(interval) for interval in intervals])
            axis.set_xticks([], minor=True)
            axis.set_xlabel("cycles between two sectors")
            axis.legend(fontsize=11)

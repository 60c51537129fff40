"""Rates, histograms and bins as figures draw them: with their errors, what is beyond the axis, and enough in
each bin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.quality import half_width
from tracking.metrics import clopper_pearson
from tracking.show.style import GREY, guide

__all__ = [
    "bin_centers",
    "enough",
    "histogram",
    "in_bins",
    "moved",
    "rate_points",
    "sigma_text",
    "unit_gaussian",
]

Floats = npt.NDArray[np.float64]


def enough(edges: Floats, total: npt.ArrayLike, fewest: int) -> Floats:
    """Edges of bins merged with their neighbours until each holds enough.

    Bins are merged from the left. What is left at the end goes into the last bin that holds enough; bins at
    both ends that hold nothing are dropped.

    Args:
        edges: (B + 1,) of the bins; total: (B,) what they hold.

    Returns:
        Some of ``edges``; all of one bin if all together are fewer, and none if there is nothing.
    """
    total = np.asarray(total)
    filled = np.flatnonzero(total > 0)
    if not len(filled):
        return edges[:0]
    first, last = int(filled[0]), int(filled[-1])
    kept, held = [first], 0
    for k in range(first, last + 1):
        held += int(total[k])
        if held >= fewest:
            kept.append(k + 1)
            held = 0
    if len(kept) == 1:
        return edges[[first, last + 1]]
    kept[-1] = last + 1 if held else kept[-1]
    return edges[kept]


def in_bins(edges: Floats, merged: Floats, counts: npt.ArrayLike) -> npt.NDArray[Any]:
    """Sums of counts (along their first axis) over bins merged by :func:`enough`."""
    at = np.searchsorted(edges, merged)
    counts = np.asarray(counts)
    return np.array([counts[a:b].sum(axis=0) for a, b in zip(at[:-1], at[1:], strict=True)])


def rate_points(
    axis: Any,
    edges: Floats,
    passed: npt.ArrayLike,
    total: npt.ArrayLike,
    *,
    shift: float = 0.0,
    log: bool | None = None,
    bars: bool = True,
    **style: Any,
) -> tuple[Floats, Floats]:
    """Draw the rate of each filled bin with its 68 % Clopper-Pearson interval; returns the intervals' lower
    and upper ends.

    Args:
        shift: of the points, in widths of their bins, so that those of several series lie side by side.
        log: whether along a logarithmic axis (:func:`moved`).
        bars: also draw how wide each bin is.
    """
    passed, total = np.asarray(passed, dtype=np.float64), np.asarray(total, dtype=np.float64)
    filled = total > 0
    rate = passed[filled] / total[filled]
    low, high = clopper_pearson(passed[filled], total[filled])
    center = moved(edges, shift, log)
    across = [(center - edges[:-1])[filled], (edges[1:] - center)[filled]] if bars else None
    axis.errorbar(
        center[filled], rate, yerr=np.abs(np.stack([rate - low, high - rate])), xerr=across, **style
    )
    return low, high


def histogram(
    axis: Any,
    values: npt.ArrayLike,
    reach: float,
    n_bins: int,
    *,
    density: bool = False,
    label: str = "",
    **style: Any,
) -> Floats:
    """Draw values from -reach to reach as a histogram with the errors of its counts; returns its heights.

    The label says how much lies beyond the axis.

    Args:
        density: over the number of all values, those beyond among them, and the width of a bin.
    """
    values = np.asarray(values, dtype=np.float64)
    counts, edges = np.histogram(values, n_bins, (-reach, reach))
    scale = 1 / (max(len(values), 1) * (edges[1] - edges[0])) if density else 1.0
    beyond = 1 - counts.sum() / max(len(values), 1)
    text = f"{label}{', ' if label else ''}beyond the axis {_share(beyond)}"
    # The outline is for the eye and the legend; the points, one a bin, are the data.
    guide(axis.stairs(scale * counts, edges, label=text, lw=1.4, **style))
    axis.errorbar(
        0.5 * (edges[1:] + edges[:-1]), scale * counts, scale * np.sqrt(counts), 0.5 * np.diff(edges), fmt="none",
        lw=0.9, ecolor=style.get("color"), label=f"_{text}",
    )  # fmt: skip
    return np.asarray(scale * counts)


def _share(share: float) -> str:
    return "0 %" if share <= 0 else f"{100 * share:.2g} %" if share >= 1e-4 else "< 0.01 %"


def sigma_text(values: npt.ArrayLike, unit: str = "", digits: int = 3) -> str:
    """The half width of some values as a sigma, with its unit."""
    return rf"$\sigma$ = {half_width(values):.{digits}g}" + (f" {unit}" if unit else "")


def unit_gaussian(axis: Any, reach: float, area: float = 1.0) -> None:
    """Draw what pulls should follow: a Gaussian of unit width and some area, from -reach to reach."""
    grid = np.linspace(-reach, reach, 200)
    shape = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    guide(axis.plot(grid, area * shape, color=GREY, ls="--", label="unit Gaussian"))


def bin_centers(edges: Floats) -> Floats:
    """Middles of bins: geometric ones where the edges are."""
    return moved(edges, 0.0)


def moved(edges: Floats, shift: float, log: bool | None = None) -> Floats:
    """(B,) points of bins, some share of a bin's width beside the middle.

    Args:
        log: whether along a logarithmic axis; None: where the bins are uneven and above 0.
    """
    low, high = edges[:-1], edges[1:]
    if log is None:
        log = bool(len(edges) > 2 and edges[0] > 0 and not np.allclose(np.diff(edges), edges[1] - edges[0]))
    return np.asarray(low * (high / low) ** (0.5 + shift) if log else low + (0.5 + shift) * (high - low))

"""What all figures share: colours, labels, the frame of a figure, and rates with their intervals.

The colours are Okabe and Ito's, which all kinds of colour vision tell apart. Every axis has its unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from smartpix.files import replace_when_done
from tracking.metrics import clopper_pearson

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "LABELS",
    "ORANGE",
    "PURPLE",
    "RED",
    "UNITS",
    "VARIABLES",
    "bin_centers",
    "figure",
    "rate_points",
    "unit_gaussian",
]

BLUE, ORANGE, GREEN, PURPLE, GREY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#808080", "#D55E00"
UNITS = {"x": ("µm", 1e3), "y": ("µm", 1e3), "cot_alpha": ("", 1.0), "cot_beta": ("", 1.0)}
LABELS = {"x": "x", "y": "y", "cot_alpha": r"cot $\alpha$", "cot_beta": r"cot $\beta$"}
VARIABLES = {
    "pt": "$p_T$ [GeV]",
    "eta": r"$\eta$",
    "pileup": "collisions in the event",
    "distance": r"distance to the next particle in ($\eta$, $\phi$)",
    "radius": "production radius [mm]",
    "d0": "impact parameter [mm]",
}

Floats = npt.NDArray[np.float64]


@contextmanager
def figure(
    path: Path, figsize: tuple[float, float] | None = None, **options: Any
) -> Iterator[tuple[Any, Any]]:
    """Figure and axes (options as of ``plt.subplots``) in the common style, written whole at the end.

    Without pyplot, so that a notebook keeps its own backend and figures.
    """
    with mpl.rc_context(
        {
            **mplhep.style.ATLAS,
            "font.family": "sans-serif",
            "mathtext.fontset": "dejavusans",
            "figure.constrained_layout.use": True,
        }
    ):
        whole = Figure(figsize=figsize)
        yield whole, whole.subplots(**options)
        with replace_when_done(path) as beside:
            whole.savefig(beside, dpi=130)


def unit_gaussian(axis: Any, reach: float, area: float = 1.0) -> None:
    """Draw what pulls should follow: a Gaussian of unit width and some area, from -reach to reach."""
    grid = np.linspace(-reach, reach, 200)
    shape = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    axis.plot(grid, area * shape, color=GREY, ls="--", label="unit Gaussian")


def rate_points(
    axis: Any, edges: Floats, passed: npt.ArrayLike, total: npt.ArrayLike, bars: bool = True, **style: Any
) -> tuple[Floats, Floats]:
    """Draw the rate of each filled bin with its 68 % Clopper-Pearson interval; returns the intervals' lower
    and upper ends. ``bars``: also draw how wide each bin is.
    """
    passed, total = np.asarray(passed, dtype=np.float64), np.asarray(total, dtype=np.float64)
    filled = total > 0
    rate = passed[filled] / total[filled]
    low, high = clopper_pearson(passed[filled], total[filled])
    center = bin_centers(edges)
    across = [(center - edges[:-1])[filled], (edges[1:] - center)[filled]] if bars else None
    axis.errorbar(
        center[filled], rate, yerr=np.abs(np.stack([rate - low, high - rate])), xerr=across, **style
    )
    return low, high


def bin_centers(edges: Floats) -> Floats:
    """Middles of bins: geometric ones where the edges are."""
    even = np.allclose(np.diff(edges), edges[1] - edges[0])
    return np.asarray(0.5 * (edges[1:] + edges[:-1]) if even else np.sqrt(edges[1:] * edges[:-1]))

"""What all figures share: colours, labels, the frame of a figure, logarithmic axes, and how a figure is
written.

The colours are Okabe and Ito's, which all kinds of colour vision tell apart. Every axis has its unit. The
font is matplotlib's own, so that a figure looks the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

from smartpix.files import replace_when_done, store_text
from smartpix.schema import InputError
from tracking.show.figure_data import GUIDE, figure_data
from tracking.show.formats import FORMATS

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "LABELS",
    "ORANGE",
    "PURPLE",
    "RED",
    "SIGMA_NOTE",
    "UNITS",
    "VARIABLES",
    "about",
    "data_path_of",
    "empty_panel",
    "figure",
    "guide",
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
SIGMA_NOTE = r"$\sigma$: half of the width that holds the central 68.27 %"
DECADES = 2.5
"""Up to so many decades a logarithmic axis has numbers at 1, 2 and 5, above that at powers of ten."""
STYLE = {
    **mplhep.style.ATLAS,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "axes.unicode_minus": True,
    "figure.constrained_layout.use": True,
    # A grid is no data and lies under them.
    "axes.axisbelow": True,
    # Axes end where the data do, and not at the next round number.
    "axes.autolimit_mode": "data",
    "axes.xmargin": 0.05,
    "axes.ymargin": 0.05,
    # A common factor of the numbers would stand in the way of the line above.
    "axes.formatter.limits": (-3, 5),
    "axes.labelsize": 15,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    # Text stays text in a PDF: Type 3 fonts are refused by many journals.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "smartpix",
}


def about(sample: str, n_events: int | None = None, *more: str, simulated: bool = True) -> str:
    """The line above a figure: whether its events are simulated, the sample, and how many events.

    Args:
        more: further parts, such as what the numbers are of.
    """
    events = [] if n_events is None else [f"{n_events:,} event" + "s" * (n_events != 1)]
    return f"{'simulation' if simulated else 'data'}: {', '.join([sample, *events, *more])}"


def data_path_of(path: Path) -> Path:
    """Where the data of a figure lie: beside it, as a table.

    Not by the figure's own name: ``detector barrel3 -o barrel3.csv --draw barrel3.png`` writes another table
    there.
    """
    return path.with_name(f"{path.stem}-data.csv")


@contextmanager
def figure(
    path: Path, title: str, figsize: tuple[float, float] | None = None, *, note: str = "", **options: Any
) -> Iterator[tuple[Any, Any]]:
    """Figure and axes (options as of ``plt.subplots``) in the common style, written whole at the end.

    The suffix of the path says what is written, one of :data:`FORMATS`. What is drawn lies beside it as a
    table (:func:`tracking.show.figure_data.figure_data`). Without pyplot, so that a notebook keeps its own
    backend and figures.

    Args:
        title: what the figure is of, as of :func:`about`; above it.
        note: how its numbers are defined; below it.

    Raises:
        InputError: a suffix of another format, or a path that cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InputError(f"{path}: is no name of a figure; give one that ends in .{', .'.join(FORMATS)}")
    with mpl.rc_context(STYLE):
        whole = Figure(figsize=figsize)
        yield whole, whole.subplots(**options)
        for axis in whole.axes:
            _number_decades(axis)
            _number_plainly(axis)
        if title:
            whole.suptitle(title, x=0.01, ha="left", fontsize=13)
        if note:
            # It has the whole width, and room of its own in the layout.
            whole.supxlabel(note, x=0.01, ha="left", fontsize=10, color="#505050")
        data = figure_data(whole, title, note)
        # A date would make each file another.
        metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
        with replace_when_done(path) as beside:
            whole.savefig(beside, dpi=130, format=kind, metadata=metadata)
        store_text(data_path_of(path), data)


def guide(artist: Any) -> Any:
    """Mark an artist that guides the eye only: it is left out of the figure's table."""
    for each in artist if isinstance(artist, Sequence) else [artist]:
        each.set_gid(GUIDE)
    return artist


def empty_panel(axis: Any, why: str) -> None:
    """Say in a panel why nothing is drawn there, and take its numbers away."""
    axis.text(0.5, 0.5, why, ha="center", va="center", transform=axis.transAxes, fontsize=12, color="#505050")
    axis.set(xticks=[], yticks=[])
    axis.tick_params(which="both", bottom=False, top=False, left=False, right=False)


def _number_decades(axis: Any) -> None:
    """Put numbers at 1, 2, 5 and 10 of logarithmic axes that have no numbers of their own."""
    for along in (axis.xaxis, axis.yaxis):
        if along.get_scale() != "log" or not along.isDefault_majloc:
            continue
        low, high = sorted(along.get_view_interval())
        decades = float(np.log10(high / low))
        if decades > 2 * DECADES:
            continue
        steps = (1, 2, 5) if decades <= DECADES else (1,)
        ticks = LogLocator(subs=steps).tick_values(low, high)
        # The ends of the axis itself count as inside.
        ticks = ticks[(ticks > low * (1 - 1e-9)) & (ticks < high * (1 + 1e-9))]
        along.set_major_locator(FixedLocator(ticks))
        along.set_minor_locator(LogLocator(subs=tuple(range(2, 10))))
        if along.isDefault_majfmt:
            along.set_major_formatter(FuncFormatter(_plain))
        along.set_minor_formatter(NullFormatter())


def _number_plainly(axis: Any) -> None:
    """Numbers without a common factor need no mathtext, whose parser would take much of a figure's time."""
    for along in (axis.xaxis, axis.yaxis):
        formatter = along.get_major_formatter()
        if isinstance(formatter, ScalarFormatter):
            formatter.set_locs(along.get_majorticklocs())
            formatter.set_useMathText(bool(formatter.get_offset()))


def _plain(value: float, _: object) -> str:
    """A number as one writes it: 0.001, 20 and 5,000, and powers of ten beyond."""
    if 0 < abs(value) < 1e-4 or abs(value) >= 1e6:
        power = floor(log10(abs(value)) + 1e-9)
        share = value / 10.0**power
        return f"$10^{{{power}}}$" if round(share, 6) == 1 else rf"${share:g}\times10^{{{power}}}$"
    return f"{value:,.7g}"

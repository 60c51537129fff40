"""The data of a figure as a table: every point, bin and line that is drawn, read from the figure itself."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import EventCollection, LineCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon, StepPatch

__all__ = ["COLUMNS", "GUIDE", "MOST_ROWS", "figure_data"]

COLUMNS = ("panel", "series", "part", "x", "x_low", "x_high", "y", "y_low", "y_high", "value")
"""Of the table. A part is one line or area of a series of several; a value is the content of a cell."""
GUIDE = "guide"
"""Group of artists that guide the eye and are no data."""
MOST_ROWS = 5000
"""Of a series: one of more points is named above the table and not in it."""

NAMELESS = ("_child", "_container", "_nolegend_")

Floats = npt.NDArray[np.float64]
Rows = list[dict[str, float]]


def figure_data(whole: Any, title: str = "", note: str = "") -> str:
    """What a figure shows, as the text of a CSV file; lines before its header begin with ``#``.

    Panels count from 1, in the order of the figure's axes. Left out are guides to the eye, texts, and what is
    drawn in shares of a panel (lines across it). A series of more than :data:`MOST_ROWS` rows is named only.

    Args:
        whole: the figure.
        title, note: what is above and below it.
    """
    text, table = StringIO(), StringIO()
    for line in (title, note):
        if line:
            text.write(f"# {' '.join(line.split())}\n")
    writer = csv.writer(table, lineterminator="\n")
    for panel, axis in enumerate(whole.axes, 1):
        if not axis.get_visible() or not axis.axison:
            continue
        named = [" ".join(t.split()) for t in (axis.get_title(), axis.get_title("left")) if t]
        axes = f"x: {' '.join(axis.get_xlabel().split())}; y: {' '.join(axis.get_ylabel().split())}"
        text.write(f"# panel {panel}: {'; '.join([*named, axes])}\n")
        for series, rows in _series(axis):
            if len(rows) > MOST_ROWS:
                text.write(f"# panel {panel}: {series}: {len(rows):,} points, which are left out here\n")
                continue
            for row in rows:
                cells = (f"{row[name]:.9g}" if name in row else "" for name in COLUMNS[2:])
                writer.writerow([panel, series, *cells])
    return text.getvalue() + ",".join(COLUMNS) + "\n" + table.getvalue()


def _series(axis: Any) -> Iterator[tuple[str, Rows]]:
    """Name and rows of all that is drawn in a panel, in its order."""
    ours: set[int] = set()
    for container in axis.containers:
        ours.update(map(id, _parts_of(container)))
        if isinstance(container, ErrorbarContainer):
            yield _name(container), _points(container)
        elif isinstance(container, BarContainer):
            yield _name(container), _bars(container)
    for artist in (*axis.lines, *axis.patches, *axis.collections, *axis.images):
        if id(artist) in ours or artist.get_gid() == GUIDE or not artist.get_visible():
            continue
        # Lines across a panel are in shares of it along one axis.
        if not isinstance(artist, AxesImage) and not _in_data(artist, axis):
            continue
        rows = _rows(artist)
        if rows:
            yield _name(artist), rows


def _in_data(artist: Any, axis: Any) -> bool:
    """Whether an artist is drawn at the data's coordinates, along both axes."""
    return isinstance(artist, QuadMesh) or all(
        artist.get_transform().contains_branch_seperately(axis.transData)
    )


def _parts_of(container: Any) -> Iterator[Any]:
    for part in container:
        if isinstance(part, Sequence):
            yield from part
        else:
            yield part


def _name(artist: Any) -> str:
    label = str(artist.get_label())
    # Without a name matplotlib gives one of its own; ours that keep out of the legend begin so, too.
    return "" if label.startswith(NAMELESS) else " ".join(label.removeprefix("_").split())


def _rows(artist: Any) -> Rows:
    """Rows of one artist; none of one that is no data."""
    if isinstance(artist, StepPatch):
        values, edges, _ = artist.get_data()
        return [
            {"x": 0.5 * (low + high), "x_low": low, "x_high": high, "y": value}
            for low, high, value in zip(edges[:-1], edges[1:], values, strict=True)
        ]
    if isinstance(artist, Polygon):
        return _path(artist.get_xy())
    if isinstance(artist, EventCollection):
        return [{"x": float(x)} for x in artist.get_positions()]
    if isinstance(artist, LineCollection):
        return [{"part": k, **row} for k, line in enumerate(artist.get_segments()) for row in _path(line)]
    if isinstance(artist, PolyCollection):
        return [
            {"part": k, **row} for k, area in enumerate(artist.get_paths()) for row in _path(area.vertices)
        ]
    if isinstance(artist, QuadMesh):
        return _cells(artist.get_coordinates(), artist.get_array())
    if isinstance(artist, AxesImage):
        image = np.asarray(artist.get_array())
        return [
            {"x": column, "y": row, "value": float(image[row, column])}
            for row, column in np.ndindex(*image.shape[:2])
        ]
    if hasattr(artist, "get_xdata"):
        x, y = np.asarray(artist.get_xdata(), dtype=float), np.asarray(artist.get_ydata(), dtype=float)
        return _path(np.stack([x, y], axis=1))
    if hasattr(artist, "get_offsets") and len(artist.get_offsets()) > 1:
        return _path(np.asarray(artist.get_offsets()))
    return []


def _path(points: Any) -> Rows:
    return [{"x": float(x), "y": float(y)} for x, y in np.asarray(points)]


def _cells(corners: Any, values: Any) -> Rows:
    """The cells of a grid that hold something."""
    values = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
    values = values.reshape(corners.shape[0] - 1, corners.shape[1] - 1)
    return [
        {
            "x_low": corners[i, j, 0], "x_high": corners[i, j + 1, 0], "y_low": corners[i, j, 1],
            "y_high": corners[i + 1, j, 1], "value": values[i, j],
        }
        for i, j in np.argwhere(np.isfinite(values))
    ]  # fmt: skip


def _points(container: ErrorbarContainer) -> Rows:
    """Points with the ends of their error bars."""
    line, _, bars = container.lines
    kinds = [name for name, there in (("x", container.has_xerr), ("y", container.has_yerr)) if there]
    segments = {kind: [np.asarray(s) for s in b.get_segments()] for kind, b in zip(kinds, bars, strict=True)}
    if line is not None:
        rows = _path(np.stack([line.get_xdata(), line.get_ydata()], axis=1).astype(float))
    elif len(segments) == 2:
        # Of bars alone each direction's bar tells the other coordinate.
        rows = _path(
            [(up[0, 0], across[0, 1]) for across, up in zip(segments["x"], segments["y"], strict=True)]
        )
    else:
        return []
    for kind, lines in segments.items():
        column = "xy".index(kind)
        for row, segment in zip(rows, lines, strict=True):
            if len(segment):
                low, high = sorted(segment[:, column].tolist())
                row |= {f"{kind}_low": low, f"{kind}_high": high}
    return rows


def _bars(container: BarContainer) -> Rows:
    """Bars as bins and their values, along the axis they stand on."""
    upright = container.orientation != "horizontal"
    rows: Rows = []
    for bar in container.patches:
        (x, y), width, height = bar.get_xy(), bar.get_width(), bar.get_height()
        rows.append(
            {"x": x + width / 2, "x_low": x, "x_high": x + width, "y": y + height}
            if upright
            else {"x": x + width, "y": y + height / 2, "y_low": y, "y_high": y + height}
        )
    return rows

"""Small pictures for tables in notebooks, as SVG: some kilobytes of text each, without matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

__all__ = ["detector_maps", "histogram", "hit_maps", "map_of"]

Floats = npt.NDArray[np.floating]

WIDTH, HEIGHT, EDGE = 180, 110, 12
"""Of a picture in pixels, and of its margin below and at the sides."""
N_BINS, N_POINTS = 30, 700
"""Bars of a histogram, and points of a map: of more points evenly chosen ones are drawn."""
POINTS, LINES, TEXT = "#8a8a8a", "#0072b2", "#555555"


def histogram(values: npt.ArrayLike, label: str) -> str:
    """Bars of values between their first and last thousandth; what lies beyond is in the first and last bar.

    Args:
        values: any number; those that are not finite are left out.
        label: what they are, with the unit.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) == 0:
        return _svg("", f"{label}: none")
    low, high = np.quantile(numbers, (0.001, 0.999))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts = np.histogram(np.clip(numbers, low, high), N_BINS, (low, high))[0]
    step, tallest = (WIDTH - 2 * EDGE) / N_BINS, HEIGHT - 3 * EDGE
    bars = "".join(
        f"M{EDGE + k * step:.1f} {HEIGHT - EDGE}v{-tallest * n / counts.max():.1f}h{step:.1f}V{HEIGHT - EDGE}"
        for k, n in enumerate(counts) if n
    )  # fmt: skip
    return _svg(f'<path d="{bars}" fill="{LINES}"/>', label, low, high)


def map_of(points: Floats, label: str, lines: Sequence[Floats] = (), equal: bool = False) -> str:
    """Points and lines in a plane.

    Args:
        points: (N, 2) across and up.
        label: what is across and up, with the unit.
        lines: of points (K, 2) each.
        equal: a mm up is as long as one across.
    """
    points = _finite(points)
    lines = [line for line in map(_finite, lines) if len(line) > 1]
    drawn = np.concatenate([points, *lines])
    if len(drawn) == 0:
        return _svg("", f"{label}: none")
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    size = np.array([WIDTH - 2 * EDGE, HEIGHT - 3 * EDGE])
    scale = size / np.where(high > low, high - low, 1.0)
    left = np.array([EDGE, EDGE])
    if equal:
        scale = np.full(2, scale.min())
        left = left + (size - (high - low) * scale) / 2

    def place(where: Floats) -> list[tuple[float, float]]:
        at = left + (where - low) * scale
        return [(round(x, 1), round(HEIGHT - y, 1)) for x, y in at.tolist()]

    shown = points[np.linspace(0, len(points) - 1, min(len(points), N_POINTS)).astype(int)]
    # Each place once: modules of a layer lie at the same one.
    dots = "".join(dict.fromkeys(f"M{x:g} {y:g}h0" for x, y in place(shown)))
    paths = "".join(dict.fromkeys("M" + "L".join(f"{x:g} {y:g}" for x, y in place(line)) for line in lines))
    return _svg(
        f'<path d="{dots}" stroke="{POINTS}" stroke-width="1.5" stroke-linecap="round"/>'
        f'<path d="{paths}" stroke="{LINES}" stroke-width="0.8" fill="none"/>',
        label, low[0], high[0],
    )  # fmt: skip


def detector_maps(outline: Floats, barrel: npt.NDArray[np.bool_]) -> str:
    """Modules in z and r, and those of the barrel in x and y.

    Args:
        outline: (M, 4, 3) corners in order around each, mm; barrel: (M,).
    """
    ends = (outline + np.roll(outline, -1, axis=1))[:, ::2] / 2
    sides = (outline + np.roll(outline, 1, axis=1))[:, ::2] / 2
    along = np.stack([ends[..., 2], np.hypot(ends[..., 0], ends[..., 1])], axis=2)
    none = np.empty((0, 2))
    return map_of(none, "r over z, mm", list(along)) + map_of(
        none, "y over x, barrel, mm", list(sides[barrel][..., :2]), equal=True
    )


def hit_maps(position: Floats, tracks: Sequence[npt.NDArray[np.int64]] = ()) -> str:
    """Hits, and tracks through them, in z and r and in x and y.

    Args:
        position: (N, 3) mm; tracks: rows of the hits of each.
    """
    along = np.stack([position[:, 2], np.hypot(position[:, 0], position[:, 1])], axis=1)
    return "".join(
        map_of(points, label, [points[rows] for rows in tracks], equal)
        for points, label, equal in (
            (along, "r over z, mm", False),
            (position[:, :2], "y over x, mm", True),
        )
    )


def _finite(points: Floats) -> Floats:
    return points[np.isfinite(points).all(axis=1)]


def _svg(content: str, label: str, low: float | None = None, high: float | None = None) -> str:
    """A picture with a label above, and the ends of the lower axis."""
    left, right = ("" if end is None else f"{end:.4g}".replace("-", "\N{MINUS SIGN}") for end in (low, high))
    text = f'font-size="9" font-family="sans-serif" fill="{TEXT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<text x="{WIDTH // 2}" y="{EDGE}" text-anchor="middle" {text}>{escape(label)}</text>{content}'
        f'<text x="{EDGE}" y="{HEIGHT - 2}" {text}>{left}</text>'
        f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 2}" text-anchor="end" {text}>{right}</text></svg>'
    )

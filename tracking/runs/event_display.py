"""The figure of one event: hits, tracks as helices, layers, vertices, and the cones of three tracks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection

from seeding.table import is_straight
from smartpix.geometry import Detector
from tracking.chain import Chain, EventResult
from tracking.show.content import cone_rings
from tracking.show.helices import helix_lines
from tracking.show.style import BLUE, GREY, ORANGE, PURPLE, RED, figure, guide

__all__ = ["event_display"]

Floats = npt.NDArray[np.float64]
LEADING = 3
"""Tracks whose cones are drawn."""
View = tuple[str, str, Callable[[Floats], Floats]]
VIEWS: dict[str, View] = {
    "xy": ("x [mm]", "y [mm]", lambda at: at[..., [0, 1]]),
    "zr": ("z [mm]", "r [mm]", lambda at: np.stack([at[..., 2], np.hypot(at[..., 0], at[..., 1])], axis=-1)),
    "zx": ("z [mm]", "x [mm]", lambda at: at[..., [2, 0]]),
    "zy": ("z [mm]", "y [mm]", lambda at: at[..., [2, 1]]),
}
"""Labels of each view's axes, and how points (..., 3) are seen in it."""


def _along(distance: float) -> dict[str, View]:
    """Views of planes across a beam of particles, which flies along x of its frame; from the first plane
    on.
    """
    start = np.array([distance, 0.0])
    views: dict[str, View] = {}
    for axes, name in (([0, 1], "y"), ([0, 2], "z")):
        seen = partial(_seen_along, axes, start)
        views[name] = ("distance along the beam [mm]", f"{name} of the beam's frame [mm]", seen)
    return views


def _seen_along(axes: list[int], start: Floats, at: Floats) -> Floats:
    return np.asarray(at[..., axes] - start)


def event_display(path: Path, title: str, chain: Chain, result: EventResult) -> None:
    """One event: with a barrel in x-y (its clusters and tracks) and r-z, of planes across the beam from two
    sides along it; with the cones of the first hits of the stiffest tracks.
    """
    detector, hits, rows = chain.header.detector, result.hits, result.tracks.rows()
    distance = detector.frame.distance
    barrel = detector.layers.barrel[hits.layer]
    views = VIEWS if not distance else _along(float(detector.layers.radius.min()))
    names_of = ("y", "z") if distance else ("xy", "zr") if np.any(barrel) else ("zx", "zy")
    straight = is_straight(chain.header.field)
    # pT = sin(theta) / |qop|, of the tracks that stay in the barrel, where there is one.
    stiff = np.abs(result.helices.qop) / np.sin(result.helices.theta)
    order = np.argsort(-np.diff(result.tracks.start) if straight else stiff, kind="stable")
    leading = [int(t) for t in order if names_of[0] != "xy" or np.all(barrel[rows[t]])][:LEADING]
    first = hits.take(np.array([rows[t][0] for t in leading], dtype=np.int64))
    rings = cone_rings(chain, first) if leading else {"hit": np.zeros(0, dtype=np.int32)}
    lines = helix_lines(result, chain.header.field, bool(distance))
    of = "with most hits" if straight else "of largest $p_T$"
    names = {RED: f"the {len(leading)} {of}", BLUE: "other tracks"}
    note = (
        f"Tracks: the fitted helices, from the {'first hit' if distance else 'closest approach to the beam'} to the "
        "outermost hit; scattering leads hits away from them. Cones: of the first "
        f"hits of the red tracks, to the layers that follow, at {100 * chain.options.cone.quantile:.4g} %."
    )
    with figure(path, title, (15, 8), note=note, ncols=2) as (_, axes):
        for axis, view in zip(axes, names_of, strict=True):
            labels, seen = views[view][:2], views[view][2]
            chosen = barrel if view == "xy" else np.ones(len(hits), dtype=bool)
            at = seen(hits.position[chosen])
            _draw_layers(axis, detector, view, seen)
            name = "clusters (barrel)" if view == "xy" else "clusters"
            axis.plot(*at.T, ".", ms=2.5, color=GREY, alpha=0.7, label=name, zorder=2)
            crosses = [view != "xy" or bool(np.any(barrel[r])) for r in rows]
            for colour, width, stiffest in ((BLUE, 0.6, False), (RED, 1.6, True)):
                of_colour = [t for t in range(len(rows)) if (t in leading) == stiffest and crosses[t]]
                if of_colour:
                    style = {"colors": colour, "lw": width, "alpha": 1.0 if stiffest else 0.7}
                    label = names[colour]
                    axis.add_collection(
                        LineCollection(
                            list(seen(lines[of_colour])), label=label, zorder=4 if stiffest else 3, **style
                        )
                    )
            _draw_cones(axis, view, detector, rings, seen, first.position, chain.options.cone.gate())
            if view.startswith("z") and not distance and len(result.vertices):
                axis.plot(
                    result.vertices.z, np.zeros(len(result.vertices)), "d", ms=5, color=PURPLE, mec="white", mew=0.5,
                    label="vertices", zorder=5, clip_on=False,
                )  # fmt: skip
            _limit(axis, view, at)
            axis.set(xlabel=labels[0], ylabel=labels[1])
            axis.legend(fontsize=10, loc="upper center", ncols=3, markerscale=3)


def _limit(axis: Any, view: str, at: Floats) -> None:
    """Axes that end where the clusters do, with room for the legend above."""
    low, high = at.min(axis=0), at.max(axis=0)
    if view == "xy":
        reach = 1.08 * float(np.abs(at).max())
        axis.set(xlim=(-reach, reach), ylim=(-reach, 1.25 * reach), aspect="equal")
        return
    margin = 0.05 * np.maximum(high - low, 1e-3)
    bottom = 0.0 if view == "zr" else min(0.0, float(low[1])) - margin[1]
    top = max(0.0, float(high[1]))
    # Vertices lie around 0.
    axis.set_xlim(min(low[0], 0.0) - margin[0], max(high[0], 0.0) + margin[0])
    axis.set_ylim(bottom, bottom + 1.22 * (top - bottom))


def _draw_layers(axis: Any, detector: Detector, view: str, seen: Callable[[Floats], Floats]) -> None:
    """The layers, faint: barrels as circles or lines, disks and planes as lines."""
    layers = detector.layers
    style = {"color": "#D8D8D8", "lw": 0.8, "zorder": 1}
    turn = np.linspace(0, 2 * np.pi, 200)
    for k, is_barrel in enumerate(layers.barrel):
        if view == "xy":
            if is_barrel:
                guide(axis.plot(layers.radius[k] * np.cos(turn), layers.radius[k] * np.sin(turn), **style))
        elif view == "zr":
            span = (
                ([layers.z_min[k], layers.z_max[k]], [layers.radius[k]] * 2)
                if is_barrel
                else ([layers.z[k]] * 2, [layers.r_min[k], layers.r_max[k]])
            )
            guide(axis.plot(*span, **style))
        else:
            corners = seen(detector.outline[detector.layer_index == k]).reshape(-1, 2)
            ends = [corners[:, 1].min(), corners[:, 1].max()]
            guide(axis.plot([corners[:, 0].mean()] * 2, ends, **style))


def _draw_cones(
    axis: Any, view: str, detector: Detector, rings: dict[str, Any], seen: Callable[[Floats], Floats],
    start: Floats, gate: float,
) -> None:  # fmt: skip
    """Areas that the cones cover on their way to the layers that may come next."""
    label: str | None = "cones of their first hits"
    for k, hit in enumerate(rings["hit"]):
        low, high = _sides(rings, k, view, bool(detector.layers.barrel[rings["layer"][k]]), gate)
        if len(low):
            area = np.concatenate([seen(start[hit : hit + 1]), seen(high), seen(low)[::-1]])
            axis.fill(*area.T, color=ORANGE, alpha=0.45, lw=0, zorder=3.5, label=label)
            label = None


def _sides(rings: dict[str, Any], k: int, view: str, cylinders: bool, gate: float) -> tuple[Floats, Floats]:
    """Both sides of a cone in a view, as points (S, 3) of its rings; none where its surfaces are seen from
    the front.

    A cylinder's local coordinates are (radius * azimuth, z), a plane's (x, y).
    """
    surface, local, covariance = (rings[name][k] for name in ("surface", "local", "covariance"))
    # Of the local coordinates, the direction in which the cone is seen to be wide.
    if cylinders:
        across = np.tile([1.0, 0.0] if view in ("xy", "y") else [0.0, 1.0], (len(surface), 1))
    elif view == "xy":
        return np.zeros((0, 3)), np.zeros((0, 3))
    elif view == "zr":
        across = local / np.hypot(local[:, 0], local[:, 1])[:, None]
    else:
        across = np.tile([1.0, 0.0] if view == "zx" else [0.0, 1.0], (len(surface), 1))
    xx, xy, yy = covariance.T
    u, v = across.T
    width = gate * np.sqrt(xx * u**2 + 2 * xy * u * v + yy * v**2)
    low, high = (local + sign * width[:, None] * across for sign in (-1, 1))
    if not cylinders:
        return np.column_stack([low, surface]), np.column_stack([high, surface])
    sides = []
    for at in (low, high):
        phi = at[:, 0] / surface
        sides.append(np.stack([surface * np.cos(phi), surface * np.sin(phi), at[:, 1]], axis=1))
    return sides[0], sides[1]

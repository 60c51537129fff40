"""A detector's modules in the planes of radius and z and of x and y."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from smartpix.geometry import Detector
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, figure

__all__ = ["draw_detector"]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
SLICE = 0.5
"""Share of the largest |z| of a barrel's modules up to which they are drawn in x and y, where there are
any.
"""


def draw_detector(detector: Detector, path: Path, title: str = "") -> None:
    """Draw all modules in r and z, and those of the barrel near z = 0 in x and y; one colour a volume.

    Without a barrel all modules are drawn in x and z, and in x and y.
    """
    corners = detector.outline
    volume = np.unique(np.asarray(detector.columns["volume_id"]), return_inverse=True)[1]
    colour = np.array(COLOURS)[volume % len(COLOURS)]
    radius, z = np.hypot(corners[..., 0], corners[..., 1]), corners[..., 2]
    barrel = detector.barrel
    nearest = np.abs(detector.center[:, 2])
    shown = barrel & (nearest <= SLICE * nearest[barrel].max(initial=0.0)) if barrel.any() else ~barrel
    with figure(path, title, (12, 5.5), ncols=2, width_ratios=(1.6, 1)) as (_, (side, front)):
        if barrel.any():
            # Of each module the line through its middle along x: the edges along y are curves in r.
            ends = np.stack([
                np.stack([z[:, :2].mean(axis=1), radius[:, :2].mean(axis=1)], axis=1),
                np.stack([z[:, 2:].mean(axis=1), radius[:, 2:].mean(axis=1)], axis=1),
            ], axis=1)  # fmt: skip
            side.add_collection(LineCollection(list(ends), colors=colour.tolist(), linewidths=0.8))
            side.set(xlabel="z [mm]", ylabel="r [mm]", ylim=(0, 1.08 * radius.max()))
        else:
            # Planes about the beam have no smallest radius: they are seen from the side.
            outlines = list(corners[..., [2, 0]])
            side.add_collection(
                PolyCollection(outlines, edgecolors=colour.tolist(), facecolors="none", linewidths=0.8)
            )
            reach = 1.08 * float(np.abs(corners[..., 0]).max())
            side.set(xlabel="z [mm]", ylabel="x [mm]", ylim=(-reach, reach))
        side.set_xlim(*(np.array([z.min(), z.max()]) + 0.04 * np.array([-1, 1]) * max(np.ptp(z), 1.0)))
        front.add_collection(
            PolyCollection(list(corners[shown][..., :2]), edgecolors=colour[shown].tolist(), facecolors="none", linewidths=0.8)
        )  # fmt: skip
        reach = 1.08 * radius[shown].max()
        front.set(
            xlabel="x [mm]", ylabel="y [mm]", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal"
        )

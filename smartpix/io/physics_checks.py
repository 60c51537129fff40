"""What pixels, crossings and particles of event files must be: pixels of one cluster belong together,
quantities are physical.

The limits are wide. They find slips of units, of signs and of bytes, and refuse no event that a detector
could see.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.io.event_groups import Columns, Group, Ints
from smartpix.schema import N_COLUMNS, N_ROWS

__all__ = [
    "BESIDE_PIXELS",
    "BESIDE_THICKNESS",
    "CHARGE_TOLERANCE",
    "LARGEST_COT",
    "LARGEST_GAP",
    "LARGEST_MOMENTUM",
    "LARGEST_OF_PARTICLES",
    "MOST_ELECTRONS",
    "OVER_EDGE",
    "check_bare",
    "check_crossings",
    "check_particles",
    "check_pixels",
]

LARGEST_GAP = max(N_ROWS, N_COLUMNS)
"""Rows or columns from one pixel of a cluster to the next one: farther, and no window of the networks holds
both.
"""
BESIDE_PIXELS, BESIDE_THICKNESS = 2, 0.5
"""A cluster's position may be beside the centres of its outermost pixels by this many pixels (charge that
neighbours keep below the threshold), and this share of the sensor's thickness (Lorentz drift: half of the
thickness times a tangent of 1 at most).
"""
CHARGE_TOLERANCE = 1e-4
"""Of the sum of the absolute charges: single precision, added one by one, is off by 6e-8 for each pixel."""
MOST_ELECTRONS = 1e15
"""e: above 16-bit counts of 1e9 e each, the largest charge of a count that `smartpix convert` takes."""
OVER_EDGE = 0.1
"""mm: largest distance of a crossing from the sensor it belongs to, as of particles that come in through its
side.
"""
LARGEST_COT = 1e9
"""Crossings closer to the sensor's plane are along it."""
LARGEST_MOMENTUM = 1e5
"""GeV: twice that of the beams of FCC-hh."""
LARGEST_OF_PARTICLES = {
    "charge": (120.0, "e", "of a nucleus"), **dict.fromkeys(("vx", "vy", "vz"), (1e6, "mm", "in a detector")),
    **dict.fromkeys(("px", "py", "pz"), (1e5, "GeV", "of a collider")),
}  # fmt: skip
"""Largest values of particles' columns, either sign, their units and whose they are: beyond, a number is
damaged.
"""


def check_bare(columns: Columns, clusters: Group, detector: Detector) -> None:
    """Check the hits that come without pixels: they lie on their modules, with a charge that can be.

    Raises:
        InputError: one does not.
    """
    bare = columns["cluster_n_pixels"] == 0
    if not np.any(bare):
        return
    charge, module = columns["cluster_charge"], columns["cluster_module_index"]
    wrong = bare & ((charge < 0) | (charge > MOST_ELECTRONS))
    requirement = f"cluster_charge of a hit without pixels must be from 0 to {MOST_ELECTRONS:g} e"
    clusters.refuse(wrong, requirement, charge)
    for name, half in (("local_x", detector.half_x), ("local_y", detector.half_y)):
        beside = np.abs(columns[f"cluster_{name}"].astype(np.float64)) - half[module]
        requirement = f"cluster_{name} of a hit without pixels must lie on the module, to {OVER_EDGE} mm,"
        clusters.refuse(bare & (beside > OVER_EDGE), requirement, beside, off="its edge")


def check_pixels(columns: Columns, clusters: Group, pixels: Group, detector: Detector) -> None:
    """Check that the pixels of each cluster lie on its module, belong together and to the cluster; hits
    without pixels are passed over.

    Most of the time of reading goes into pixels. What is checked of each is therefore checked in the types of
    the file, and of each cluster once where that is enough; the bad pixel is looked for only if there is one.

    Raises:
        InputError: a pixel beside the module, twice in its cluster or far from the others; a position beside
            the pixels; charges beyond :data:`MOST_ELECTRONS`, or a cluster's that is not the sum of its
            pixels'.
    """
    counts = columns["cluster_n_pixels"].astype(np.int64)
    if np.any(counts == 0):
        # What follows looks at the first and last pixel of each.
        filled = np.flatnonzero(counts)
        columns = {n: v[filled] if n.startswith("cluster_") else v for n, v in columns.items()}
        clusters, counts = clusters.take(filled), counts[filled]
    if len(counts) == 0:
        return
    first = np.cumsum(counts) - counts
    module = columns["cluster_module_index"]
    axes = (
        ("row", detector.n_rows, detector.pitch_y, detector.half_y),
        ("column", detector.n_columns, detector.pitch_x, detector.half_x),
    )
    ends: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
    for name, limit, _, _ in axes:
        index = columns[f"pixel_{name}"]
        low, high = np.minimum.reduceat(index, first), np.maximum.reduceat(index, first)
        ends[name] = low, high
        if np.any((low < 0) | (high >= limit[module])):
            requirement = (
                f"pixel_{name} must lie on its module (detector table and pixels do not belong together)"
            )
            pixels.refuse((index < 0) | (index >= np.repeat(limit[module], counts)), requirement, index)
    _refuse_twice(columns, pixels, first, counts)
    slack = BESIDE_THICKNESS * detector.thickness[module]
    for local, (name, _, pitch, half) in zip(("local_y", "local_x"), axes, strict=True):
        low, high = (end.astype(np.float64) for end in ends[name])
        _refuse_apart(name, columns[f"pixel_{name}"], counts, high - low > LARGEST_GAP, pixels)
        place = columns[f"cluster_{local}"].astype(np.float64) + half[module]
        away = np.maximum((low + 0.5) * pitch[module] - place, place - (high + 0.5) * pitch[module])
        requirement = (
            f"cluster_{local} must lie within {BESIDE_PIXELS} pixels and {BESIDE_THICKNESS:g} of the "
            f"sensor's thickness of its pixels (pixel_{name})"
        )
        clusters.refuse(away > BESIDE_PIXELS * pitch[module] + slack, requirement, away, off="them")
    _check_charges(columns, first, clusters, pixels)


def _check_charges(columns: Columns, first: Ints, clusters: Group, pixels: Group) -> None:
    """Check the charges of pixels, and of clusters, whose pixels begin at ``first``."""
    names = sorted(name for name in columns if name.startswith("pixel_charge_"))
    for name in names:
        values = columns[name]
        # Two passes without a copy: all charges are good in all but damaged files.
        if values.max() > MOST_ELECTRONS or values.min() < -MOST_ELECTRONS:
            requirement = f"{name} must be from {-MOST_ELECTRONS:g} to {MOST_ELECTRONS:g} e"
            pixels.refuse(np.abs(values) > MOST_ELECTRONS, requirement, values)
    # Of negative charges some programs take all into the cluster's, others none (as smartpix does).
    last, charge = columns[names[-1]], columns["cluster_charge"].astype(np.float64)
    everything = np.add.reduceat(last, first, dtype=np.float64)
    positive = everything
    if last.min() < 0:
        positive = np.add.reduceat(np.maximum(last, 0), first, dtype=np.float64)
    allowed = CHARGE_TOLERANCE * (2 * positive - everything)
    clusters.refuse(charge < 0, "cluster_charge must not be negative (e)", charge)
    wrong = (charge < everything - allowed) | (charge > positive + allowed)
    at = positive[int(np.argmax(wrong))]
    clusters.refuse(
        wrong, f"cluster_charge must be the sum of {names[-1]} of its pixels, {at:.9g} e,", charge
    )


def _refuse_twice(columns: Columns, pixels: Group, first: Ints, counts: Ints) -> None:
    """Raise an error for a pixel that is twice in one cluster; ``first``, ``counts``: each cluster's
    pixels.
    """
    row, column = columns["pixel_row"], columns["pixel_column"]
    rises = (row[1:] > row[:-1]) | ((row[1:] == row[:-1]) & (column[1:] > column[:-1]))
    rises[first[1:] - 1] = True
    if np.all(rises):
        return  # pixels are sorted, as ours are, and none can be there twice
    owner = np.repeat(np.arange(len(counts)), counts)
    key = (owner << 32) + (row.astype(np.int64) << 16) + column
    order = np.argsort(key, kind="stable")
    repeated = np.zeros(len(key), dtype=bool)
    repeated[order[1:]] = key[order[1:]] == key[order[:-1]]
    k = int(np.argmax(repeated))
    pixels.refuse(
        repeated,
        f"pixel_row, pixel_column {row[k]}, {column[k]} are there twice in a cluster; list a pixel once",
    )


def _refuse_apart(
    name: str, values: npt.NDArray[Any], counts: Ints, long: npt.NDArray[np.bool_], pixels: Group
) -> None:
    """Raise an error for a pixel far from the others of its cluster along one axis.

    Args:
        values: rows or columns of pixels; counts: how many each cluster has; long: clusters where a pixel
            could be far from the next.
    """
    if not np.any(long):
        return
    chosen = np.flatnonzero(np.repeat(long, counts))
    owner = np.repeat(np.flatnonzero(long), counts[long])
    order = np.lexsort((values[chosen], owner))
    chosen, owner = chosen[order], owner[order]
    steps = np.diff(values[chosen].astype(np.int64))
    steps[owner[1:] != owner[:-1]] = 0
    if np.all(steps <= LARGEST_GAP):
        return
    gap = np.zeros(len(values), dtype=np.int64)
    gap[chosen[1:]] = steps
    requirement = (
        f"pixel_{name} must be within {LARGEST_GAP} of another pixel's of its cluster (its pixels belong "
        "together); the distance"
    )
    pixels.refuse(gap > LARGEST_GAP, requirement, gap)


def check_crossings(columns: Columns, truth: Group, detector: Detector) -> None:
    """Check that true crossings are on their sensors, with directions and momenta that can be.

    A crossing is where the path meets the midplane, which for a particle through the sensor's side is beside
    the sensor, by up to half of the thickness times its slope.

    Raises:
        InputError: one is not.
    """
    module = np.repeat(columns["cluster_module_index"], columns["cluster_n_truth"])
    for axis, angle, half in (("x", "cot_alpha", detector.half_x), ("y", "cot_beta", detector.half_y)):
        slope = np.abs(columns[f"truth_{angle}"].astype(np.float64))
        requirement = f"truth_{angle} must be from {-LARGEST_COT:g} to {LARGEST_COT:g}"
        truth.refuse(slope > LARGEST_COT, requirement, columns[f"truth_{angle}"])
        beside = np.abs(columns[f"truth_{axis}"].astype(np.float64)) - half[module]
        requirement = (
            f"truth_{axis} must lie on the module, to {OVER_EDGE} mm and half of the thickness times the "
            f"slope,"
        )
        truth.refuse(
            beside > OVER_EDGE + detector.thickness[module] / 2 * slope, requirement, beside, off="its edge"
        )
    pt = columns["truth_pt"]
    truth.refuse(
        (pt < 0) | (pt > LARGEST_MOMENTUM), f"truth_pt must be from 0 to {LARGEST_MOMENTUM:g} GeV", pt
    )
    truth.refuse(columns["truth_order"] < 0, "truth_order must not be negative", columns["truth_order"])


def check_particles(columns: Columns, particles: Group) -> None:
    """Check momenta, production points and charges of particles.

    Raises:
        InputError: one is beyond what occurs.
    """
    for name, (limit, unit, _) in LARGEST_OF_PARTICLES.items():
        values = columns[f"particle_{name}"]
        requirement = f"particle_{name} must be from {-limit:.10g} to {limit:.10g} {unit}"
        particles.refuse(np.abs(values) > limit, requirement, values)

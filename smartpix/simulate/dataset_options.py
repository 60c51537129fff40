"""Options of the simulation of data sets: samples of tracks, sensors, induction. Importing them compiles
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from smartpix.schema import (
    N_COLUMNS,
    N_ROWS,
    InputError,
    check,
    check_field,
    check_types,
    one_of,
)
from smartpix.simulate.drift import Sensor
from smartpix.simulate.options import N_SLICES, PT_RANGE, GroupOptions

__all__ = [
    "DATASETS",
    "DEFAULT_TYPE",
    "FULL",
    "INDUCTIONS",
    "PIXELAV",
    "REGION",
    "SENSOR_TYPES",
    "DatasetOptions",
    "Induction",
    "bend",
    "sensor_of_type",
]

Floats = npt.NDArray[np.float64]
Lengths = TypeVar("Lengths", float, Floats)

DATASETS = {
    "2s": "barrel, transverse momenta as in collisions",
    "3s": "barrel, flat in transverse momentum",
    "4s": "end-caps, transverse momenta as in collisions",
    "merged": "barrel, tracks as in 2s, several of them close together",
}
REGION = {"2s": "barrel", "3s": "barrel", "4s": "endcap", "merged": "barrel"}
"""Where the tracks of each data set cross."""

_AT_100_UM = {"thickness": 0.1, "bias": 100.0, "depletion": 7.7}
SENSOR_TYPES: dict[int, Sensor] = {
    1: Sensor(0.05, 0.010, **_AT_100_UM),
    2: Sensor(0.05, 0.0125, **_AT_100_UM),
    3: Sensor(0.05, 0.015, **_AT_100_UM),
    4: Sensor(0.05, 0.020, **_AT_100_UM),
    5: Sensor(0.05, 0.025, **_AT_100_UM),
    6: Sensor(0.10, 0.025, **_AT_100_UM),
    # The depletion voltage of the same bulk grows with the square of the thickness.
    7: Sensor(0.10, 0.025, thickness=0.15, bias=175.0, depletion=7.7 * 1.5**2),
}
"""Sensor by type: pitch 50 x {10, 12.5, 15, 20, 25} um and 100 x 25 um, 100 um thick; type 7 is 150 um
thick.
"""

DEFAULT_TYPE = 2
"""50 x 12.5 x 100 um, that of the talk's networks."""

MOST_LENGTH = {"radius": (10_000, " mm"), "half_width": (1000, " mm"), "max_cot_alpha": (100, "")}
MOST_PIXELS = 200
IN_WINDOW = GroupOptions((1, 2, 3), (0.05, 1.0))
"""Farther apart they leave the window, or are clusters of their own."""


@dataclass(frozen=True)
class Induction:
    """How far induced charge is followed.

    Attributes:
        columns, rows: pixels on each side of a carrier's.
        period: 0: one pixel at 1 V in an unbounded plane. Otherwise the weighting field is mirrored so that
            it repeats after so many pixels, as in the TCAD model behind the public data sets.
    """

    columns: int = 2
    rows: int = 6
    period: int = 0


FULL = Induction()
"""125 um along x and 80 um along y in the default sensor."""
PIXELAV = Induction(1, 1, 5)
"""As in PixelAV and the public data sets: on 3 x 3 pixels, and a field mirrored at 2.5 pixels."""
INDUCTIONS = {"full": FULL, "pixelav": PIXELAV}


@dataclass(frozen=True)
class DatasetOptions:
    """A data set of single clusters.

    Attributes:
        dataset: sample of tracks: ``2s`` (barrel, pT as in collisions), ``3s`` (barrel, flat in pT), ``4s``
            (end-caps, pT as in collisions) or ``merged`` (as 2s, with several close together in a window).
        sensor: pitch, thickness and voltages (:data:`SENSOR_TYPES`).
        field: solenoid field in T: along x in the barrel, along z in the end-caps.
        radius: radius of the barrel layer in mm.
        half_width: half width of the module along y in mm.
        max_cot_alpha: largest cot alpha of tracks in the barrel, which are flat in pseudorapidity.
        pt: range of the transverse momentum in GeV: flat in 3s, the limits of the spectrum otherwise.
        eta: range of the absolute pseudorapidity in the end-caps.
        n_rows: rows of the pixel array.
        n_columns: columns of the pixel array.
        slices: sampled slices of 200 ps, of 0 to 19 and ascending.
        from_far_side: let particles enter through the far side instead of the pixel side.
        induction: pixels on which charge is induced: ``pixelav`` (3 x 3 around a carrier, as in the
            public sets) or ``full`` (5 x 13).
        groups: how many tracks of ``merged`` are in a window, and how far apart.
    """

    dataset: str = one_of("2s", DATASETS)
    sensor: Sensor = field(default_factory=lambda: SENSOR_TYPES[DEFAULT_TYPE])
    field: float = 3.8
    radius: float = 30.0
    half_width: float = 8.0
    max_cot_alpha: float = 8.0
    pt: tuple[float, float] = (0.1, 10.0)
    eta: tuple[float, float] = (1.4, 3.0)
    n_rows: int = N_ROWS
    n_columns: int = N_COLUMNS
    slices: tuple[int, ...] = tuple(range(N_SLICES))
    from_far_side: bool = False
    induction: str = one_of("pixelav", INDUCTIONS)
    groups: GroupOptions = IN_WINDOW

    def described(self) -> dict[str, float]:
        """Pitch and thickness in mm and field in T, as files and weights tell them."""
        return {name: getattr(self.sensor, name) for name in ("pitch_x", "pitch_y", "thickness")} | {
            "field": self.field
        }

    def __post_init__(self) -> None:
        check_types("simulate clusters", self)
        where = "simulate clusters"
        low, high = self.pt
        check_field(where, self.field)
        for name, (most, unit) in MOST_LENGTH.items():
            check(
                where,
                name,
                getattr(self, name),
                0 < getattr(self, name) <= most,
                f"positive and at most {most}{unit}",
            )
        # Below, a track would curl up before it reaches the layer, or cross a module's edge along its
        # surface.
        least = abs(bend(self.radius, self.field)) / math.cos(math.atan(self.half_width / self.radius))
        check(
            where, "pt", self.pt, least < low < high <= PT_RANGE[1],
            f"two rising values above {least:.3f} GeV (which curl up before) and up to {PT_RANGE[1]:g} GeV "
            "(1 GeV = 1000 MeV)",
        )  # fmt: skip
        check(
            where,
            "eta",
            self.eta,
            0 < self.eta[0] < self.eta[1] <= 10,
            "two rising values above 0 and up to 10",
        )
        for name in ("n_rows", "n_columns"):
            good = 3 <= getattr(self, name) <= MOST_PIXELS
            check(where, name, getattr(self, name), good, f"at least 3 and at most {MOST_PIXELS}")
        if self.dataset != "merged" and self.groups != IN_WINDOW:
            raise InputError(
                f"simulate clusters: groups are given and clusters of {self.dataset} are of one track each; "
                f"give dataset merged, or leave them out"
            )
        good = bool(self.slices) and list(self.slices) == sorted(set(self.slices) & set(range(N_SLICES)))
        check(where, "slices", self.slices, good, f"different ones of 0 to {N_SLICES - 1}, ascending")


def sensor_of_type(number: int) -> Sensor:
    """Sensor of a type of the talk.

    Raises:
        InputError: no such type.
    """
    if number not in SENSOR_TYPES:
        kinds = ", ".join(
            f"{k}: {s.pitch_x * 1e3:g} x {s.pitch_y * 1e3:g} x {s.thickness * 1e3:g} um"
            for k, s in SENSOR_TYPES.items()
        )
        raise InputError(f"simulate clusters: type {number} is unknown; there are {kinds}")
    return SENSOR_TYPES[number]


def bend(radius: Lengths, field: float) -> Lengths:
    """pT times sin(dphi) in GeV, dphi being what a track turned between its direction and its azimuth: 0.3 B
    R / 2.

    Args:
        radius: mm; field: T.
    """
    return 0.3e-3 * field * radius / 2

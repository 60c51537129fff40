"""The 21 simulated data sets of the smart-pixel talk: three samples of tracks on seven sensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from smartpix.io.cluster_set import ClusterSet
from smartpix.schema import (
    N_COLUMNS,
    N_ROWS,
    InputError,
    check,
    check_field,
    check_types,
    nearest,
    origin_pixel,
    quoted,
)
from smartpix.simulate.drift import Sensor
from smartpix.simulate.generate import PION_MASS, PT_RANGE
from smartpix.simulate.induction import INDUCTIONS, N_SLICES
from smartpix.simulate.response import induced_charge

__all__ = [
    "DATASETS",
    "REGION",
    "SENSOR_TYPES",
    "DatasetOptions",
    "bend",
    "beta_angle",
    "iterate_dataset",
    "simulate_dataset",
]

Floats = npt.NDArray[np.float64]
Lengths = TypeVar("Lengths", float, Floats)

DATASETS = {
    "2s": "barrel, transverse momenta as in collisions",
    "3s": "barrel, flat in transverse momentum",
    "4s": "end-caps, transverse momenta as in collisions",
}
REGION = {"2s": "barrel", "3s": "barrel", "4s": "endcap"}
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

BATCH = 2000
MOST = {"radius": (10_000, " mm"), "half_width": (1000, " mm"), "max_cot_alpha": (100, "")}
MOST_PIXELS, MOST_CLUSTERS = 200, 1_000_000_000


@dataclass(frozen=True)
class DatasetOptions:
    """How a data set is made.

    Attributes:
        dataset: ``"2s"``, ``"3s"`` or ``"4s"``.
        sensor: see :data:`SENSOR_TYPES`.
        field: solenoid field in T: along x in the barrel, along z in the end-caps.
        radius: of the barrel layer in mm.
        half_width: of the module along y in mm.
        max_cot_alpha: tracks of the barrel are flat in pseudorapidity up to this.
        pt: range in GeV; flat in 3s, otherwise the limits of the spectrum.
        eta: range of |pseudorapidity| in the end-caps.
        n_rows, n_columns: of the pixel array.
        slices: sampled slices of 200 ps.
        from_far_side: the particle enters through the far side instead of the pixel side.
        induction: how far it is followed, ``"pixelav"`` or ``"full"``
            (:data:`smartpix.simulate.induction.INDUCTIONS`).
    """

    dataset: str = "2s"
    sensor: Sensor = field(default_factory=lambda: SENSOR_TYPES[2])
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
    induction: str = "pixelav"

    def described(self) -> dict[str, float]:
        """Pitch and thickness in mm and field in T, as files and weights tell them."""
        return {name: getattr(self.sensor, name) for name in ("pitch_x", "pitch_y", "thickness")} | {
            "field": self.field
        }

    def __post_init__(self) -> None:
        check_types("simulate clusters", self)
        if self.dataset not in DATASETS:
            raise InputError(
                f"data set {quoted(self.dataset)} is unknown.{nearest(self.dataset, DATASETS)} There are "
                + ", ".join(f"{k} ({v})" for k, v in DATASETS.items())
            )
        where = "simulate clusters"
        low, high = self.pt
        check_field(where, self.field)
        for name, (most, unit) in MOST.items():
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
            f"(1 GeV = 1000 MeV)",
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
        check(
            where,
            "induction",
            self.induction,
            self.induction in INDUCTIONS,
            f"one of {', '.join(INDUCTIONS)}",
        )
        known = bool(self.slices) and list(self.slices) == sorted(set(self.slices) & set(range(N_SLICES)))
        check(where, "slices", self.slices, known, f"different ones of 0 to {N_SLICES - 1}, ascending")


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


def beta_angle(pt: Floats, y_local: Floats, radius: float, field: float) -> Floats:
    """Incidence angle beta in rad, as in the talk: pi/2 - dphi - atan(y_local / R), sin(dphi) = 0.3 q B R /
    (2 pT).

    Args:
        pt: signed with the charge, GeV.
        y_local: position on the module, mm.
        radius: of the layer, mm.
        field: T.
    """
    return np.asarray(np.pi / 2 - np.arcsin(bend(radius, field) / pt) - np.arctan(y_local / radius))


def _physical_pt(n: int, limits: tuple[float, float], rng: np.random.Generator) -> Floats:
    """Tsallis spectrum of charged pions at 13 TeV: T = 0.13 GeV, n = 6.6 (CMS, Phys. Rev. D 96 (2017)
    112003).
    """
    pt = np.geomspace(*limits, 2000)
    transverse = np.hypot(pt, PION_MASS) - PION_MASS
    density = pt * (1 + transverse / (6.6 * 0.13)) ** -6.6
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(pt))])
    return np.asarray(np.interp(rng.random(n) * cumulative[-1], cumulative, pt))


def _directions(
    options: DatasetOptions, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """cot alpha, cot beta, signed pT (GeV) and y_local (mm) of n tracks from the beam line."""
    pt = rng.uniform(*options.pt, n) if options.dataset == "3s" else _physical_pt(n, options.pt, rng)
    pt = pt * np.where(rng.random(n) < 0.5, -1.0, 1.0)
    pitch = options.sensor.pitch_y
    y_local = np.rint(rng.uniform(-options.half_width, options.half_width, n) / pitch) * pitch
    if options.dataset in ("2s", "3s"):
        beta = beta_angle(pt, y_local, options.radius, options.field)
        eta = rng.uniform(-1, 1, n) * np.arcsinh(options.max_cot_alpha)
        # Across the module's normal the transverse direction has components cos, sin of (pi/2 - beta).
        return np.sinh(eta) / np.sin(beta), 1 / np.tan(beta), pt, y_local
    # End-cap: x runs radially, the disk is crossed at |r| with a polar angle from the beam line.
    eta = rng.uniform(*options.eta, n)
    # The track turned by half of its azimuth's change since the beam line, and the pixel is off the module's
    # middle line.
    radius = rng.uniform(options.radius, 5 * options.radius, n)
    turned = np.arcsin(np.clip(bend(radius, options.field) / pt, -1, 1)) + np.arctan(y_local / radius)
    return np.cos(turned) / np.sinh(eta), np.sin(turned) / np.sinh(eta), pt, y_local


def simulate_dataset(options: DatasetOptions, n: int, seed: int) -> ClusterSet:
    """Simulate ``n`` clusters of one data set; the same arguments give the same clusters.

    Noise-free, as the public ones: values are rounded to 0.1 e, readout effects are added when a network is
    trained.

    Args:
        n: how many.
        seed: of everything.

    Raises:
        InputError: an option is out of range.
    """
    labels: list[dict[str, Floats]] = []
    charge = np.empty((max(n, 0), len(options.slices), options.n_rows, options.n_columns), dtype=np.float32)
    for k, part in enumerate(iterate_dataset(options, n, seed)):
        # Images may take gigabytes: never twice.
        charge[k * BATCH : k * BATCH + len(part)] = part.charge
        labels.append(part.labels)
    return ClusterSet(
        charge,
        {name: np.concatenate([part[name] for part in labels]) for name in labels[0]},
        tuple(options.slices),
    )


def iterate_dataset(options: DatasetOptions, n: int, seed: int) -> Iterator[ClusterSet]:
    """Simulate the clusters of :func:`simulate_dataset` one batch after another, for sets that do not fit
    into memory.

    Args:
        n: how many in all.
        seed: of everything.

    Yields:
        Sets of at most :data:`BATCH` clusters.

    Raises:
        InputError: an option is out of range.
    """
    where = "simulate clusters"
    check(where, "n", n, 1 <= n <= MOST_CLUSTERS, f"at least 1 and at most {MOST_CLUSTERS}")
    check(where, "seed", seed, 0 <= seed < 2**63, "0 or more, below 2^63")
    sensor = options.sensor
    half_thickness = sensor.thickness / 2
    magnetic = (0.0, 0.0, options.field) if options.dataset == "4s" else (options.field, 0.0, 0.0)
    pitch, size = np.array([sensor.pitch_x, sensor.pitch_y]), (options.n_columns, options.n_rows)
    half = np.array(size) * pitch / 2
    # Labels are counted from the centre of the origin pixel, which is half a pixel off the array's where that
    # is even.
    origin = np.array([origin_pixel(n) + 0.5 - n / 2 for n in size]) * pitch
    for first in range(0, n, BATCH):
        count = min(BATCH, n - first)
        rng = np.random.default_rng([seed, first])
        cot_alpha, cot_beta, pt, y_local = _directions(options, count, rng)
        # PixelAV spreads the crossings of the midplane over 3 x 3 pixels about the middle of the array.
        crossed = rng.uniform(-1.5, 1.5, (count, 2)) * pitch
        sign = 1.0 if options.from_far_side else -1.0
        normal = sign / np.sqrt(1 + cot_alpha**2 + cot_beta**2)
        direction = np.stack([cot_alpha * normal, cot_beta * normal, normal], axis=1)
        if options.dataset == "4s":
            p = np.abs(pt) / np.hypot(direction[:, 0], direction[:, 1])
        else:
            p = np.abs(pt) / np.hypot(direction[:, 1], direction[:, 2])
        crossing, row, column, signal, pairs = induced_charge(
            crossed, direction, p / np.hypot(p, PION_MASS), np.tile(half, (count, 1)), sensor, magnetic,
            options.slices, int(rng.integers(2**31)), INDUCTIONS[options.induction], ends_at_array=False,
            smallest=0.05,
        )  # fmt: skip
        charge = np.zeros((count, len(options.slices), options.n_rows, options.n_columns), dtype=np.float32)
        charge[crossing, :, row, column] = np.round(signal, 1)
        z_entry = np.full(count, 0.0 if options.from_far_side else sensor.thickness)
        midplane = crossed - origin
        entry = midplane + np.stack([cot_alpha, cot_beta], axis=1) * (z_entry - half_thickness)[:, None]
        labels = {
            "x-entry": entry[:, 0] * 1e3, "y-entry": entry[:, 1] * 1e3, "z-entry": z_entry * 1e3,
            "n_x": direction[:, 0] * p, "n_y": direction[:, 1] * p, "n_z": direction[:, 2] * p,
            "number_eh_pairs": pairs.astype(np.float64), "y-local": y_local, "pt": pt,
            "cotAlpha": cot_alpha, "cotBeta": cot_beta,
            "x-midplane": midplane[:, 0] * 1e3, "y-midplane": midplane[:, 1] * 1e3,
        }  # fmt: skip
        yield ClusterSet(charge, labels, tuple(options.slices))

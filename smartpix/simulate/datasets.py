"""The 21 simulated data sets of the smart-pixel talk, three samples of tracks on seven sensors; and windows
that several particles cross.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from smartpix.io.cluster_set import N_PARTICLES, ClusterSet, label_of
from smartpix.physics import PION_MASS
from smartpix.schema import (
    check,
    origin_pixel,
)
from smartpix.simulate.dataset_options import (
    DATASETS,
    INDUCTIONS,
    REGION,
    SENSOR_TYPES,
    DatasetOptions,
    bend,
)
from smartpix.simulate.groups import Groups, draw_groups
from smartpix.simulate.options import GroupOptions
from smartpix.simulate.passages import Passages, SignalPrecision
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


BATCH = 2000
SMALLEST = 0.05
"""e. Charges are rounded to 0.1 e, so that smaller ones are zero."""
MOST_CLUSTERS = 1_000_000_000


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
    options: DatasetOptions, groups: Groups, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """cot alpha, cot beta, signed pT (GeV) and y_local (mm) of tracks from the beam line."""
    n = len(groups.first)
    pt = rng.uniform(*options.pt, n) if options.dataset == "3s" else _physical_pt(n, options.pt, rng)
    pt = pt * np.where(rng.random(n) < 0.5, -1.0, 1.0)
    pitch = options.sensor.pitch_y
    y_local = np.rint(rng.uniform(-options.half_width, options.half_width, n) / pitch) * pitch
    if options.dataset in ("2s", "3s", "merged"):
        y_local = y_local[groups.first]
        beta = beta_angle(pt, y_local, options.radius, options.field)
        eta = rng.uniform(-1, 1, n) * np.arcsinh(options.max_cot_alpha)
        if options.dataset == "merged":
            eta, beta = groups.directed(np.stack([eta, beta], axis=1), rng).T
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
    sensor, merged = options.sensor, options.dataset == "merged"
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
        groups = draw_groups(options.groups if merged else GroupOptions(), count, rng, whole=True)
        n_particles = len(groups.first)
        cot_alpha, cot_beta, pt, y_local = _directions(options, groups, rng)
        # PixelAV spreads the crossings of the midplane over 3 x 3 pixels about the middle of the array.
        crossed = rng.uniform(-1.5, 1.5, (n_particles, 2)) * pitch
        if merged:
            cots = np.stack([cot_alpha, cot_beta], axis=1)
            crossed = crossed[groups.first] + groups.offsets(cots, pitch, sensor.thickness, rng)
        sign = 1.0 if options.from_far_side else -1.0
        normal = sign / np.sqrt(1 + cot_alpha**2 + cot_beta**2)
        direction = np.stack([cot_alpha * normal, cot_beta * normal, normal], axis=1)
        if options.dataset == "4s":
            p = np.abs(pt) / np.hypot(direction[:, 0], direction[:, 1])
        else:
            p = np.abs(pt) / np.hypot(direction[:, 1], direction[:, 2])
        beta, half_size = p / np.hypot(p, PION_MASS), np.tile(half, (n_particles, 1))
        crossing, row, column, signal, pairs = induced_charge(
            Passages(crossed, direction, beta, half_size, ends_at_array=False), sensor, magnetic,
            options.slices, int(rng.integers(2**31)),
            SignalPrecision(INDUCTIONS[options.induction], SMALLEST),
        )  # fmt: skip
        charge = np.zeros((count, len(options.slices), options.n_rows, options.n_columns), dtype=np.float32)
        window, number = np.cumsum(groups.number == 0) - 1, groups.number
        for k in range(number.max() + 1):
            # A particle has each pixel once, a window may have it of several particles.
            own = number[crossing] == k
            at = window[crossing[own]]
            charge[at, :, row[own], column[own]] += np.round(signal[own], 1)
        z_entry = np.full(n_particles, 0.0 if options.from_far_side else sensor.thickness)
        midplane = crossed - origin
        entry = midplane + np.stack([cot_alpha, cot_beta], axis=1) * (z_entry - half_thickness)[:, None]
        labels = {
            "x-entry": entry[:, 0] * 1e3, "y-entry": entry[:, 1] * 1e3, "z-entry": z_entry * 1e3,
            "n_x": direction[:, 0] * p, "n_y": direction[:, 1] * p, "n_z": direction[:, 2] * p,
            "number_eh_pairs": pairs.astype(np.float64), "y-local": y_local, "pt": pt,
            "cotAlpha": cot_alpha, "cotBeta": cot_beta,
            "x-midplane": midplane[:, 0] * 1e3, "y-midplane": midplane[:, 1] * 1e3,
        }  # fmt: skip
        yield ClusterSet(
            charge, _by_particle(labels, window, number) if merged else labels, tuple(options.slices)
        )


def _by_particle(
    labels: dict[str, Floats], window: npt.NDArray[np.int64], number: npt.NDArray[np.int64]
) -> dict[str, Floats]:
    """Labels of particles as labels of windows: of the first, second and third of each, nan where there is
    none.
    """
    by_window = {}
    for k in (1, 2, 3):
        rows = number == k - 1
        for name, values in labels.items():
            column = by_window[label_of(name, k)] = np.full(window[-1] + 1, np.nan)
            column[window[rows]] = values[rows]
    return by_window | {N_PARTICLES: np.bincount(window).astype(np.float64)}

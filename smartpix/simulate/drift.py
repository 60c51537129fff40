"""Charge transport in the silicon: field, mobility, drift in E x B, diffusion.

Everything depends on the depth alone, so a carrier's path is read from cumulative tables: with tau(z) the
time to drift from the far side to z, a carrier born at z0 is after t at tau^-1(tau(z0) + t). Lengths in mm,
time in ns, fields in V/cm and T, as the formulas' sources write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError, check_types
from smartpix.simulate.radiation import ACTIVE_BASE, check_fluence, space_charge_voltages, trapping_rate

__all__ = ["DriftTables", "Sensor", "drift_tables", "electric_field", "mobility"]

Floats = npt.NDArray[np.float64]

HALL_ELECTRON, HALL_HOLE = 1.12, 0.9
BOLTZMANN_OVER_E = 8.617333262e-5  # V/K
N_DEPTH = 401


@dataclass(frozen=True)
class Sensor:
    """A planar n-in-p pixel sensor (electrons are collected).

    Attributes:
        pitch_x: pitch along x in mm.
        pitch_y: pitch along y in mm.
        thickness: thickness in mm.
        bias: reverse bias in V.
        depletion: full depletion voltage at this thickness in V.
        temperature: temperature in K.
        lorentz_scale: factor of the carriers' Hall mobilities, and with them of the tangent of the Lorentz
            angle.
        fluence: radiation that the silicon has taken, in neq/cm2 (:mod:`smartpix.simulate.radiation`).
    """

    pitch_x: float = 0.05
    pitch_y: float = 0.0125
    thickness: float = 0.1
    bias: float = 100.0
    depletion: float = 7.7
    temperature: float = 263.0
    lorentz_scale: float = 1.0
    fluence: float = 0.0

    def __post_init__(self) -> None:
        check_types("sensor", self)
        for name in ("pitch_x", "pitch_y", "thickness", "bias", "temperature", "lorentz_scale"):
            if not getattr(self, name) > 0:
                raise InputError(f"sensor: {name} must be positive and is {getattr(self, name)}")
        if not self.depletion >= 0:
            raise InputError(f"sensor: depletion must be 0 V or more and is {self.depletion}")
        if self.bias <= self.depletion:
            raise InputError(
                f"sensor: bias {self.bias} V does not deplete the sensor ({self.depletion} V needed); raise "
                "the bias"
            )
        check_fluence("sensor", self.fluence)


def electric_field(sensor: Sensor, z: npt.ArrayLike) -> Floats:
    """Magnitude in V/cm at height z (mm, from the midplane towards the pixels); the field points away from
    the pixels. Its integral over the thickness is the bias.

    n-in-p: the junction, and with it the larger field, is on the pixel side. Irradiated silicon has a second
    peak on the far side (:func:`smartpix.simulate.radiation.space_charge_voltages`). Where the bias does not
    deplete it, what is left conducts badly and keeps a field, here :data:`ACTIVE_BASE` of the mean one (M.
    Mikuz et al., 26th RD50 workshop, 2015): the space charge is scaled down until that holds.
    """
    if sensor.fluence > 0:
        return _irradiated_field(sensor, np.asarray(z, dtype=np.float64))
    return np.asarray(
        (sensor.bias + sensor.depletion * 2 * np.asarray(z) / sensor.thickness) / (sensor.thickness / 10)
    )


def _irradiated_field(sensor: Sensor, z: Floats) -> Floats:
    first, second = space_charge_voltages(sensor.fluence, sensor.thickness)
    first += sensor.depletion

    def bent(u: Floats | float) -> Floats:
        return np.asarray(first * u + second * (u * u - 1 / 3))

    # Where the parabola is lowest, or the far side where that lies beyond.
    lowest = float(bent(-first / (2 * second) if first < 2 * second else -1.0))
    most = (1 - ACTIVE_BASE) * sensor.bias
    scale = most / max(most, -lowest)
    return np.asarray((sensor.bias + scale * bent(2 * z / sensor.thickness)) / (sensor.thickness / 10))


@dataclass(frozen=True)
class DriftTables:
    """Carrier motion on a uniform grid of depth, z from -thickness/2 to +thickness/2 (pixel side).

    Attributes:
        z: (K,) grid in mm.
        tau_e, tau_h: (K,) ns; electrons count from the far side upwards, holes from the pixel side downwards.
        shift_e, shift_h: (K, 2) cumulative lateral drift in x and y in mm, same origins.
        variance_e: (K,) cumulative variance of the electrons' diffusion per axis in mm^2.
        trapping_e, trapping_h: rates in 1/ns at which carriers are trapped, 0 without fluence.
    """

    z: Floats
    tau_e: Floats
    tau_h: Floats
    shift_e: Floats
    shift_h: Floats
    variance_e: Floats
    trapping_e: float = 0.0
    trapping_h: float = 0.0

    def longest(self) -> float:
        """Time in ns after which every carrier has arrived."""
        return float(max(self.tau_e.max(), self.tau_h.max()))

    def lorentz_shift(self) -> Floats:
        """(2,) mean lateral displacement of the collected electrons of a track, in mm.

        Where electrons are trapped, those from near the pixels arrive more often and count for more.
        """
        # A track leaves its charge evenly over the depth, hence the plain mean.
        if self.trapping_e > 0:
            arrives = np.exp(-self.trapping_e * (self.tau_e[-1] - self.tau_e))
            return np.asarray(self.shift_e[-1] - np.average(self.shift_e, axis=0, weights=arrives))
        return np.asarray(self.shift_e[-1] - self.shift_e.mean(axis=0))


def mobility(field: npt.ArrayLike, temperature: float, electrons: bool) -> Floats:
    """Drift mobility in cm^2/(V s) at a field in V/cm.

    Source: C. Jacoboni et al., Solid-State Electronics 20 (1977) 77.
    """
    # Parameters of the fit in the source, which gives v_max in cm/s and the critical field in V/cm.
    t = temperature
    if electrons:
        v_max, critical, power = 1.53e9 * t**-0.87, 1.01 * t**1.55, 0.0257 * t**0.66
    else:
        v_max, critical, power = 1.62e8 * t**-0.52, 1.24 * t**1.68, 0.46 * t**0.17
    e = np.asarray(field, dtype=np.float64)
    return np.asarray((v_max / critical) / (1 + (e / critical) ** power) ** (1 / power))


def _velocity(
    field: Floats, magnetic: tuple[float, float, float], sensor: Sensor, electrons: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """|v_z|, v_x, v_y in mm/ns and mobility, for E = -field along z.

    Source: K. Seeger, Semiconductor Physics; v = mu [qE + mu r E x B + q mu^2 r^2 (E.B) B] / (1 + mu^2 r^2
    B^2).
    """
    mu = mobility(field, sensor.temperature, electrons)
    # What bends carriers is the Hall mobility, which scattering makes larger or smaller than the drift
    # mobility by this factor.
    hall = (HALL_ELECTRON if electrons else HALL_HOLE) * sensor.lorentz_scale
    charge = -1.0 if electrons else 1.0
    b = np.asarray(magnetic)
    m = mu * 1e-4 * hall  # m^2/(V s): times T is dimensionless
    e = np.zeros((len(field), 3))
    e[:, 2] = -field
    cross = np.cross(e, b)
    along = (e @ b)[:, None] * b[None, :]
    velocity = (mu / (1 + m**2 * (b @ b)))[:, None] * (
        charge * e + m[:, None] * cross + charge * (m**2)[:, None] * along
    )
    velocity *= 1e-8  # cm/s -> mm/ns
    return np.abs(velocity[:, 2]), velocity[:, 0], velocity[:, 1], mu


@lru_cache(maxsize=32)
def drift_tables(sensor: Sensor, magnetic: tuple[float, float, float]) -> DriftTables:
    """Tables for one sensor in one magnetic field.

    Args:
        magnetic: field in the sensor frame in T.
    """
    z = np.linspace(-sensor.thickness / 2, sensor.thickness / 2, N_DEPTH)
    field = electric_field(sensor, z)

    def cumulative(rate: Floats) -> Floats:
        steps = 0.5 * (rate[1:] + rate[:-1]) * (z[1] - z[0])
        return np.concatenate([[0.0], np.cumsum(steps)])

    # Electrons are counted from the far side, holes from the pixel side: a carrier made at depth z has the
    # rest of its way ahead, which is a difference of two entries.
    vz_e, vx_e, vy_e, mu_e = _velocity(field, magnetic, sensor, True)
    vz_h, vx_h, vy_h, _ = _velocity(field, magnetic, sensor, False)
    # Einstein's relation. Of the electrons alone: they decide which pixel collects the charge.
    diffusion = BOLTZMANN_OVER_E * sensor.temperature * mu_e * 1e-7  # cm^2/s -> mm^2/ns
    return DriftTables(
        z=z,
        tau_e=cumulative(1 / vz_e),
        tau_h=cumulative((1 / vz_h)[::-1])[::-1],
        shift_e=np.stack([cumulative(vx_e / vz_e), cumulative(vy_e / vz_e)], axis=1),
        shift_h=np.stack(
            [cumulative((vx_h / vz_h)[::-1])[::-1], cumulative((vy_h / vz_h)[::-1])[::-1]], axis=1
        ),
        variance_e=cumulative(2 * diffusion / vz_e),
        trapping_e=trapping_rate(sensor.fluence, sensor.temperature, electrons=True),
        trapping_h=trapping_rate(sensor.fluence, sensor.temperature, electrons=False),
    )

"""What a fluence of particles does to silicon: traps, space charge, leakage.

Fluences are in neq/cm2, the damage of as many 1 MeV neutrons. The functions take numbers, not a sensor, and
:mod:`smartpix.simulate.drift` asks them.
"""

from __future__ import annotations

import math

from smartpix.schema import check

__all__ = [
    "ACTIVE_BASE",
    "MOST_FLUENCE",
    "check_fluence",
    "fluence_of_luminosity",
    "leakage_noise",
    "operating_bias",
    "space_charge_voltages",
    "trapping_rate",
]

MOST_FLUENCE = 2e16
"""neq/cm2. Trapping was measured up to 3e15 and is extrapolated from there; beyond, mobility falls, too."""

# At low fluence (measured up to 2e14, charged hadrons, -10 C): cm^2/ns, and its power of the temperature.
KRAMBERGER = {True: (5.6e-16, -0.86), False: (7.7e-16, -1.52)}
KRAMBERGER_TEMPERATURE = 263.0  # K
# At high fluence (measured from 3e14 to 3e15, protons, -20 C): cm^2/ns and 1/ns.
CMS_TRACKER = {True: (1.71e-16, 0.114), False: (2.79e-16, 0.093)}

ELEMENTARY_CHARGE = 1.602176634e-19  # C
PERMITTIVITY = 11.7 * 8.8541878128e-14  # of silicon, F/cm
PIXEL_SIDE, FAR_SIDE = 0.02, 0.01
"""Acceptors at the pixel side and donors at the far side that become space charge, per neq/cm2, in 1/cm."""
ACTIVE_BASE = 0.1
"""Least field over the mean field: silicon that is not depleted conducts badly and keeps a field."""

DAMAGE_CURRENT = 3.99e-17  # A/cm at 293.15 K
CURRENT_TEMPERATURE, CURRENT_ENERGY = 293.15, 1.21  # K, eV
BOLTZMANN_OVER_E = 8.617333262e-5  # V/K

OPERATING = ((0.0, 100.0), (1e15, 200.0), (5e15, 450.0), (1e16, 600.0))
"""Fluence and the bias in V of a sensor of 100 um that is raised with it."""

INNERMOST = 2e16 / 3000
"""neq/cm2 per fb-1 in the innermost pixel layer at the HL-LHC."""


def check_fluence(section: str, fluence: float) -> None:
    """Check that a fluence is one that the model is for.

    Raises:
        InputError: it is not.
    """
    expected = f"from 0 to {MOST_FLUENCE:g} neq/cm2"
    check(section, "fluence", fluence, 0 <= fluence <= MOST_FLUENCE, expected)


def trapping_rate(fluence: float, temperature: float, electrons: bool) -> float:
    """Rate in 1/ns at which a carrier is trapped; 0 at no fluence.

    The lower of two published ones: proportional to the fluence where that was measured, and the slower rise
    of higher fluences. They meet near 3e14 neq/cm2 for electrons and 2e14 for holes. Traps let go within
    microseconds, much later than a signal lasts.

    Source: G. Kramberger et al., NIM A 481 (2002) 297, eq. 4 and 9, tables 2 and 3; W. Adam et al. (CMS
    Tracker), JINST 11 (2016) P04023, table 2, between whose points the line is that of Allpix Squared.

    Args:
        fluence: neq/cm2; temperature: K.
    """
    beta, power = KRAMBERGER[electrons]
    low = beta * fluence * float((temperature / KRAMBERGER_TEMPERATURE) ** power)
    slope, offset = CMS_TRACKER[electrons]
    return min(low, slope * fluence + offset)


def space_charge_voltages(fluence: float, thickness: float) -> tuple[float, float]:
    """Voltages V_1, V_2 by which radiation bends the field, (bias + V_1 u + V_2 (u^2 - 1/3)) / thickness,
    where u goes from -1 on the far side to 1 at the pixels.

    Traps fill from the currents of electrons and holes, which flow to opposite sides: the space charge is
    negative near the pixels, positive on the far side and linear in between. The field is a parabola with a
    peak at either side. How much charge is there is this model's choice: acceptors at the pixels as RD50
    finds them after neutrons, 0.02 /cm, and half as many donors on the far side.

    Source of the shape: V. Eremin et al., NIM A 476 (2002) 556; V. Chiochia et al., IEEE Trans. Nucl. Sci. 52
    (2005) 1067. Of the acceptors: M. Moll, IEEE Trans. Nucl. Sci. 65 (2018) 1561.

    Args:
        fluence: neq/cm2; thickness: mm.
    """
    # Depletion voltage e N d^2 / (2 eps) of the space charge at either side.
    volts = ELEMENTARY_CHARGE * fluence * (thickness / 10) ** 2 / (2 * PERMITTIVITY)
    pixels, far = PIXEL_SIDE * volts, -FAR_SIDE * volts
    return (pixels + far) / 2, (pixels - far) / 4


def leakage_noise(fluence: float, temperature: float, volume: float, time: float) -> float:
    """Shot noise in electrons of the current that radiation makes in a pixel.

    Source: M. Moll, PhD thesis, Hamburg 1999 (4e-17 A/cm after 80 min at 60 C); temperature: A. Chilingarov,
    JINST 8 (2013) P10003.

    Args:
        fluence: neq/cm2; temperature: K; volume: of the pixel, mm^3; time: that is integrated over, ns.
    """
    ratio = temperature / CURRENT_TEMPERATURE
    colder = ratio**2 * math.exp(
        -CURRENT_ENERGY / (2 * BOLTZMANN_OVER_E) * (1 / temperature - 1 / CURRENT_TEMPERATURE)
    )
    current = DAMAGE_CURRENT * fluence * volume * 1e-3 * colder
    return math.sqrt(current * time * 1e-9 / ELEMENTARY_CHARGE)


def operating_bias(fluence: float) -> float:
    """Bias in V for 100 um of thickness at which a sensor may be run after a fluence in neq/cm2, between the
    points of :data:`OPERATING`; the last one's beyond.
    """
    (before, volts), *later = OPERATING
    for after, raised in later:
        if fluence <= after:
            return volts + (raised - volts) * (fluence - before) / (after - before)
        before, volts = after, raised
    return volts


def fluence_of_luminosity(luminosity: float) -> float:
    """Fluence in neq/cm2 in the innermost pixel layer after an integrated luminosity in fb-1.

    Source: 2e16 after 3,000 fb-1 at the place of the innermost layers of ATLAS and CMS: J. Schwandt et al.,
    arXiv 1904.10234.
    """
    return INNERMOST * luminosity

"""Constants of physics that more than one room needs, each with its source.

Two models of multiple scattering use them. The search for edges (:func:`seeding.table.scattering_constant`)
needs one number for a whole layer at any incidence: it leaves Highland's logarithm out, and its material is
an option. The fit (:mod:`tracking.fit.material`) knows the surfaces and the angles of a track: it keeps the
logarithm and takes the material of each surface. Their materials differ because they stand for different
things, and only the constants here are common.
"""

from __future__ import annotations

__all__ = [
    "CURVATURE_PER_TESLA", "ELECTRON_MASS", "HIGHLAND", "PION_MASS", "PROTON_MASS", "SILICON_RADIATION_LENGTH",
    "SPEED_OF_LIGHT",
]  # fmt: skip

PION_MASS = 0.13957
"""GeV, of charged pions (PDG). Tracks are taken for pions where nothing says what they are."""
ELECTRON_MASS, PROTON_MASS = 0.51099895e-3, 0.93827209
"""GeV (PDG)."""
HIGHLAND = 0.0136
"""GeV: scale of the angle of multiple scattering (PDG, Passage of Particles Through Matter, eq. 34.16)."""
SILICON_RADIATION_LENGTH = 95.7
"""mm, as in the material of ACTS's generic detector, through which events are simulated (PDG: 93.7 mm)."""
SPEED_OF_LIGHT = 299.792458
"""mm/ns."""
CURVATURE_PER_TESLA = 1e-6 * SPEED_OF_LIGHT
"""Curvature in 1/mm of a particle of 1 GeV across a field of 1 T."""

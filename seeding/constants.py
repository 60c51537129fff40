"""Constants that the compiled loops of the search share, and the columns of their tables."""

from __future__ import annotations

import math

import numpy as np

__all__ = [
    "AHEAD",
    "ALONG",
    "A_FORM",
    "B_FORM",
    "D_FORM",
    "FAR",
    "HALF",
    "HIGH",
    "LARGEST",
    "LEFT",
    "LOW",
    "MOST_BENT",
    "NEAREST",
    "N_COLUMNS",
    "N_PHI",
    "ONE",
    "OVERLAP",
    "PHI_SCALE",
    "PI",
    "RADIUS",
    "SHARPEST",
    "SINGULAR",
    "SOURCES",
    "STEEPEST",
    "TIE",
    "TWO",
    "ZERO",
    "R",
    "X",
    "Y",
    "Z",
]

# A cell is 12 mrad wide. The softest track (0.48 GeV in 3.8 T) turns by 47 mrad between the first two barrel
# layers, so that few hits in the cells under its box lie outside the box.
N_PHI = 512
"""Azimuthal cells of the grid."""
PHI_SCALE = np.float32(N_PHI / (2 * math.pi))

RADIUS, ALONG, LOW, HIGH = range(4)
"""Columns of :attr:`seeding.arrays.HitTable.near`: r, z, and the lowest and highest slope dz/ds."""
X, Y, Z, R, A_FORM, B_FORM, D_FORM, TIE, LEFT = 0, 1, 2, 3, 4, 7, 10, 13, 14
"""Columns of :attr:`seeding.arrays.HitTable.hits`; each form has three."""
N_COLUMNS = 16
"""A cache line of single precision."""

SOURCES = 64
"""Hits whose boxes are worked out side by side; tables that they read have as many rows more."""

FAR = np.float32(1e9)
"""Beyond every slope, every length (mm) and every chi2."""
# Literals would be double precision, and what they touch too: half as many numbers in a register.
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
PI = np.float32(math.pi)
NEAREST = np.float32(1e-3)
"""A target lies further out than its source by more than this, and a source from the beam line (mm)."""
MOST_BENT = np.float32(0.98)
"""Largest square of the sine of half the turn: a track that is about to turn back is none."""
OVERLAP = np.float32(20)
"""How much further out (mm) a track may meet a second module of the same disk."""
LARGEST = 1e6
"""Coordinates (mm) beyond are refused: single precision would not hold them."""
STEEPEST = 1e6
"""Largest slope of an estimate, and largest sigma of one."""
SINGULAR = 1e-12
"""Smallest determinant of a covariance, over the product of its diagonal: single precision has 7 digits."""
SHARPEST = 1e-6
"""Smallest width of the impact parameter, mm."""
AHEAD = np.float32(0.5 * math.pi + 1e-4)
"""Azimuth between two hits of an edge, at most: its target lies beyond the tangent at its source."""

"""What may be set in ACTS's chain, in which ranges, and how a setting is drawn and varied.

A setting is a plain dictionary: ``seeding`` has cuts of GridTriplet seeding or of GBTS, ``chain`` the fields of
:class:`tracking.acts.reference.ActsOptions`. Lengths in mm, momenta in GeV.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ANCHORS", "CHAIN", "GBTS", "SEEDING", "Z_BINS", "Range", "Setting", "algorithm_of_cuts", "chain_key", "drawn", "mixed",
    "ranges_of", "seeding_cuts", "varied",
]  # fmt: skip

Setting = dict[str, dict[str, Any]]

Z_BINS: Mapping[str, list[float]] = {
    "one": [],
    "six": [-2000.0, -800.0, -300.0, 0.0, 300.0, 800.0, 2000.0],
    "eight": [-2000.0, -800.0, -400.0, -200.0, 0.0, 200.0, 400.0, 800.0, 2000.0],
    "twelve": [-2000.0, -1000.0, -600.0, -400.0, -250.0, -120.0, 0.0, 120.0, 250.0, 400.0, 600.0, 1000.0, 2000.0],
}  # fmt: skip
"""Edges of the seeding's grid along z, by name."""


@dataclass(frozen=True)
class Range:
    """A number between two ends, evenly in its logarithm where ``log``; whole where ``whole``."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """Anywhere in the range."""
        return self._at(rng.uniform())

    def vary(self, value: float, rng: np.random.Generator) -> float:
        """Near a value: a step of a tenth of the range."""
        low, high = (math.log(v) if self.log else v for v in (self.low, self.high))
        place = ((math.log(max(value, self.low)) if self.log else value) - low) / (high - low)
        # A whole number would hardly ever leave its place by small steps.
        step = max(0.1, 0.8 / (high - low)) if self.whole else 0.1
        return self._at(float(np.clip(place + rng.normal(0, step), 0, 1)))

    def _at(self, place: float) -> float:
        if self.log:
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + place * (self.high - self.low)
        # Three digits: what a fourth changes, no sample here can tell.
        return round(value) if self.whole else float(f"{value:.3g}")


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """Any of them."""
        return self.values[rng.integers(len(self.values))]

    def vary(self, value: Any, rng: np.random.Generator) -> Any:
        """Any of them, whatever it was."""
        return self.draw(rng)


YES_OR_NO = Choice((False, True))

SEEDING: Mapping[str, Range | Choice] = {
    "minPt": Range(0.4, 0.88),
    "impactMax": Range(0.2, 10.0, log=True),
    "deltaRMin": Range(3.0, 35.0),
    "deltaRMaxBottom": Range(50.0, 120.0),
    "deltaRMaxTop": Range(50.0, 120.0),
    "deltaZ": Range(200.0, 700.0, log=True),
    "collisionRegion": Range(110.0, 250.0),
    "sigmaScattering": Range(1.0, 6.0, log=True),
    "radLengthPerSeed": Range(0.01, 0.1, log=True),
    "maxSeedsPerSpM": Range(0, 6, whole=True),
    "cotThetaMax": Range(6.2, 12.0),
    "helixCutTolerance": Range(0.8, 1.5),
    "impactWeightFactor": Range(0.1, 10.0, log=True),
    "compatSeedLimit": Range(0, 3, whole=True),
    "compatSeedWeight": Range(20.0, 500.0, log=True),
    "phiBinDeflectionCoverage": Range(1, 6, whole=True),
    "numPhiNeighbors": Range(1, 3, whole=True),
    "zBinEdges": Choice(tuple(Z_BINS)),
    "interactionPointCut": YES_OR_NO,
    "useVariableMiddleSPRange": YES_OR_NO,
    "deltaRMiddleMinSPRange": Range(0.0, 40.0),
    "deltaRMiddleMaxSPRange": Range(0.0, 40.0),
    "useDeltaRinsteadOfTopRadius": YES_OR_NO,
}
"""Of GridTriplet seeding. ``deltaZ`` and ``collisionRegion`` are half widths of symmetric cuts; ``zBinEdges``
is a name of :data:`Z_BINS`.
"""

GBTS: Mapping[str, Range | Choice] = {
    "minPt": Range(0.4, 0.88),
    "scale": Range(1.3, 4.0, log=True),
    "cotThetaMax": Range(6.2, 12.0),
    "collisionRegion": Range(110.0, 250.0),
    "minSeedLevel": Choice((3, 3, 4)),
    "addTriplets": Choice((True, True, False)),
    "maxAbsEtaAddTriplets": Choice((1.5, 2.5, 4.0)),
    "matchBeforeCreate": YES_OR_NO,
    "useAdaptiveCuts": YES_OR_NO,
    "validateTriplets": YES_OR_NO,
    "maxEdgesPerSP": Range(4.0, 12.0),
    "minDeltaRadius": Range(2.0, 40.0),
}
"""Of GBTS: cuts of :data:`seeding.acts_gbts.BALANCED`, with ``collisionRegion`` as above."""

CHAIN: Mapping[str, Range | Choice] = {
    "chi2": Range(8.0, 100.0, log=True),
    "outlier_chi2": Range(8.0, 60.0, log=True),
    "branches": Range(1, 4, whole=True),
    "two_way": YES_OR_NO,
    "deduplicate": YES_OR_NO,
    "stay_on_seed": YES_OR_NO,
    "max_holes": Range(0, 2, whole=True),
    "min_pt": Choice((0.0, 0.3, 0.45)),
    "max_d0": Choice((math.inf, 5.0, 1.0, 0.5, 0.3)),
    "min_hits": Choice((4, 4, 4, 5)),
    "shared_hits": Range(0, 4, whole=True),
    "sigma_position": Range(0.02, 0.5, log=True),
    "sigma_angle": Range(0.001, 0.03, log=True),
    "sigma_qopt": Range(0.005, 0.1, log=True),
    "sigma_pt": Range(0.01, 0.3, log=True),
}
"""After the seeding: fields of ActsOptions."""

_CUTS = {
    "minPt": 0.5, "impactMax": 1.0, "deltaRMin": 20.0, "deltaRMaxBottom": 80.0, "deltaRMaxTop": 80.0,
    "deltaZ": 350.0, "collisionRegion": 200.0, "sigmaScattering": 3.0, "radLengthPerSeed": 0.05,
    "maxSeedsPerSpM": 1, "cotThetaMax": 10.0, "helixCutTolerance": 1.0, "impactWeightFactor": 1.0,
    "compatSeedLimit": 2, "compatSeedWeight": 200.0, "phiBinDeflectionCoverage": 3, "numPhiNeighbors": 2,
    "zBinEdges": "eight", "interactionPointCut": True, "useVariableMiddleSPRange": True,
    "deltaRMiddleMinSPRange": 10.0, "deltaRMiddleMaxSPRange": 10.0, "useDeltaRinsteadOfTopRadius": False,
}  # fmt: skip
_GBTS_CUTS = {
    "minPt": 0.5, "scale": 2.4, "cotThetaMax": 10.0, "collisionRegion": 170.0, "minSeedLevel": 3,
    "addTriplets": True, "maxAbsEtaAddTriplets": 4.0, "matchBeforeCreate": True, "useAdaptiveCuts": True,
    "validateTriplets": True, "maxEdgesPerSP": 8.0, "minDeltaRadius": 2.0,
}  # fmt: skip
_OPTIONS = {
    "chi2": 30.0, "outlier_chi2": 30.0, "branches": 1, "two_way": True, "deduplicate": True,
    "stay_on_seed": True, "max_holes": 0, "min_pt": 0.0, "max_d0": math.inf, "min_hits": 4, "shared_hits": 1,
    "sigma_position": 0.1, "sigma_angle": 0.005, "sigma_qopt": 0.03, "sigma_pt": 0.05,
}  # fmt: skip
_COARSE = {
    "phiBinDeflectionCoverage": 1,
    "numPhiNeighbors": 1,
    "zBinEdges": "one",
    "interactionPointCut": False,
}
_FEW = {"minPt": 0.84, "maxSeedsPerSpM": 0, "deltaRMiddleMaxSPRange": 28.0}
_NARROW = {"max_d0": 0.5, "sigma_position": 0.131, "sigma_angle": 0.00287, "sigma_qopt": 0.026}
_CENTRAL = {"minPt": 0.86, "cotThetaMax": 7.0}
_TIGHT = {
    "chi2": 30.3, "outlier_chi2": 20.4, "max_holes": 1, "min_pt": 0.3, "max_d0": 0.5, "sigma_position": 0.0594,
    "sigma_angle": 0.00226, "sigma_qopt": 0.055, "sigma_pt": 0.0653,
}  # fmt: skip
_WITH_HOLE = {"max_holes": 1, "shared_hits": 2}

ANCHORS: tuple[Setting, ...] = (
    {"seeding": _CUTS, "chain": _OPTIONS},
    {"seeding": _CUTS, "chain": _OPTIONS | _WITH_HOLE},
    {"seeding": _CUTS, "chain": _OPTIONS | _WITH_HOLE | {"max_d0": 0.5}},
    {"seeding": _CUTS, "chain": _OPTIONS | {"max_holes": 1, "max_d0": 0.5}},
    {"seeding": _CUTS | {"radLengthPerSeed": 0.07}, "chain": _OPTIONS | _WITH_HOLE | _NARROW},
    {"seeding": _CUTS | _FEW, "chain": _OPTIONS | _WITH_HOLE | _NARROW},
    {"seeding": _CUTS | _COARSE, "chain": _OPTIONS | {"stay_on_seed": False}},
    {"seeding": _GBTS_CUTS, "chain": _OPTIONS | _TIGHT | {"shared_hits": 2}},
    {"seeding": _GBTS_CUTS | _CENTRAL, "chain": _OPTIONS | _TIGHT},
    {"seeding": _GBTS_CUTS | _CENTRAL | {"addTriplets": False}, "chain": _OPTIONS | _TIGHT},
)
"""Settings that were tuned by hand before, and the working points of an earlier search: the search begins with
them, and must find these or better.
"""


def algorithm_of_cuts(seeding: Mapping[str, Any]) -> str:
    """Which of ACTS's seedings the cuts of a setting are for, as in
    :data:`seeding.acts_reference.ALGORITHMS`.
    """
    return "acts-gbts" if "scale" in seeding else "acts-grid"


def ranges_of(seeding: Mapping[str, Any]) -> Mapping[str, Range | Choice]:
    """Ranges of the cuts of a setting's seeding."""
    return GBTS if algorithm_of_cuts(seeding) == "acts-gbts" else SEEDING


def drawn(ranges: Mapping[str, Range | Choice], rng: np.random.Generator) -> dict[str, Any]:
    """A value of each range, independently."""
    return {name: of.draw(rng) for name, of in ranges.items()}


def varied(
    values: Mapping[str, Any],
    ranges: Mapping[str, Range | Choice],
    rng: np.random.Generator,
    share: float = 0.2,
) -> dict[str, Any]:
    """The values with some of them, about ``share`` and one at least, varied."""
    chosen = rng.uniform(size=len(ranges)) < share
    chosen[rng.integers(len(ranges))] = True
    return {
        name: of.vary(values[name], rng) if chosen[k] else values[name]
        for k, (name, of) in enumerate(ranges.items())
    }


def mixed(one: Mapping[str, Any], other: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Each value from one of two settings."""
    return {name: one[name] if rng.uniform() < 0.5 else other[name] for name in one}


def seeding_cuts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Cuts of a setting as ACTS names them."""
    cuts: dict[str, Any] = dict(values)
    region = cuts.pop("collisionRegion")
    cuts |= {"collisionRegionMin": -region, "collisionRegionMax": region}
    if algorithm_of_cuts(values) == "acts-gbts":
        return cuts
    dz, dr = cuts.pop("deltaZ"), cuts.pop("deltaRMin")
    top, bottom = cuts["deltaRMaxTop"], cuts["deltaRMaxBottom"]
    return cuts | {
        "zBinEdges": Z_BINS[cuts["zBinEdges"]],
        "deltaZMin": -dz, "deltaZMax": dz,
        "deltaRMin": dr, "deltaRMinTop": dr, "deltaRMinBottom": dr, "deltaRMax": max(top, bottom),
        "rMin": 0.0, "rMax": 200.0, "zMin": -2000.0, "zMax": 2000.0,
    }  # fmt: skip


def chain_key(setting: Setting) -> str:
    """What tells two settings apart."""
    return repr([sorted(part.items()) for part in setting.values()])

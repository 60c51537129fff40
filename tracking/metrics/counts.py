"""Histograms of efficiency, fakes and duplicates, and the interval of a share."""

from __future__ import annotations

import hist
import numpy as np
import numpy.typing as npt
from scipy.stats import beta as beta_distribution

from tracking.metrics.findable import MAX_ETA
from tracking.metrics.tracks import TrackScore
from tracking.metrics.truth import EventTruth, pseudorapidity

__all__ = ["BINS", "TRACK_BINS", "clopper_pearson", "efficiency_counts", "share_interval", "track_counts"]

Floats = npt.NDArray[np.float64]

PT_BINS = np.geomspace(0.2, 20, 14)
BINS = {
    "pt": PT_BINS,
    "eta": np.linspace(-MAX_ETA, MAX_ETA, 16),
    "pileup": np.linspace(-10, 410, 22),
    "distance": np.geomspace(1e-3, 1, 13),
    "radius": np.array([0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 300]),
    "d0": np.array([0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]),
}
"""Bins of the efficiency against pT (GeV), eta, collisions in the event, distance to the next particle in
(eta, phi), production radius and absolute impact parameter (mm). The outermost bins of the last three hold
all that is beyond."""
TRACK_BINS = {"pt": PT_BINS, "eta": np.linspace(-4, 4, 17)}
"""Bins of fakes and duplicates against the fitted pT (GeV) and eta."""

LEVEL = 0.6827
"""Of the intervals that numbers are told with: those of one standard deviation."""


def efficiency_counts(truth: EventTruth, found: npt.NDArray[np.bool_], d0: Floats) -> dict[str, hist.Hist]:
    """Particles and found ones of an event against each variable of ``BINS``; of pile-up only where it is
    known.

    Args:
        found: (P,) particles with a matched track.
        d0: (P,) impact parameters of the particles' helices, mm
            (:func:`tracking.fit.resolution.true_parameters`).

    Returns:
        Histograms with three axes: the variable; ``of``, "technical" (findable particles) or "physics"
        (accepted ones); ``found``. Against pT the cut on pT is left out of both.
    """
    values = {
        "pt": truth.pt,
        "eta": truth.eta,
        "distance": truth.distance,
        "radius": np.hypot(*truth.vertex[:, :2].T),
        "d0": np.abs(d0),
    }
    if truth.pileup is not None:
        values["pileup"] = np.full(len(truth.pt), float(truth.pileup))
    central = (truth.charge != 0) & (np.abs(truth.eta) < MAX_ETA)
    counts = {}
    for name, value in values.items():
        edges = BINS[name]
        if name in ("distance", "radius", "d0"):
            value = np.clip(value, edges[0], np.nextafter(edges[-1], 0))
        histogram = hist.Hist(
            hist.axis.Variable(edges, name=name), hist.axis.StrCategory(["technical", "physics"], name="of"),
            hist.axis.Boolean(name="found"), storage=hist.storage.Int64(),
        )  # fmt: skip
        physics = central if name == "pt" else truth.accepted
        technical = physics & (truth.n_layers >= truth.min_layers)
        for of, chosen in (("technical", technical), ("physics", physics)):
            histogram.fill(value[chosen], of, found[chosen])
        counts[name] = histogram
    return counts


def track_counts(theta: Floats, qop: Floats, score: TrackScore) -> dict[str, hist.Hist]:
    """Tracks, fakes and duplicates of an event against the fitted pT and eta, in ``TRACK_BINS``.

    Args:
        theta, qop: (T,) fitted, rad and 1/GeV.

    Returns:
        Histograms with two axes: the variable; ``kind``, "good" (the first of its particle), "duplicate" or
            "fake".
    """
    with np.errstate(divide="ignore"):
        values = {"pt": np.sin(theta) / np.abs(qop), "eta": pseudorapidity(np.sin(theta), 0.0, np.cos(theta))}
    kinds = ["good", "duplicate", "fake"]
    kind = np.where(score.particle < 0, 2, np.where(score.duplicate, 1, 0))
    counts = {}
    for name, value in values.items():
        histogram = hist.Hist(
            hist.axis.Variable(TRACK_BINS[name], name=name), hist.axis.StrCategory(kinds, name="kind"),
            storage=hist.storage.Int64(),
        )  # fmt: skip
        for k, label in enumerate(kinds):
            histogram.fill(value[kind == k], label)
        counts[name] = histogram
    return counts


def clopper_pearson(passed: Floats, total: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Exact binomial interval (Clopper and Pearson, Biometrika 26 (1934) 404): lower and upper bound of each
    bin.
    """
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(passed > 0, beta_distribution.ppf(tail, passed, total - passed + 1), 0.0)
        high = np.where(passed < total, beta_distribution.ppf(1 - tail, passed + 1, total - passed), 1.0)
    return np.asarray(low), np.asarray(high)


def share_interval(passed: float, total: float) -> tuple[float, float] | None:
    """The 68 % interval of :func:`clopper_pearson` of one share; None of nothing."""
    if not total:
        return None
    low, high = clopper_pearson(np.array([passed]), np.array([total]))
    return float(low[0]), float(high[0])

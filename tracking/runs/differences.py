"""Whether a number of two runs differs: the difference with its interval, and how likely chance made it.

Of the same events both runs see the same particles, and only what they do differently counts: the errors are
of the difference of every event, which is far smaller than those of the two rates. Particles of an event are
not independent (one jet loses many together), so that events are what is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tracking.metrics import share_interval
from tracking.metrics.counts import LEVEL

__all__ = ["Difference", "Ratio", "holm", "of_estimates", "of_events", "of_same_events", "of_sums"]

Floats = npt.NDArray[np.float64]

FEW = 100
"""In a cell of a table of two shares: with fewer the test is exact, with more it is the normal one."""


@dataclass(frozen=True)
class Ratio:
    """A rate of some events: of one count by another.

    Attributes:
        part, of: (N,) counts of the events.
        share: whether the part is among the whole, as in an efficiency, and not in a mean of an event.
    """

    part: Floats
    of: Floats
    share: bool = True

    @property
    def value(self) -> float:
        """The rate of all events together."""
        return float(self.part.sum() / self.of.sum())

    def influence(self) -> Floats:
        """(N,) what each event adds to the rate, to first order; its sum is 0."""
        return np.asarray((self.part - self.value * self.of) / self.of.sum())

    def interval(self) -> tuple[float, float] | None:
        """Of a share the exact one, of a mean that of the spread of its events; None of one event."""
        if self.share:
            return share_interval(self.part.sum(), self.of.sum())
        if len(self.part) < 2:
            return None
        reach = _quantile(len(self.part) - 1) * _sigma(self.influence())
        return self.value - reach, self.value + reach


@dataclass(frozen=True)
class Difference:
    """Second rate less first rate.

    Attributes:
        interval: of one standard deviation; None where nothing is known of the errors.
        p: how often chance alone makes a difference of this size, either way; None as ``interval``.
        informative: whether the runs can differ: where all counts are the same, or all 0, nothing was tested.
    """

    value: float
    interval: tuple[float, float] | None
    p: float | None
    informative: bool = True


def of_same_events(a: Ratio, b: Ratio) -> Difference:
    """Of two runs on the same events, in the same order.

    The variance is that of the events' differences (linearised ratios: W. G. Cochran, Sampling Techniques,
    section 6), and p is of Student's t. Where few particles differ, p is at least that of the exact test of
    Q. McNemar (Psychometrika 12 (1947) 153) on the least number of particles that can have made the counts. The
    error of a share is at least the root of that number over all particles. Of few events the spread can be
    small by chance: two that both gain one track would have none at all.
    """
    n, value = len(a.part), b.value - a.value
    nothing = a.share and not a.part.any() and not b.part.any()
    if nothing or (np.array_equal(a.part, b.part) and np.array_equal(a.of, b.of)):
        return Difference(value, (value, value), 1.0, informative=False)
    if n < 2:
        return of_sums(a, b)
    sigma = _sigma(b.influence() - a.influence())
    more, less = _changes(a, b)
    reach = _quantile(n - 1) * sigma
    if a.share:
        reach = max(reach, 2 * np.sqrt(more + less) / (a.of.sum() + b.of.sum()))
    exact = float(stats.binomtest(more, more + less).pvalue) if more + less else 1.0
    return Difference(value, (value - reach, value + reach), max(_student(value, sigma, n - 1), exact))


def _changes(a: Ratio, b: Ratio) -> tuple[int, int]:
    """How many particles at least are counted in the second run alone, and in the first alone."""
    # Where the whole changes too, a part that only keeps its share of it is no change.
    rate = 0.0 if np.array_equal(a.of, b.of) else (a.part.sum() + b.part.sum()) / (a.of.sum() + b.of.sum())
    change = (b.part - a.part) - rate * (b.of - a.of)
    return int(change[change > 0].sum()), int(-change[change < 0].sum())


def of_events(a: Ratio, b: Ratio) -> Difference:
    """Of two runs on different events: the variances add up (B. L. Welch, Biometrika 34 (1947) 28), and p is
    at least that of :func:`of_sums`.
    """
    if min(len(a.part), len(b.part)) < 2:
        return of_sums(a, b)
    value = b.value - a.value
    variances = np.array([_sigma(a.influence()) ** 2, _sigma(b.influence()) ** 2])
    sigma = float(np.sqrt(variances.sum()))
    if sigma == 0:
        return of_sums(a, b)
    freedom = variances.sum() ** 2 / np.sum(variances**2 / (np.array([len(a.part), len(b.part)]) - 1))
    reach = _quantile(freedom) * sigma
    p, independent = _student(value, sigma, freedom), of_sums(a, b)
    if independent.interval is not None and independent.p is not None:
        p = max(p, independent.p)
        reach = max(reach, *np.abs(np.subtract(independent.interval, value)))
    return Difference(value, (value - reach, value + reach), float(p))


def of_sums(a: Ratio, b: Ratio) -> Difference:
    """Of two shares of which the sums alone are known, as if all particles were independent.

    The interval is made of the two exact ones (R. G. Newcombe, Statistics in Medicine 17 (1998) 873,
    method 10, of theirs); p is of Fisher's exact test or, of many, of the normal one.
    """
    value = b.value - a.value
    if not (a.share and b.share):
        return Difference(value, None, None)
    (low_a, high_a), (low_b, high_b) = _ends(a), _ends(b)
    below = np.hypot(b.value - low_b, high_a - a.value)
    above = np.hypot(high_b - b.value, a.value - low_a)
    table = np.array([[r.part.sum(), r.of.sum() - r.part.sum()] for r in (a, b)])
    if table.min() < FEW:
        p = stats.fisher_exact(table.astype(np.int64)).pvalue
    else:
        p = stats.chi2_contingency(table, correction=False).pvalue
    return Difference(value, (float(value - below), float(value + above)), float(p))


def of_estimates(
    a: float, interval_a: tuple[float, float], b: float, interval_b: tuple[float, float]
) -> Difference:
    """Of two numbers with their intervals, as if they were independent; p is of the normal distribution.

    The interval is made of the two (G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693). Numbers of
    the same tracks go together, and then both it and p are larger than they need be.
    """
    value = b - a
    below = float(np.hypot(b - interval_b[0], interval_a[1] - a))
    above = float(np.hypot(interval_b[1] - b, a - interval_a[0]))
    # The error on the side of 0.
    sigma = below if value > 0 else above
    p = float(2 * stats.norm.sf(abs(value) / sigma)) if sigma else float(value == 0)
    return Difference(value, (value - below, value + above), p, informative=value != 0)


def holm(p: Sequence[float]) -> list[float]:
    """Chances corrected for the number of tests (S. Holm, Scand. J. Statist. 6 (1979) 65): one below 0.05 is
    there in 5 % of the comparisons in which nothing differs, however many numbers are looked at.
    """
    order = np.argsort(p)
    corrected = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(corrected), 1.0)
    return [float(value) for value in out]


def _ends(ratio: Ratio) -> tuple[float, float]:
    ends = ratio.interval()
    assert ends is not None
    return ends


def _sigma(influence: Floats) -> float:
    """Standard deviation of the sum of the events' influences."""
    n = len(influence)
    return float(np.sqrt(n / (n - 1) * np.sum((influence - influence.mean()) ** 2)))


def _quantile(freedom: float) -> float:
    return float(stats.t.ppf(0.5 + LEVEL / 2, freedom))


def _student(value: float, sigma: float, freedom: float) -> float:
    if sigma == 0:
        return 0.0 if value else 1.0
    return float(2 * stats.t.sf(abs(value) / sigma, freedom))

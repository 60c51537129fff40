"""Differences of rates: intervals and chances against resampling, SciPy's tests and pseudo-experiments."""

import numpy as np
import pytest
from scipy import stats

from tracking.runs.differences import Ratio, holm, of_estimates, of_events, of_same_events, of_sums

N_EVENTS, N_EXPERIMENTS = 40, 120


def events(rng, n=N_EVENTS):
    """Particles of some events."""
    return rng.poisson(60, n).astype(float)


def found_by_both(rng, total, lost, differ):
    """What two runs find of the same particles: each loses ``lost`` of all, and these alone differ."""
    common = rng.binomial(total.astype(int), 1 - lost)
    return tuple(Ratio((common - rng.binomial(common, share)).astype(float), total) for share in differ)


def test_the_error_of_a_paired_difference_is_that_of_resampled_events():
    rng = np.random.default_rng(5)
    a, b = found_by_both(rng, events(rng, 200), 0.05, (0.02, 0.04))
    rows = rng.integers(0, 200, (2000, 200))
    resampled = [b.part[r].sum() / b.of[r].sum() - a.part[r].sum() / a.of[r].sum() for r in rows]
    difference = of_same_events(a, b)
    low, high = difference.interval
    assert difference.value == pytest.approx(np.sum(b.part - a.part) / a.of.sum())
    assert (high - low) / 2 == pytest.approx(np.std(resampled), rel=0.08)
    # Far smaller than if the runs had seen other events.
    unpaired = of_events(a, b).interval
    assert unpaired[1] - unpaired[0] > 1.5 * (high - low)


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say():
    """Of the same events, of other events and of sums alone."""
    rng, inside = np.random.default_rng(6), np.zeros(3)
    for _ in range(N_EXPERIMENTS):
        total = events(rng)
        a, b = found_by_both(rng, total, 0.05, (0.02, 0.06))
        _, c = found_by_both(rng, events(rng), 0.05, (0.02, 0.06))
        true = -0.95 * 0.04
        for k, found in enumerate((of_same_events(a, b), of_events(a, c), of_sums(a, c))):
            inside[k] += found.interval[0] <= true <= found.interval[1]
    assert inside[0] / N_EXPERIMENTS == pytest.approx(0.683, abs=0.1)
    # At least: the others are made of exact intervals, which are wider than they need be.
    assert np.all(inside[1:] / N_EXPERIMENTS > 0.6)


@pytest.mark.parametrize("lost", [0.3, 0.02, 0.0005])
def test_where_nothing_differs_chance_is_below_five_percent_in_five_percent_at_most(lost):
    """Also of rare losses and of rates with wholes of their own, such as fakes."""
    rng, below = np.random.default_rng(7), np.zeros(3)
    for _ in range(N_EXPERIMENTS):
        a, b = found_by_both(rng, events(rng), 0.01, (lost, lost))
        fakes = [Ratio(rng.poisson(60 * lost, N_EVENTS).astype(float), events(rng)) for _ in range(2)]
        found = of_same_events(a, b), of_same_events(*fakes), of_events(*fakes)
        below += [difference.p < 0.05 for difference in found]
    # 5 % and three standard deviations of the experiments.
    assert np.all(below / N_EXPERIMENTS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / N_EXPERIMENTS))


def test_a_planted_difference_is_found_in_the_same_events_where_other_events_hide_it():
    rng, paired, unpaired = np.random.default_rng(8), 0, 0
    for _ in range(50):
        total = events(rng)
        a, b = found_by_both(rng, total, 0.1, (0.0, 0.01))
        _, c = found_by_both(rng, events(rng), 0.1, (0.0, 0.01))
        paired += of_same_events(a, b).p < 0.001
        unpaired += of_events(a, c).p < 0.001
    assert paired >= 48
    assert unpaired <= 5


def test_few_particles_that_differ_are_tested_exactly():
    """Five events of twenty, each with one particle that only the first run found: McNemar's p is 1/16."""
    total = np.full(20, 50.0)
    lost = np.r_[np.ones(5), np.zeros(15)]
    found = of_same_events(Ratio(total, total), Ratio(total - lost, total))
    assert found.p == pytest.approx(2 / 2**5)
    # In every one of twenty events: then Student's t is of no spread, and the exact test is what counts.
    assert of_same_events(Ratio(total, total), Ratio(total - 1, total)).p == pytest.approx(2 / 2**20)


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        # A mean: two events that both gain one track.
        (Ratio(np.full(2, 10.0), np.ones(2), False), Ratio(np.full(2, 11.0), np.ones(2), False), 0.5),
        # A share of another whole: two events that both gain one track, a fake.
        (Ratio(np.zeros(2), np.full(2, 10.0)), Ratio(np.ones(2), np.full(2, 11.0)), 1.0),
    ],
)
def test_events_without_spread_are_no_proof(a, b, p):
    assert of_same_events(a, b).p == pytest.approx(p)


def test_a_part_that_keeps_its_share_of_another_whole_is_no_change():
    total = np.array([100.0, 120.0, 80.0])
    assert of_same_events(Ratio(total / 10, total), Ratio(total / 5, total * 2)).p == 1.0


def test_sums_alone_are_tested_by_fisher_or_by_the_normal_test():
    def ratio(part, of):
        return Ratio(np.array([float(part)]), np.array([float(of)]))

    few = of_sums(ratio(95, 100), ratio(80, 100))
    assert few.p == pytest.approx(stats.fisher_exact([[95, 5], [80, 20]]).pvalue)
    many = of_sums(ratio(9500, 10000), ratio(9400, 10000))
    pooled = 0.945 * 0.055 * 2 / 10000
    assert many.p == pytest.approx(2 * stats.norm.sf(0.01 / np.sqrt(pooled)), rel=1e-6)
    assert many.value == pytest.approx(-0.01)
    assert many.interval[0] < many.value < many.interval[1] < 0
    # Nothing is known of the errors of a mean from its sum.
    mean = Ratio(np.array([500.0]), np.array([10.0]), share=False)
    assert of_sums(mean, mean).p is None
    assert of_sums(mean, mean).interval is None


def test_the_same_counts_are_no_test():
    total = np.full(5, 50.0)
    same = of_same_events(Ratio(total - 1, total), Ratio(total - 1, total))
    assert (same.value, same.p, same.informative) == (0.0, 1.0, False)
    # Nor is nothing of other wholes.
    none = of_same_events(Ratio(0 * total, total), Ratio(0 * total, total + 1))
    assert (none.value, none.p, none.informative) == (0.0, 1.0, False)


def test_chances_are_corrected_as_holm_says():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_events_that_all_gain_the_same_have_an_error_all_the_same():
    total = np.full(4, 50.0)
    low, high = of_same_events(Ratio(np.full(4, 48.0), total), Ratio(np.full(4, 49.0), total)).interval
    # McNemar's: the root of four changes among 200 particles.
    assert (high - low) / 2 == pytest.approx(np.sqrt(4) / 200)


def test_estimates_differ_as_a_gaussian_says():
    """Symmetric errors: the closed form; others: the sides that lie towards each other."""
    found = of_estimates(10.0, (9.7, 10.3), 11.0, (10.6, 11.4))
    assert found.interval == pytest.approx((0.5, 1.5))
    assert found.p == pytest.approx(2 * stats.norm.sf(2.0))
    lopsided = of_estimates(11.0, (10.0, 11.3), 10.0, (9.0, 10.4))
    assert lopsided.interval == pytest.approx((-1 - np.hypot(1.0, 0.3), -1 + np.hypot(0.4, 1.0)))
    assert lopsided.p == pytest.approx(2 * stats.norm.sf(1 / np.hypot(0.4, 1.0)))
    mirrored = of_estimates(-11.0, (-11.3, -10.0), -10.0, (-10.4, -9.0))
    assert mirrored.interval == pytest.approx((1 - np.hypot(0.4, 1.0), 1 + np.hypot(1.0, 0.3)))
    assert mirrored.p == pytest.approx(lopsided.p)
    same = of_estimates(1.0, (0.9, 1.1), 1.0, (0.9, 1.1))
    assert (same.value, same.p, same.informative) == (0.0, 1.0, False)

"""Quality of counting against loops, scikit-learn's curve and numbers known beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from smartpix.merged.quality import (
    area_under_curve,
    count_quality,
    pair_distances,
    reliability,
    separable,
    threshold_at,
)
from smartpix.merged.samples import MergedSamples
from smartpix.schema import InputError
from tests.helpers import SENSOR

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), min_size=1, max_size=20)


def samples_at(places, cots=(2.0, 0.3)):
    """Clusters of one or two particles that cross at places (mm), of the same direction."""
    n = len(places)
    targets = np.full((n, 3, 4), np.nan)
    for k, at in enumerate(places):
        for particle, place in enumerate(at):
            targets[k, particle] = [*place, *cots]
    count = np.array([len(at) for at in places])
    return MergedSamples(
        np.zeros((n, 2, 13, 21), np.float32), targets, np.zeros(n, dtype=bool), SENSOR, (2, 19), {}, count=count
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(SCORES, SCORES)
def test_area_is_that_of_scikit_learn(signal, background):
    truth = [1] * len(signal) + [0] * len(background)
    wanted = roc_auc_score(truth, signal + background)
    assert area_under_curve(signal, background) == pytest.approx(wanted, abs=1e-12)


def test_threshold_has_the_share_above_it():
    scores = np.random.default_rng(1).random(1000)
    assert np.mean(scores > threshold_at(scores, 0.05)) == pytest.approx(0.05, abs=1e-3)


def test_distances_are_in_pitches_and_widths():
    found = samples_at([[(0, 0), (0.05, -0.025)], [(0, 0)]])
    pitches, widths = pair_distances(found)
    np.testing.assert_allclose(pitches[0], [1, 2])
    # A pitch, and 0.1 mm of silicon at these slopes.
    np.testing.assert_allclose(widths[0], [0.05 / (0.05 + 0.2), 0.025 / (0.0125 + 0.03)])
    assert np.isnan(pitches[1]).all()


def test_separable_pairs_are_close_but_not_in_the_same_row():
    y = 0.0125
    found = samples_at(
        [
            [(0, 0), (0, 0.49 * y)],
            [(0, 0), (0, 0.51 * y)],
            [(0, 0), (0, 3.5 * y)],
            [(0, 0), (0.3, y)],
            [(0, 0)],
        ]
    )
    assert separable(found).tolist() == [False, True, False, False, False]


def test_predictions_that_are_right_are_reliable_and_others_are_not():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 60_000)
    count = 1 + (rng.random((len(p), 1)) > np.cumsum(p, axis=1)).sum(axis=1)
    table = reliability(p, count)
    assert [row["particles"] for row in table] == [1] * 10 + [2] * 10 + [3] * 10
    assert all(row["n"] == 6000 for row in table)
    assert max(abs(row["predicted"] - row["true"]) for row in table) < 0.02
    sharp = p**2 / (p**2).sum(axis=1, keepdims=True)
    assert max(abs(row["predicted"] - row["true"]) for row in reliability(sharp, count)) > 0.05
    for row in table[:10]:
        assert row["predicted"] == pytest.approx(row["true"], abs=0.02)


def test_quality_of_known_answers():
    y = 0.0125
    near, far = [(0, 0), (0, 0.2 * y)], [(0, 0), (0, 0.6 * y)]
    found = samples_at([[(0, 0)]] * 100 + [near] * 50 + [far] * 50)
    merged = np.concatenate([np.linspace(0, 0.5, 100), np.full(50, 0.3), np.full(50, 0.9)])
    p = np.stack([1 - merged, merged, np.zeros(200)], axis=1)
    quality = count_quality(found, p)
    below = np.mean(np.linspace(0, 0.5, 100) < 0.3)
    assert quality["auc"] == pytest.approx((below + 1) / 2)
    assert 0.45 < quality["threshold"] < 0.5
    assert quality["found"] == 0.5
    assert (quality["found_separable"], quality["n_separable"]) == (1.0, 50)
    assert quality["accuracy"] == pytest.approx((100 + 50) / 200)
    rows = quality["curves"]["y"]
    assert [(row["low"], row["n"], row["found"]) for row in rows] == [(0.0, 50, 0.0), (0.5, 50, 1.0)]
    assert [row["n"] for row in quality["curves"]["x"]] == [100]
    alone = count_quality(found.take(np.arange(150)), p[:150])
    assert (alone["found_separable"], alone["n_separable"]) == (None, 0)
    with pytest.raises(InputError, match="100 clusters of one particle and 0 of two"):
        count_quality(found.take(np.arange(100)), p[:100])
    likely = np.concatenate([1 - merged[:100], merged[100:]])
    assert quality["nll"] == pytest.approx(-np.log(likely).mean())

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.tracking.metrics.events import event_of, random_event, truth_of
from tracking import metrics


def test_bins_of_pt_are_thirteen_of_one_ratio_over_two_decades():
    np.testing.assert_allclose(metrics.BINS["pt"], [0.2 * 100 ** (k / 13) for k in range(14)])


@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_clopper_pearson_is_scipys_exact_interval(level):
    cases = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (1, 1000), (999, 1000), (50, 100)]
    passed, total = np.array(cases, dtype=float).T
    low, high = metrics.clopper_pearson(passed, total, level)
    for k, (p, n) in enumerate(cases):
        # At 0 and n SciPy's two-sided interval, too, keeps the whole tail on the open side only.
        exact = binomtest(p, n).proportion_ci(confidence_level=level, method="exact")
        assert low[k] == pytest.approx(exact.low, abs=1e-9)
        assert high[k] == pytest.approx(exact.high, abs=1e-9)


def test_clopper_pearson_of_an_empty_bin_is_everything():
    low, high = metrics.clopper_pearson(np.array([0.0]), np.array([0.0]))
    assert (low[0], high[0]) == (0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_efficiency_counts_are_those_of_straight_loops(seed):
    truth, particles, layer = random_event(seed, n_particles=60)
    event = event_of(truth, particles, layer)
    truth = metrics.event_truth(*event, pileup=37)
    found = np.random.default_rng([seed, 4]).random(len(truth.pt)) < 0.6
    d0 = np.random.default_rng([seed, 5]).normal(0, 3, len(truth.pt))
    counts = metrics.efficiency_counts(truth, found, d0)
    assert set(counts) == set(metrics.BINS)
    inside = {"distance": (1e-3, 0.999), "radius": (0.01, 299), "d0": (0.01, 19.9)}
    expected = {name: np.zeros((2, len(edges) - 1, 2), dtype=int) for name, edges in metrics.BINS.items()}
    for row in range(len(truth.pt)):
        values = {
            "pt": truth.pt[row], "eta": truth.eta[row], "pileup": 37,
            "distance": truth.distance[row], "radius": np.hypot(*truth.vertex[row, :2]), "d0": abs(d0[row]),
        }  # fmt: skip
        for name, value in values.items():
            low, high = inside.get(name, (-np.inf, np.inf))
            value = min(max(value, low), high)
            physics = (
                truth.charge[row] != 0 and abs(truth.eta[row]) < 2.5 and (name == "pt" or truth.pt[row] > 0.9)
            )
            bins = [
                b
                for b in range(len(metrics.BINS[name]) - 1)
                if metrics.BINS[name][b] <= value < metrics.BINS[name][b + 1]
            ]
            for b in bins:
                expected[name][1, b, int(found[row])] += physics
                expected[name][0, b, int(found[row])] += physics and truth.n_layers[row] >= 4
    for name, histogram in counts.items():
        assert histogram.axes[0].name == name
        for k, of in enumerate(("technical", "physics")):
            np.testing.assert_array_equal(histogram[:, of, :].values(), expected[name][k])
    assert counts["radius"][:, "technical", :].sum() == truth.findable.sum() > 0
    assert counts["distance"][:, "physics", True].sum() == np.sum(truth.accepted & found)


def test_pileup_is_left_out_where_it_is_not_known():
    truth = truth_of(*random_event(1))
    assert "pileup" not in metrics.efficiency_counts(
        truth, np.zeros(len(truth.pt), dtype=bool), np.zeros(len(truth.pt))
    )


def test_physics_efficiency_is_of_all_charged_particles_whatever_their_layers():
    particles = [
        (1, 1.0, 0, 0, 1),
        (2, 1.0, 0, 0, 0),
        (3, 0.8, 0, 0, 1),
        (4, 1.0, 0, np.sinh(2.6), -1),
        (5, 1.0, 0, 0, -1, 90.0, 0, 0),
    ]
    truth = truth_of([[(1, 1.0, 0)]], particles, [0])
    assert truth.accepted.tolist() == [True, False, False, False, True]
    assert not np.any(truth.findable)


def test_fakes_and_duplicates_are_counted_where_they_were_fitted():
    theta, qop = np.array([np.pi / 2, np.pi / 2, 0.2, 0.2]), np.array([0.5, -0.5, 0.1, 0.0])
    score = metrics.TrackScore(
        np.array([3, 3, -1, -1]), np.ones(4), np.array([False, True, False, False]), np.ones(5, dtype=bool)
    )
    counts = metrics.track_counts(theta, qop, score)
    at = np.digitize(2.0, metrics.TRACK_BINS["pt"]) - 1
    assert [counts["pt"][at, kind] for kind in ("good", "duplicate", "fake")] == [1, 1, 1]
    # sin(0.2) / 0.1 is near 2, too. Without curvature the pT is infinite, beyond the bins.
    assert counts["pt"][:, "fake"].values().sum() == 1
    assert counts["eta"][np.digitize(-np.log(np.tan(0.1)), metrics.TRACK_BINS["eta"]) - 1, "fake"] == 2
    assert counts["eta"].sum() == 4

"""Errors of shares over events, against simulated events and NumPy's own."""

from types import SimpleNamespace

import numpy as np
import pytest

from tracking.bench.dense_errors import RATES, difference, event_counts, rate_errors, share_error


def test_of_equally_large_events_it_is_the_error_of_a_mean():
    passed, total = np.array([90.0, 95.0, 99.0, 80.0]), np.full(4, 100.0)
    assert share_error(passed, total) == pytest.approx(np.std(passed / 100, ddof=1) / 2)
    assert share_error(passed[:1], total[:1]) is None
    assert share_error(np.zeros(3), np.zeros(3)) is None


def test_it_is_how_far_the_share_of_all_scatters():
    rng = np.random.default_rng(1)
    shares, errors = [], []
    for _ in range(2000):
        total = rng.integers(50, 150, 20).astype(float)
        # Each event has an efficiency of its own, so that a binomial error would be too small.
        passed = rng.binomial(total.astype(int), rng.uniform(0.8, 1.0, 20)).astype(float)
        shares.append(passed.sum() / total.sum())
        errors.append(share_error(passed, total))
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.06)
    assert np.sqrt(0.9 * 0.1 / 2000) < 0.6 * np.std(shares)


def judged(findable, found, particle, duplicate):
    """What is read of a judgement."""
    findable, particle = np.array(findable), np.array(particle)
    return SimpleNamespace(
        truth=SimpleNamespace(findable=findable),
        matched=lambda: np.array(found) & findable,
        rows=np.arange(len(particle)),
        score=SimpleNamespace(particle=particle, duplicate=np.array(duplicate)),
    )


def test_counts_of_each_event():
    events = [
        judged([1, 1, 0, 1], np.array([1, 0, 1, 1], bool), [0, 3, 2, -1], [False] * 4),
        judged([1, 1], np.array([1, 1], bool), [0, 0, 1], [False, True, False]),
    ]
    for event in events:
        event.truth.findable = event.truth.findable.astype(bool)
    in_jets = [np.array([True, True, False, False]), np.array([False, True])]
    counts = event_counts(events, in_jets)
    assert {name: values.tolist() for name, values in counts.items()} == {
        "findable": [3, 2], "found": [2, 2], "in_jets": [2, 1], "found_in_jets": [1, 1],
        "tracks": [4, 3], "fake": [1, 0], "duplicate": [0, 1],
    }  # fmt: skip
    errors = rate_errors(counts)
    assert set(errors) == {f"{name}_error" for name in RATES}
    assert errors["fake_rate_error"] == share_error(np.array([1.0, 0.0]), np.array([4.0, 3.0]))


def made(found, rng):
    """Counts of events whose findable particles were found or not: rows are events."""
    n = np.full(len(found), found.shape[1], dtype=float)
    tracks = found.sum(axis=1).astype(float)
    return {
        "findable": n, "found": tracks, "in_jets": 0 * n, "found_in_jets": 0 * n, "tracks": tracks + 2,
        "fake": rng.integers(0, 3, len(n)).astype(float), "duplicate": 0 * n,
    }  # fmt: skip


def test_what_two_finders_share_cancels_in_their_difference():
    rng = np.random.default_rng(2)
    # Both lose the same events; the second also five particles in a hundred of what the first finds.
    common = rng.random((30, 200)) < rng.uniform(0.7, 1.0, 30)[:, None]
    second = common & (rng.random((30, 200)) < 0.95)
    one, other = made(common, rng), made(second, rng)
    numbers = difference(one, other, common.ravel(), second.ravel())
    assert (numbers["n_won"], numbers["n_lost"]) == (int((common & ~second).sum()), 0)
    assert numbers["efficiency"] == pytest.approx(numbers["n_won"] / common.size)
    apart = (common.sum(axis=1) - second.sum(axis=1)) / 200
    assert numbers["efficiency_error"] == pytest.approx(np.std(apart, ddof=1) / np.sqrt(30))
    assert numbers["efficiency_error"] < 0.5 * rate_errors(one)["efficiency_error"]
    assert numbers["efficiency_in_jets"] is numbers["efficiency_in_jets_error"] is None
    fakes = [c["fake"].sum() / c["tracks"].sum() for c in (one, other)]
    assert numbers["fake_rate"] == pytest.approx(fakes[0] - fakes[1])
    first = {name: values[:1] for name, values in one.items()}
    assert difference(first, first, common[0], common[0])["efficiency_error"] is None

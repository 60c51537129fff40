"""The assignment of hits to candidates against all choices there are."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.finders.trkx.ramp.assignment import assign

N_HITS = 14
CANDIDATES = st.lists(
    st.tuples(st.sets(st.integers(0, 6), min_size=1, max_size=4), st.floats(0.1, 10)), min_size=1, max_size=8
)


def arrays(candidates):
    path = np.full((len(candidates), 4), -1)
    for c, (hits, _) in enumerate(candidates):
        path[c, : len(hits)] = sorted(hits)
    return path, np.array([value for _, value in candidates])


def best_sum(candidates):
    """Largest sum of values of candidates that share no hit."""
    return max(
        sum(value for _, value in chosen)
        for n in range(len(candidates) + 1)
        for chosen in combinations(candidates, n)
        if sum(len(hits) for hits, _ in chosen) == len(set().union(*(hits for hits, _ in chosen)))
    )


def greedy_sum(candidates):
    used, total = set(), 0.0
    for hits, value in sorted(candidates, key=lambda c: -c[1]):
        if not hits & used:
            used, total = used | hits, total + value
    return total


def chosen_sum(candidates):
    path, value = arrays(candidates)
    owner = assign(path, value, N_HITS)
    for c in set(owner.tolist()) - {-1}:
        # Nobody has a part of a candidate.
        assert set(np.flatnonzero(owner == c).tolist()) == candidates[c][0]
    return sum(value[c] for c in set(owner.tolist()) - {-1})


@settings(deadline=None)
@given(CANDIDATES)
def test_choice_is_allowed_and_between_the_greedy_and_the_best_one(candidates):
    found = chosen_sum(candidates)
    assert greedy_sum(candidates) - 1e-9 <= found <= best_sum(candidates) + 1e-9


def test_it_is_mostly_the_best_one():
    rng, best, greedy = np.random.default_rng(1), 0, 0
    for _ in range(300):
        candidates = [
            (set(rng.choice(7, rng.integers(1, 5), replace=False).tolist()), float(rng.uniform(0.1, 10)))
            for _ in range(8)
        ]
        best += abs(chosen_sum(candidates) - best_sum(candidates)) < 1e-9
        greedy += abs(greedy_sum(candidates) - best_sum(candidates)) < 1e-9
    assert greedy < 270
    assert best > 285


def test_two_that_are_together_worth_more_take_the_place_of_one():
    assert chosen_sum([({0, 1}, 6.0), ({1, 2}, 10.0), ({2, 3}, 5.0), ({4}, 1.0)]) == 12
    # A free hit is filled again: here the third one's, when the first goes.
    assert chosen_sum([({0, 1, 2}, 10.0), ({0, 3}, 7.0), ({1, 2}, 5.0)]) == 12
    # From the best one on: from the worst, nothing that is put in alone would be better than 21.
    held = [({1, 3, 6}, 14.0), ({1, 6}, 17.0), ({1, 4, 5}, 18.0), ({0, 3, 4}, 10.0), ({3}, 3.0), ({1, 6}, 5.0),
            ({3, 6}, 2.0)]  # fmt: skip
    assert chosen_sum(held) == best_sum(held) == 27
    # What a first pass over the candidates leaves behind, a second one puts in.
    many = [({0}, 1.0), ({10}, 16.0), ({2, 8}, 12.0), ({1, 3, 8, 11}, 13.0), ({13}, 12.0), ({1, 9, 11}, 12.0),
            ({8, 9, 11, 13}, 18.0), ({2}, 5.0), ({6, 7, 11}, 5.0), ({2, 5, 11}, 8.0), ({8, 9, 11}, 2.0),
            ({2}, 17.0), ({2, 4, 6, 12}, 12.0), ({2}, 5.0), ({3, 10}, 18.0), ({2, 8}, 9.0)]  # fmt: skip
    assert chosen_sum(many) == 60
    assert np.array_equal(assign(np.zeros((0, 4), int), np.zeros(0), 3), [-1, -1, -1])

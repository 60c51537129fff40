import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.finders.gravnet.neighbours import along_edges, nearest, nearest_of_all, squared_distance


def brute_force(space, pairs, k):
    """Of each receiver the k nearest senders, by sorting."""
    kept = set()
    for hit in range(len(space)):
        mine = [
            (float(((space[r] - space[s]) ** 2).sum()), place)
            for place, (r, s) in enumerate(pairs)
            if r == hit
        ]
        kept |= {place for _, place in sorted(mine)[:k]}
    return [pairs[place] for place in sorted(kept)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 40), st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6))
def test_the_nearest_are_those_of_a_sort(n, n_pairs, k, dimensions, seed):
    random = np.random.default_rng(seed)
    space = torch.from_numpy(random.normal(size=(n, dimensions)))
    receiver, sender = torch.from_numpy(random.integers(0, n, (2, n_pairs)))
    kept = nearest(space, receiver, sender, k)
    pairs = list(zip(receiver.tolist(), sender.tolist(), strict=True))
    assert list(zip(*(part.tolist() for part in kept), strict=True)) == brute_force(space.numpy(), pairs, k)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 25), st.integers(1, 8), st.integers(0, 10**6))
def test_of_all_hits_the_nearest_others(n, k, seed):
    space = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 3)))
    receiver, sender = nearest_of_all(space, k)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    expected = brute_force(space.numpy(), pairs, k)
    assert sorted(zip(receiver.tolist(), sender.tolist(), strict=True)) == sorted(expected)


def test_hits_at_one_place_are_neighbours_and_none_of_itself():
    receiver, sender = nearest_of_all(torch.zeros(6, 2), 3)
    assert torch.bincount(receiver).tolist() == [3] * 6
    assert not torch.any(receiver == sender)


def test_edges_carry_messages_both_ways():
    receiver, sender = along_edges(torch.tensor([[0, 1], [1, 2]]))
    assert sorted(zip(receiver.tolist(), sender.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 2), (2, 1)]


def test_distances_are_squared():
    space = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert squared_distance(space, torch.tensor([0]), torch.tensor([1])).tolist() == [25.0]

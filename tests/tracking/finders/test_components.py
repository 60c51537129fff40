import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracking.finders.components import chunks, scored_components


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), share=st.floats(0, 2), min_hits=st.integers(1, 6))
@example(seed=1, n=60, share=0.0, min_hits=3)
@example(seed=1, n=60, share=1.0, min_hits=61)
def test_components_are_scipys_with_hits_by_rank_and_edges_by_target_and_source(seed, n, share, min_hits):
    rng = np.random.default_rng(seed)
    rank = rng.integers(0, 5, n).astype(np.int32)
    ends = np.unique(rng.integers(0, n, (int(share * n), 2)).astype(np.int32), axis=0)
    ends = rng.permutation(ends[rank[ends[:, 0]] < rank[ends[:, 1]]])
    score = rng.random(len(ends)).astype(np.float32)
    first, hit, begin, source, scores = scored_components(rank, *ends.T.copy(), score, 0.3, min_hits)
    kept = np.flatnonzero(score > 0.3)
    graph = coo_array((np.ones(len(kept)), tuple(ends[kept].T)), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    members = {}
    # By rank, and hits of one rank by their number; components by the first of theirs in that order.
    for h in np.lexsort((np.arange(n), rank)).tolist():
        members.setdefault(component[h], []).append(h)
    expected = [m for m in members.values() if len(m) >= max(min_hits, 2)]
    if min_hits == 1:
        # A hit without an edge is in none.
        assert all(len(hit[a:b]) > 1 for a, b in zip(first[:-1], first[1:], strict=True))
    assert [hit[a:b].tolist() for a, b in zip(first[:-1], first[1:], strict=True)] == expected
    place = {h: k for k, h in enumerate(hit.tolist())}
    edges = sorted(
        (place[t], place[s], w)
        for (s, t), w in zip(ends[kept].tolist(), score[kept].tolist(), strict=True)
        if t in place
    )
    target = np.repeat(np.arange(len(hit)), np.diff(begin))
    assert list(zip(target.tolist(), source.tolist(), scores.tolist(), strict=True)) == edges


SIZE = 256


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 2500), share=st.floats(0, 1.5))
@example(seed=0, n=2500, share=1.2)  # one component larger than a chunk
@example(seed=0, n=2500, share=0.2)
@example(seed=0, n=1, share=0.0)
def test_chunks_are_whole_components_that_fill_them(seed, n, share):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n, (2, int(share * n))).astype(np.int32)
    edge_place, place, source, target, edge_start, hit_start = chunks(n, *ends, SIZE)
    assert sorted(edge_place.tolist()) == list(range(ends.shape[1]))
    with_edge = np.unique(ends)
    assert np.array_equal(np.flatnonzero(place >= 0), with_edge)
    assert sorted(place[with_edge].tolist()) == list(range(len(with_edge)))
    np.testing.assert_array_equal(source[edge_place], place[ends[0]])
    np.testing.assert_array_equal(target[edge_place], place[ends[1]])
    assert (edge_start[0], edge_start[-1]) == (0, ends.shape[1])
    assert (hit_start[0], hit_start[-1]) == (0, len(with_edge))
    sizes = np.diff(edge_start)
    of_edge = np.repeat(np.arange(len(sizes)), sizes)
    for hits in (source, target):
        assert np.all(hit_start[of_edge] <= hits)
        assert np.all(hits < hit_start[of_edge + 1])
    graph = coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(n, n))
    component = np.empty(ends.shape[1], dtype=np.int64)
    component[edge_place] = connected_components(graph, directed=False)[1][ends[0]]
    for k, size in enumerate(sizes.tolist()):
        assert size <= SIZE or len(set(component[edge_start[k] : edge_start[k + 1]].tolist())) == 1
        if k > 0:
            # The next one did not fit in.
            assert sizes[k - 1] + np.sum(component == component[edge_start[k]]) > SIZE

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracking.finders.components import scored_components


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

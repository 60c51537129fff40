"""Tracks from given scores: those of the chain's own network give the chain's tracks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.edges import Edges
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tracking.finders.options import BuildOptions
from tracking.graphs import evaluate_scores, event_from_scores
from tracking.graphs.columns import event_columns
from tracking.graphs.scores import scores_of_edges


def edges_of(pairs, n_hits):
    source, target = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    n = len(source)
    one = np.zeros(n, dtype=np.float32)
    return Edges(
        source, target, np.zeros(n, dtype=np.int32), one, one, one, one, np.zeros((n, 4)), 0, 0, n_hits
    )


@settings(max_examples=25)
@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda p: p[0] < p[1])), st.randoms())
def test_scores_find_their_edges_in_any_order(pairs, random):
    own = sorted(pairs, key=lambda p: random.random())
    asked = [p if random.random() < 0.5 else p[::-1] for p in own for _ in range(random.randrange(3))]
    random.shuffle(asked)
    scores = [random.random() for _ in asked]
    found = scores_of_edges(edges_of(own, 9), np.array(asked, dtype=int).reshape(-1, 2).T, scores)
    for edge, score in zip(own, found, strict=True):
        given_to = [s for a, s in zip(asked, scores, strict=True) if set(a) == set(edge)]
        assert score == pytest.approx(np.mean(given_to) if given_to else 0, abs=1e-6)


def test_scores_of_other_graphs_are_refused():
    edges = edges_of([(0, 1), (1, 2)], 3)
    for index, scores, text in (
        ([[0], [2]], [0.5], "hits 0 and 2 .* are no edge"),
        ([[0], [3]], [0.5], "rows beyond the event's 3 hits"),
        ([[0, 1], [1, 2]], [0.5], "give \\(2, K\\) and \\(K,\\)"),
        ([[0], [1]], [1.5], "from 0 to 1"),
        ([[0], [1]], [np.nan], "from 0 to 1"),
    ):
        with pytest.raises(InputError, match=text):
            scores_of_edges(edges, index, scores)


def test_the_networks_own_scores_give_the_chains_tracks(files, chain):
    record = next(iterate(files["toy"]))[1][1]
    expected = chain.event(int(record["event"]), record["clusters"])
    columns, *_ = event_columns(chain, record, True)
    order = np.random.default_rng(1).permutation(len(expected.scores))
    found = event_from_scores(chain, record, columns["edge_index"][:, order], expected.scores[order])
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.tracks.hits, expected.tracks.hits)
    np.testing.assert_array_equal(found.helices.qop, expected.helices.qop)
    assert len(found.tracks) > 20


def test_true_edges_as_scores_find_everybody_and_none_nobody(folder):
    perfect = evaluate_scores(folder, lambda graph: graph["y"])
    assert perfect["n_events"] == 4
    assert perfect["track_efficiency"] > 0.97
    assert perfect["fake_rate"] == 0
    longer = evaluate_scores(folder, lambda graph: graph["y"], build=BuildOptions(min_hits=5))
    assert 0 < longer["n_tracks"] < perfect["n_tracks"]
    nothing = evaluate_scores(folder, lambda graph: 0 * graph["y"], slice(1))
    assert (nothing["n_events"], nothing["n_tracks"]) == (1, 0)

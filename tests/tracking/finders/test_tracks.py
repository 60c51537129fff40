"""Tracks of an event, and some of them."""

import numpy as np

from tracking.finders.tracks import GraphSize, Parameters, Tracks


def test_some_of_the_tracks_keep_their_hits_scores_and_parameters():
    n = np.arange(3.0)
    parameters = Parameters(
        n, n + 1, n + 2, n + 3, n + 4, np.arange(75.0).reshape(3, 5, 5), n + 5, np.arange(3)
    )
    tracks = Tracks.from_rows([[4, 5, 6], [1], [2, 3]], [0.9, 0.8, 0.7], parameters)
    graph = GraphSize(7, 8, 5, 6)
    tracks = Tracks(
        tracks.hits,
        tracks.start,
        tracks.score,
        parameters,
        {"ckf": 1.0},
        graph,
        np.array([False, True, True]),
    )
    chosen = tracks.take(np.array([2, 0]))
    assert [rows.tolist() for rows in chosen.rows()] == [[2, 3], [4, 5, 6]]
    np.testing.assert_allclose(chosen.score, [0.7, 0.9], rtol=1e-6)
    assert chosen.parameters.qop.tolist() == [6.0, 4.0]
    assert chosen.parameters.covariance[1].tolist() == parameters.covariance[0].tolist()
    assert (chosen.ms, chosen.graph, chosen.later.tolist()) == ({"ckf": 1.0}, graph, [True, False])
    assert len(tracks.take(np.zeros(0, dtype=np.int64))) == 0

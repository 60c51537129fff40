"""Functions take the objects that others give: events, hits, edges, tracks, helices, headers."""

import dataclasses
import re

import numpy as np
import pytest

from seeding.edges import find_edges
from seeding.options import ConeOptions, SeedOptions, WindowOptions
from seeding.references import window
from seeding.seeds import find_seeds
from smartpix.io.events import open_events, read_events
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from tracking.chain import MOST_DRAWN, Chain
from tracking.fit.tracks import fit_tracks
from tracking.fit.vertices import find_vertices, vertices_along
from tracking.metrics import Ends, event_truth, score_edges, score_tracks
from tracking.options import RunOptions


@pytest.fixture(scope="module")
def chain(files, weights):
    return Chain.for_header(open_events(files["toy"]), RunOptions(gnn=str(weights)))


def test_functions_take_what_their_neighbours_return(files, chain):
    """And give what their arrays give."""
    event = next(read_events(files["toy"]))
    result, header, options = chain(event), chain.header, chain.options
    hits, tracks, helices = result.hits, result.tracks, result.helices
    assert result.event == event["event"]
    place = (header.detector, layer_pairs(header.detector), header.field)
    edges = find_edges(hits, header, options=options.cone)
    same(edges, find_edges(hits, *place, options.cone))
    same(find_edges(hits, header), find_edges(hits, *place, ConeOptions()))
    same(window(hits, header), window(hits, *place, WindowOptions()))
    same(find_seeds(hits, edges, header), find_seeds(hits, edges, header.field, ConeOptions(), SeedOptions()))
    again = fit_tracks(hits, tracks, header)
    np.testing.assert_array_equal(again.covariance, helices.covariance)
    same(find_vertices(helices), vertices_along(helices.z0, helices.sigma()[:, 1]))
    truth = chain.truth(event, result)
    expected = event_truth(
        event["clusters"], event["particles"], hits.layer, 0, cluster=hits.cluster, estimate=hits.estimate
    )
    same(truth, expected)
    assert truth.findable.sum() > 5
    same(score_tracks(truth, tracks), score_tracks(truth, tracks.rows()))
    assert score_edges(truth, edges) == score_edges(truth, Ends(edges.source, edges.target))
    # Of every other track what the fit says of its hits.
    some = np.arange(len(tracks))[::2]
    of_hits = np.concatenate([np.arange(tracks.start[k], tracks.start[k + 1]) for k in some])
    np.testing.assert_array_equal(helices[::2].residual, helices.residual[of_hits])
    np.testing.assert_array_equal(helices[::2].outlier, helices.outlier[of_hits])
    np.testing.assert_array_equal(helices[::2].d0, helices.d0[some])
    assert helices[0]["pt"] == pytest.approx(np.sin(helices.theta[0]) / abs(helices.qop[0]))
    assert np.sinh(helices.eta) == pytest.approx(1 / np.tan(helices.theta))


def test_chain_and_event_are_a_few_lines_and_a_small_page(files, chain):
    result = chain(next(read_events(files["toy"])))
    for thing in (chain, result):
        assert len(repr(thing).splitlines()) == 5
        assert len(repr(thing)) < 500
        assert len(thing._repr_html_()) < 30_000
    # Each track is a line through its hits, in two pictures.
    lines = "".join(re.findall(r'<path d="([^"]+)" stroke="#0072b2"', result._repr_html_()))
    assert lines.count("M") == 2 * min(len(result.tracks), MOST_DRAWN)


def same(one, other):
    """All columns agree."""
    for column in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name))


def test_what_is_no_event_or_no_place_is_told(files, chain):
    event = next(read_events(files["toy"]))
    result = chain(event)
    with pytest.raises(InputError, match=r"expected one event, and got .*take events\[0\]"):
        chain(event["clusters"])
    with pytest.raises(
        InputError, match=r"truth: the event: .*particles.* Give an event of a file with truth"
    ):
        chain.truth(event[["event", "clusters"]], result)
    with pytest.raises(InputError, match="edges: the field is missing; give it in T, or the header"):
        find_edges(result.hits, chain.header.detector)
    with pytest.raises(InputError, match=r"fit: the header has the field [\d.]+ T already; leave field and"):
        fit_tracks(result.hits, result.tracks, chain.header, 2.0)

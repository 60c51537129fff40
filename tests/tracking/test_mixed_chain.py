"""The chain with several possibilities of the direction of hits of the end-caps."""

import dataclasses

import numpy as np
import pytest

from seeding.edges import find_edges
from seeding.options import ConeOptions
from smartpix.estimate.base import Estimate
from smartpix.estimate.options import MixtureOptions
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.seeding.edge_events import pair_set
from tracking.chain import Chain
from tracking.finders.gnn.options import PASSES
from tracking.options import RunOptions

PLAIN = RunOptions()
MIXED = RunOptions(mixture=MixtureOptions(mode="on", quantile=PLAIN.cone.quantile))


@pytest.fixture(scope="module")
def event():
    """A chain with and one without, and what both make of the embedded sample's first event."""
    path = data_path("sample.root")
    chains = [Chain.for_header(open_events(path).header, options) for options in (PLAIN, MIXED)]
    clusters = next(iterate(path, step=1))[1][0]["clusters"]
    return chains, [chain.event(0, clusters) for chain in chains], clusters


def test_edges_hold_those_of_each_hits_densest_possibility(event):
    (_, chain), (plain, mixed), _ = event
    hits, (rows, components, _) = mixed.hits, mixed.hits.mixed
    np.testing.assert_array_equal(hits.estimate.mean, plain.hits.estimate.mean)
    assert len(rows) > 100
    edges, pairs = mixed.edges, pair_set(mixed.edges)
    assert len(pairs) == len(edges)
    assert edges.n_hits == len(hits)
    slopes = components.cholesky[:, :, 2:]
    density = components.weight / np.sqrt(np.linalg.det(slopes @ np.swapaxes(slopes, 2, 3)))
    best = np.arange(len(rows)), density.argmax(axis=1)
    mean, cholesky = hits.estimate.mean.copy(), hits.estimate.cholesky.copy()
    mean[rows, 2:], cholesky[rows] = components.mean[best][:, 2:], components.cholesky[best]
    search = chain.finder.search
    alone = dataclasses.replace(hits, estimate=Estimate(mean, cholesky), mixed=None)
    found = pair_set(find_edges(alone, search.detector, search.pairs, search.field, search.cone))
    assert found <= pairs
    assert pairs - found
    # Between hits that are no mixtures nothing changes.
    is_mixed = np.isin(np.arange(len(hits)), rows)
    both = [
        {(s, t) for s, t in pair_set(result.edges) if not is_mixed[s] and not is_mixed[t]}
        for result in (plain, mixed)
    ]
    assert both[0] == both[1] != set()
    assert pair_set(plain.edges) != pairs


def test_features_and_fit_are_of_the_one_estimate(event):
    (chain, _), (plain, mixed), _ = event
    search, rows = chain.finder.search, mixed.hits.mixed.rows
    features = [search.features(hits, mixed.edges, mixed.seeds) for hits in (mixed.hits, plain.hits)]
    assert np.isin(features[0].hits, rows).any()
    np.testing.assert_array_equal(features[0].node, features[1].node)
    assert len(mixed.tracks) == len(mixed.helices.z0) > 0


def test_a_lower_quantile_gives_fewer_edges_at_mixed_hits_alone(event):
    (_, chain), (_, mixed), clusters = event
    options = dataclasses.replace(MIXED, mixture=MixtureOptions(mode="on", quantile=0.9))
    fewer = Chain.for_header(chain.header, options).event(0, clusters)
    pairs, less = pair_set(mixed.edges), pair_set(fewer.edges)
    assert less < pairs
    rows = set(mixed.hits.mixed.rows.tolist())
    assert all(s in rows or t in rows for s, t in pairs - less)


def test_the_second_pass_has_the_possibilities_too(event, monkeypatch):
    (_, chain), _, clusters = event
    twice = Chain.for_header(chain.header, dataclasses.replace(MIXED, passes=PASSES))
    second, seen = twice.finder.second, []
    find = type(second).find

    def spy(self, hits):
        seen.append(hits.mixed)
        return find(self, hits)

    monkeypatch.setattr(type(second), "find", spy)
    twice.event(0, clusters)
    assert len(seen) == 2
    assert 0 < len(seen[1].rows) < len(seen[0].rows)


def test_windows_have_no_directions():
    with pytest.raises(InputError, match=r"cone\.time_sigma is 30 ps and graph=window has no cones"):
        RunOptions(graph="window", cone=ConeOptions(time_sigma=30.0))
    with pytest.raises(InputError, match=r"mixture\.mode is .on. and graph=window has no cones; set mixture"):
        dataclasses.replace(MIXED, graph="window")

import dataclasses

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.seeds import SeedOptions, find_seeds
from tests.seeding import toys
from tracking.graph import EDGE_FEATURES, NODE_FEATURES, make_features, make_graph

CONE = ConeOptions()


@pytest.fixture(scope="module")
def event():
    hits = toys.toy_hits(toys.toy_event(40, seed=61), 61)
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    return hits, edges, kinks_of(hits, edges, toys.FIELD)


def kinks_of(hits, edges, field):
    return find_seeds(hits, edges, field, CONE, SeedOptions()).support


def graph_of(event, **more):
    hits, edges, kinks = event
    return graph_in(toys.FIELD, hits, edges, kinks, **more)


def graph_in(field, hits, edges, kinks, **more):
    return make_graph(make_features(hits, edges, kinks, toys.detector(), field), edges, **more)


def test_node_features_are_what_their_names_say(event):
    hits, edges, _ = event
    x = graph_of(event).x.numpy()
    assert x.shape == (len(hits), len(NODE_FEATURES))
    column = {name: x[:, k] for k, name in enumerate(NODE_FEATURES)}
    for i in range(0, len(hits), 7):
        px, py, pz = hits.position[i]
        expected = {
            "r / 100 mm": np.hypot(px, py) / 100, "z / 1000 mm": pz / 1000,
            # Barrel modules stand upright: their normal has no component along the beam.
            "barrel": float(abs(hits.axes[i, 8]) < 0.7),
            "asinh cot alpha": np.arcsinh(hits.estimate.mean[i, 2]), "asinh cot beta": np.arcsinh(hits.estimate.mean[i, 3]),
            "log10 sigma cot alpha": np.log10(hits.estimate.sigma()[i, 2]),
            "log10 sigma cot beta": np.log10(hits.estimate.sigma()[i, 3]),
            "log1p edges in": np.log(1 + sum(edges.target == i)), "log1p edges out": np.log(1 + sum(edges.source == i)),
        }  # fmt: skip
        assert set(expected) == set(NODE_FEATURES)
        for name, value in expected.items():
            assert column[name][i] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_edge_features_are_what_their_names_say(event):
    hits, edges, kinks = event
    graph = graph_of(event)
    values = graph.edge_attr.numpy()
    assert values.shape == (len(edges), len(EDGE_FEATURES))
    np.testing.assert_array_equal(graph.edge_index.numpy(), [edges.source, edges.target])
    column = {name: values[:, k] for k, name in enumerate(EDGE_FEATURES)}
    for e in range(0, len(edges), 5):
        a, b = hits.position[edges.source[e]], hits.position[edges.target[e]]
        expected = {
            "chi2 / 10": edges.chi2[e] / 10,
            "pull cot alpha, source": edges.pulls[e, 0], "pull cot beta, source": edges.pulls[e, 1],
            "pull cot alpha, target": edges.pulls[e, 2], "pull cot beta, target": edges.pulls[e, 3],
            "curvature * 1 GeV": edges.curvature[e] / toys.UNIT, "asinh cot theta": np.arcsinh(edges.cot_theta[e]),
            "z0 / 50 mm": edges.z0[e] / 50, "dr / 50 mm": (np.hypot(*b[:2]) - np.hypot(*a[:2])) / 50,
            "dz / 200 mm": (b[2] - a[2]) / 200,
            "log1p kink chi2 before": np.log(1 + kinks[e, 0]), "log1p kink chi2 after": np.log(1 + kinks[e, 1]),
        }  # fmt: skip
        assert set(expected) == set(EDGE_FEATURES)
        for name, value in expected.items():
            assert column[name][e] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_everything_is_finite_even_without_field(event):
    hits, *_ = event
    for field in (toys.FIELD, -2.0, 0.0):
        edges = find_edges(hits, toys.detector(), toys.pairs(), field, CONE)
        kinks = kinks_of(hits, edges, field)
        graph = graph_in(field, hits, edges, kinks)
        assert np.all(np.isfinite(graph.x.numpy()))
        assert np.all(np.isfinite(graph.edge_attr.numpy()))


def test_labels_go_along_and_only_if_given(event):
    labels = np.arange(len(event[1])) % 3 == 0
    assert graph_of(event, labels=labels).y.tolist() == labels.astype(float).tolist()
    assert graph_of(event).y is None


def test_an_empty_event_is_an_empty_graph():
    hits = toys.toy_hits(toys.empty_event())
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    kinks = kinks_of(hits, edges, toys.FIELD)
    graph = graph_in(toys.FIELD, hits, edges, kinks)
    assert tuple(graph.x.shape) == (0, len(NODE_FEATURES))
    assert tuple(graph.edge_attr.shape) == (0, len(EDGE_FEATURES))
    assert tuple(graph.edge_index.shape) == (2, 0)


def test_turning_the_event_about_the_beam_leaves_the_features(event):
    hits, edges, kinks = event
    turned = toys.rotated(hits, 1.0)
    graph = graph_in(toys.FIELD, turned, edges, kinks)
    np.testing.assert_allclose(graph.x.numpy(), graph_of(event).x.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(graph.edge_attr.numpy(), graph_of(event).edge_attr.numpy(), rtol=1e-5, atol=1e-5)


def test_scale_of_momentum_is_the_fields(event):
    hits, edges, kinks = event
    weak = graph_in(toys.FIELD / 2, hits, edges, kinks)
    k = EDGE_FEATURES.index("curvature * 1 GeV")
    np.testing.assert_allclose(weak.edge_attr[:, k], 2 * graph_of(event).edge_attr[:, k], rtol=1e-5)
    opposite = graph_in(-toys.FIELD, dataclasses.replace(hits), edges, kinks)
    np.testing.assert_array_equal(opposite.edge_attr[:, k], graph_of(event).edge_attr[:, k])

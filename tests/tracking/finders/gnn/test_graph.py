import dataclasses

import awkward as ak
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.references import WindowOptions
from seeding.seeds import SeedOptions, find_seeds
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.seeding import toys
from tracking.chain import Chain
from tracking.finders.gnn.graph import (
    EDGE_FEATURES,
    NODE_FEATURES,
    PYG_NODE_FEATURES,
    candidate_edges,
    make_features,
    make_graph,
    to_pyg,
)
from tracking.metrics import event_truth
from tracking.options import RunOptions

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
    return make_graph(make_features(hits, edges, kinks, toys.detector(), field), **more)


def test_node_features_are_what_their_names_say(event):
    hits, edges, _ = event
    x = graph_of(event).x.numpy()
    of_hits = make_features(*event, toys.detector(), toys.FIELD).hits
    assert x.shape == (len(of_hits), len(NODE_FEATURES))
    column = {name: x[:, k] for k, name in enumerate(NODE_FEATURES)}
    for k in range(0, len(of_hits), 7):
        i = of_hits[k]
        px, py, pz = hits.position[i]
        expected = {
            "r / 100 mm": np.hypot(px, py) / 100, "z / 1000 mm": pz / 1000,
            # Barrel modules stand upright: their normal has no component along the beam.
            "barrel": float(abs(hits.axes[i, 8]) < 0.7),
            "asinh cot alpha": np.arcsinh(hits.estimate.mean[i, 2]),
            "asinh cot beta": np.arcsinh(hits.estimate.mean[i, 3]),
            "log10 sigma cot alpha": np.log10(hits.estimate.sigma()[i, 2]),
            "log10 sigma cot beta": np.log10(hits.estimate.sigma()[i, 3]),
            "log1p edges in": np.log(1 + sum(edges.target == i)),
            "log1p edges out": np.log(1 + sum(edges.source == i)),
        }  # fmt: skip
        assert set(expected) == set(NODE_FEATURES)
        for name, value in expected.items():
            assert column[name][k] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_edge_features_are_what_their_names_say(event):
    hits, edges, kinks = event
    graph = graph_of(event)
    values = graph.edge_attr.numpy()
    features = make_features(hits, edges, kinks, toys.detector(), toys.FIELD)
    rows, of_hits = features.rows, features.hits
    assert 0 < len(rows) < len(edges)
    assert values.shape == (len(rows), len(EDGE_FEATURES))
    ends = of_hits[graph.edge_index.numpy()]
    np.testing.assert_array_equal(ends, [edges.source[rows], edges.target[rows]])
    column = {name: values[:, k] for k, name in enumerate(EDGE_FEATURES)}
    for k in range(0, len(rows), 5):
        e = rows[k]
        a, b = hits.position[edges.source[e]], hits.position[edges.target[e]]
        expected = {
            "chi2 / 10": edges.chi2[e] / 10,
            "pull cot alpha, source": edges.pulls[e, 0], "pull cot beta, source": edges.pulls[e, 1],
            "pull cot alpha, target": edges.pulls[e, 2], "pull cot beta, target": edges.pulls[e, 3],
            "curvature * 1 GeV": edges.curvature[e] / toys.UNIT,
            "asinh cot theta": np.arcsinh(edges.cot_theta[e]),
            "z0 / 50 mm": edges.z0[e] / 50, "dr / 50 mm": (np.hypot(*b[:2]) - np.hypot(*a[:2])) / 50,
            "dz / 200 mm": (b[2] - a[2]) / 200,
            "log1p kink chi2 before": np.log(1 + kinks[e, 0]),
            "log1p kink chi2 after": np.log(1 + kinks[e, 1]),
            "log1p wide chi2 before": np.log(1 + kinks[e, 2]),
            "log1p wide chi2 after": np.log(1 + kinks[e, 3]),
            # In tenths of a millimetre.
            "asinh d0 before": np.arcsinh(10 * kinks[e, 4]), "asinh d0 after": np.arcsinh(10 * kinks[e, 5]),
        }  # fmt: skip
        assert set(expected) == set(EDGE_FEATURES)
        for name, value in expected.items():
            assert column[name][k] == pytest.approx(value, rel=1e-4, abs=1e-5), name


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
    rows = make_features(*event, toys.detector(), toys.FIELD).rows
    assert graph_of(event, labels=labels).y.tolist() == labels[rows].astype(float).tolist()
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
    np.testing.assert_allclose(
        graph.edge_attr.numpy(), graph_of(event).edge_attr.numpy(), rtol=1e-5, atol=1e-5
    )


def test_scale_of_momentum_is_the_fields(event):
    hits, edges, kinks = event
    weak = graph_in(toys.FIELD / 2, hits, edges, kinks)
    k = EDGE_FEATURES.index("curvature * 1 GeV")
    np.testing.assert_allclose(weak.edge_attr[:, k], 2 * graph_of(event).edge_attr[:, k], rtol=1e-5)
    opposite = graph_in(-toys.FIELD, dataclasses.replace(hits), edges, kinks)
    np.testing.assert_array_equal(opposite.edge_attr[:, k], graph_of(event).edge_attr[:, k])


@pytest.fixture(scope="module")
def simulated(files, weights):
    """An event of an event file: its result, record and truth."""
    opened = open_events(files["single"])
    chain = Chain.for_header(opened.header, RunOptions(gnn=str(weights)))
    (record,) = next(iterate(files["single"]))[1]
    result = chain.event(int(record["event"]), record["clusters"])
    return (
        result,
        record,
        event_truth(record["clusters"], record["particles"], result.hits.layer),
        opened.header.detector,
    )


def pyg_of(simulated, **more):
    result, record, truth, detector = simulated
    return to_pyg(
        result.event,
        result.hits,
        result.edges,
        record["clusters"],
        detector,
        more.pop("truth", truth),
        **more,
    )


def particles_of(record):
    """Of each cluster, by hand: the particle's record with the largest share, or None."""
    by_id = {p["particle_id"]: p for p in ak.to_list(record["particles"])}
    best = [max((t for t in c if t["share"] >= 0.1), key=lambda t: t["share"], default=None) for c in
            ak.to_list(record["clusters"]["truth"])]  # fmt: skip
    return [None if t is None else by_id[t["particle_id"]] for t in best]


def test_pyg_of_gnn_tracking_has_its_fields_and_what_they_mean(simulated):
    result, record, truth, _ = simulated
    graph = pyg_of(simulated)
    assert set(graph.keys()) == {
        "x", "edge_index", "edge_attr", "y", "hit_id", "layer", "sector", "evtid", "particle_id", "pt",
        "eta", "n_hits",
        "n_layers_hit", "reconstructable", "findable", "num_nodes",
    }  # fmt: skip
    assert graph.validate()
    assert (graph.num_nodes, graph.num_edges, graph.evtid.tolist()) == (
        len(result.hits),
        len(result.edges),
        [result.event],
    )
    assert graph.hit_id.tolist() == ak.to_list(record["clusters"]["hit_id"])
    made_by, layers_of = particles_of(record), {}
    for layer, c in zip(result.hits.layer.tolist(), ak.to_list(record["clusters"]["truth"]), strict=True):
        for t in c:
            if t["share"] >= 0.1:
                layers_of.setdefault(t["particle_id"], set()).add(layer)
    for i, particle in enumerate(made_by):
        x, y, z = result.hits.position[i]
        r = np.hypot(x, y)
        wanted = [r, np.arctan2(y, x), z, -np.log(np.tan(np.arctan2(r, z) / 2)), x / r**2, y / r**2]
        assert graph.x[i, :6].tolist() == pytest.approx(wanted, rel=1e-4)
        assert graph.x[i, 10] == pytest.approx(record["clusters"]["charge"][i])
        if particle is None:
            assert (graph.particle_id[i], graph.pt[i], graph.reconstructable[i]) == (0, 0, 0)
            continue
        pt = np.hypot(particle["px"], particle["py"])
        assert graph.particle_id[i] == particle["particle_id"]
        assert graph.pt[i] == pytest.approx(pt)
        assert graph.eta[i] == pytest.approx(-np.log(np.tan(np.arctan2(pt, particle["pz"]) / 2)), abs=1e-4)
        layers = layers_of[particle["particle_id"]]
        assert graph.n_layers_hit[i] == len(layers)
        assert graph.reconstructable[i] == (len(layers) >= 3)
    true = {tuple(e) for e in truth.edges.tolist()}
    assert graph.y.tolist() == [float(tuple(e) in true) for e in graph.edge_index.T.tolist()]
    assert 0 < graph.y.sum() < graph.num_edges
    for e in range(0, graph.num_edges, 5):
        a, b = (result.hits.position[i] for i in graph.edge_index[:, e])
        assert graph.edge_attr[e, 0] == pytest.approx(np.hypot(*b[:2]) - np.hypot(*a[:2]), rel=1e-3, abs=1e-3)
        turn = np.angle(complex(*b[:2]) / complex(*a[:2]))
        assert graph.edge_attr[e, 1] == pytest.approx(turn, abs=1e-5)
        assert graph.edge_attr[e, 2] == pytest.approx(b[2] - a[2], abs=1e-3)
        eta = [np.arcsinh(p[2] / np.hypot(*p[:2])) for p in (a, b)]
        assert graph.edge_attr[e, 3] == pytest.approx(np.hypot(eta[1] - eta[0], turn), rel=1e-4, abs=1e-6)


def test_pyg_of_several_events_is_refused(simulated):
    result, record, truth, detector = simulated
    other = record["clusters"][:-1]
    with pytest.raises(InputError, match="clusters and hits are not those of the same event"):
        to_pyg(result.event, result.hits, result.edges, other, detector)
    fewer = result.hits.take(np.arange(len(other)))
    with pytest.raises(
        InputError, match=f"truth is of {len(result.hits)} clusters and there are {len(other)} hits"
    ):
        to_pyg(result.event, fewer, result.edges, other, detector, truth)
    with pytest.raises(
        InputError,
        match=f"to_pyg: the edges were found among {len(result.hits)} hits and {len(other)} hits are",
    ):
        to_pyg(result.event, fewer, result.edges, other, detector)
    with pytest.raises(InputError, match="features: the edges were found among"):
        make_features(fewer, result.edges, result.seeds.support, detector, 3.8)
    with pytest.raises(InputError, match=r"features: .* support has the shape \(1, 6\); give six"):
        make_features(result.hits, result.edges, result.seeds.support[:1], detector, 3.8)


def test_pyg_of_acorn_is_the_same_event(simulated):
    _, record, truth, _ = simulated
    ours, theirs = pyg_of(simulated), pyg_of(simulated, naming="acorn")
    assert torch.equal(theirs.edge_index, ours.edge_index)
    assert torch.equal(theirs.hit_particle_id, ours.particle_id)
    assert torch.equal(theirs.edge_y, ours.y.long())
    for k, name in enumerate(PYG_NODE_FEATURES[:4]):
        assert torch.equal(theirs[f"hit_{name.removesuffix('_rz')}"], ours.x[:, k])
    assert theirs.hit_x.numpy() == pytest.approx(
        ours.x[:, 0].numpy() * np.cos(ours.x[:, 1].numpy()), abs=1e-3
    )
    for name in ("volume_id", "layer_id", "module_id"):
        assert theirs[f"hit_{name}"].tolist() == ak.to_list(record["clusters"][name])
    assert theirs.track_edges.T.tolist() == truth.edges.tolist()
    # A true edge that was found points at itself, and its ends are of its particle.
    for k, (edge, row) in enumerate(
        zip(theirs.track_edges.T.tolist(), theirs.track_to_edge_map.tolist(), strict=True)
    ):
        if row >= 0:
            assert theirs.edge_index[:, row].tolist() == edge
        particle = next(
            p for p in ak.to_list(record["particles"]) if p["particle_id"] == theirs.track_particle_id[k]
        )
        assert theirs.track_particle_pt[k] == pytest.approx(
            np.hypot(particle["px"], particle["py"]), rel=1e-5
        )
    assert (theirs.track_to_edge_map >= 0).sum() == theirs.edge_y.sum()


@pytest.mark.parametrize("naming", ["gnn_tracking", "acorn"])
def test_pyg_without_truth_has_no_fields_of_it_and_batches(simulated, naming):
    bare = pyg_of(simulated, truth=None, naming=naming)
    assert not set(bare.keys()) & {"y", "particle_id", "pt", "edge_y", "hit_particle_id", "track_edges"}
    whole = pyg_of(simulated, naming=naming)
    batch = Batch.from_data_list([whole, whole])
    assert batch.edge_index[:, whole.num_edges :].tolist() == (whole.edge_index + whole.num_nodes).tolist()


def test_pyg_of_an_unknown_naming_is_refused(simulated):
    with pytest.raises(InputError, match="naming must be gnn_tracking or acorn"):
        pyg_of(simulated, naming="mine")


def test_without_field_curvatures_say_nothing_and_the_window_is_refused(event):
    hits, edges, kinks = event
    straight = make_features(hits, edges, kinks, toys.detector(), 0.0)
    row = EDGE_FEATURES.index("curvature * 1 GeV")
    assert not np.any(straight.edge[row])
    assert np.any(make_features(hits, edges, kinks, toys.detector(), toys.FIELD).edge[row])
    with pytest.raises(InputError, match=r"graph: the field is 0 T .* take cones"):
        candidate_edges(hits, toys.detector(), toys.pairs(), 0.0, "window", CONE, WindowOptions())
    assert candidate_edges(
        hits, toys.detector(), toys.pairs(), 0.0, "cone", CONE, WindowOptions()
    ).n_hits == len(hits)


def test_hits_of_another_detector_are_refused(event):
    hits, edges, kinks = event
    module = hits.module.copy()
    module[3] = len(toys.detector())
    with pytest.raises(InputError, match=r"features: hit 3 \(row 3\) has the module"):
        make_features(dataclasses.replace(hits, module=module), edges, kinks, toys.detector(), toys.FIELD)

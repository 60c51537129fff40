"""What must not matter to the scores: the order of hits and edges, where sectors are cut, how far they are padded."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.finders.trigger.graphs import random_model
from tests.tracking.finders.trigger.sector_toys import random_graph
from tracking.finders.trigger.graphs import EventGraph, sector_batch
from tracking.finders.trigger.options import SectorOptions
from tracking.finders.trigger.sectors import SectorGraph, make_sectors
from tracking.finders.trigger.whole import evaluate, to_whole, whole_data

NETWORK = to_whole(random_model(seed=28))
N_HITS, N_EDGES = 25, 60
OPTIONS = st.builds(
    SectorOptions, n_phi=st.integers(1, 9), n_eta=st.integers(1, 5), max_eta=st.floats(0.5, 4),
    margin_phi=st.floats(0, 0.3), margin_eta=st.floats(0, 0.8), radius=st.floats(0, 150),
    nodes=st.integers(2, 30), edges=st.integers(1, 70), order=st.sampled_from(["chi2", "file"]),
).map(lambda o: o if o.n_phi > 1 else replace(o, margin_phi=0.0))  # fmt: skip


def event_of(graph, seed):
    """A graph with random features of the paper's number."""
    rng = np.random.default_rng(seed)
    node = rng.normal(0, 1, (len(graph.position), 3)).astype(np.float32)
    edge = rng.normal(0, 1, (len(graph.source), 4)).astype(np.float32)
    rows = np.arange(len(edge), dtype=np.int32)
    return EventGraph(graph, np.arange(len(node), dtype=np.int32), rows, node, edge)


def logits_of(event, options):
    """By number of the sector and row of the edge."""
    sectors = make_sectors(event.graph, options)
    batch = sector_batch(event, sectors, options)
    found = evaluate(
        NETWORK, *whole_data(NETWORK, batch.node, batch.edge), batch.sender, batch.receiver, batch.valid
    )
    return {
        (int(sectors.sector[k]), int(sectors.edge[k, m])): int(found[k, m])
        for k, m in np.argwhere(batch.valid)
    }


@settings(max_examples=30, deadline=None)
@given(OPTIONS, st.integers(0, 1000))
def test_every_edge_within_reach_is_in_a_sector_before_the_cut(options, seed):
    graph = random_graph(N_HITS, N_EDGES, seed)
    sectors = make_sectors(graph, replace(options, nodes=N_HITS, edges=N_EDGES))
    assert not sectors.truncated.any()
    eta = np.arcsinh(graph.cot_theta.astype(np.float64))
    reach = np.abs(eta) < options.max_eta + options.margin_eta
    assert set(sectors.edge[sectors.valid].tolist()) == set(np.flatnonzero(reach).tolist())


@settings(max_examples=20, deadline=None)
@given(OPTIONS, st.integers(0, 1000))
def test_the_order_of_hits_and_edges_changes_nothing(options, seed):
    # By chi2 alone: what else is cut first depends on the order of the file.
    options, event = replace(options, order="chi2"), event_of(random_graph(N_HITS, N_EDGES, seed), seed)
    rng, graph = np.random.default_rng(seed + 1), event.graph
    hits, edges = rng.permutation(len(event.node)), rng.permutation(len(event.edge))
    place = np.argsort(hits).astype(np.int32)
    moved = SectorGraph(
        graph.position[hits], place[graph.source][edges], place[graph.target][edges],
        graph.curvature[edges], graph.cot_theta[edges], graph.chi2[edges],
    )  # fmt: skip
    found = logits_of(EventGraph(moved, event.hits, event.rows, event.node[hits], event.edge[edges]), options)
    # In whole numbers, to the last bit.
    assert {(sector, int(edges[row])): logit for (sector, row), logit in found.items()} == logits_of(
        event, options
    )


@settings(max_examples=20, deadline=None)
@given(OPTIONS, st.integers(0, 40), st.integers(0, 40), st.integers(0, 1000))
def test_padding_changes_nothing(options, more_nodes, more_edges, seed):
    event = event_of(random_graph(N_HITS, N_EDGES, seed), seed)
    fits = replace(options, nodes=N_HITS, edges=N_EDGES)
    wider = replace(fits, nodes=N_HITS + more_nodes, edges=N_EDGES + more_edges)
    found = logits_of(event, fits)
    assert logits_of(event, wider) == found
    # Nor does a sector that is cut change those that are not.
    sectors = make_sectors(event.graph, options)
    uncut = set(sectors.sector[~sectors.truncated].tolist())
    cut = logits_of(event, options)
    assert {key: v for key, v in cut.items() if key[0] in uncut} == {
        key: v for key, v in found.items() if key[0] in uncut
    }

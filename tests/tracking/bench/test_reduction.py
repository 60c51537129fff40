"""Reductions read off two curves: their points are those of straight searches, and what lies between."""

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.options import WindowOptions
from seeding.references import window
from smartpix.shipped import data_path
from tracking.bench import reduction
from tracking.bench.seeding_sample import load_seeding_sample
from tracking.metrics import score_edges


@pytest.fixture(scope="module")
def sample():
    return load_seeding_sample([data_path("sample.root")], 2, ("mdn",))


@pytest.fixture(scope="module")
def result(sample):
    return reduction.reductions(sample)


def straight(sample, search):
    """Edges an event and efficiency, of a search made for one setting alone."""
    scores = []
    for event in sample.events:
        edges = search(event.hits["mdn"])
        scores.append(score_edges(event.truth, edges))
    found, wanted = (sum(getattr(s, name) for s in scores) for name in ("n_found", "n_wanted"))
    return sum(s.n_edges for s in scores) / len(scores), found / wanted


def test_points_of_the_scans_are_those_of_searches_with_their_settings(sample, result):
    where = sample.detector, sample.pairs, sample.field
    for point in result["reduction_curves"]["cone"]["all"][::6]:
        options = ConeOptions(quantile=point["quantile"], min_pt=point["min_pt"])
        edges, efficiency = straight(sample, lambda hits, o=options: find_edges(hits, *where, o))
        assert point["edges"] == pytest.approx(edges, rel=1e-3)
        assert point["efficiency"] == pytest.approx(efficiency, abs=2.5e-3)
    for point in result["reduction_curves"]["window"]["all"][::3]:
        options = WindowOptions(min_pt=point["min_pt"], max_z0=point["max_z0"])
        edges, efficiency = straight(sample, lambda hits, o=options: window(hits, *where, o))
        assert point["edges"] == pytest.approx(edges, rel=1e-3)
        assert point["efficiency"] == pytest.approx(efficiency, abs=2.5e-3)


def test_regions_lie_within_each_other(sample, result):
    at = result["reduction_at"]
    assert list(at) == ["0.99", "0.995", "0.998"]
    assert all(set(of) == {"innermost", "barrel", "all"} for of in at.values())
    assert at["0.99"]["barrel"] > at["0.99"]["all"] > 1.5
    for curves in result["reduction_curves"].values():
        assert curves["innermost"][-1]["edges"] < curves["barrel"][-1]["edges"] < curves["all"][-1]["edges"]
    chosen = reduction.regions(sample)
    assert not np.any(chosen["innermost"] & ~chosen["barrel"])
    assert chosen["all"].all()
    assert 0 < chosen["innermost"].sum() < chosen["barrel"].sum() < len(sample.pairs)


def test_an_envelope_has_what_no_other_point_beats():
    points = [{"edges": e, "efficiency": f} for e, f in ((5, 0.9), (1, 0.5), (3, 0.95), (3, 0.7), (9, 0.95))]
    assert [(p["edges"], p["efficiency"]) for p in reduction.envelope(points)] == [(1, 0.5), (3, 0.95)]


def test_between_points_edges_grow_by_factors_and_beyond_the_last_there_are_none():
    best = [{"edges": 10.0, "efficiency": 0.9}, {"edges": 1000.0, "efficiency": 1.0}]
    assert reduction.edges_at(best, 0.95) == pytest.approx(100)
    assert reduction.edges_at(best, 0.5) == pytest.approx(10)
    assert reduction.edges_at(best[:1], 0.95) is None
    assert reduction.edges_at([], 0.5) is None

"""Edges of mixtures beside those of single Gaussians, counted by hand, and how well their ratio is known."""

from dataclasses import replace

import numpy as np
import pytest

from seeding.edges import find_edges
from seeding.hits import make_hits
from seeding.mixtures import find_mixture_edges, possibilities
from smartpix.beam import BeamSpot
from smartpix.clusters import flatten
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.components import Components
from smartpix.estimate.mdn import MdnEstimator
from smartpix.estimate.mixture import MixtureNetwork
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tracking.bench import mixture_edges as module
from tracking.bench.events import records_with_truth
from tracking.bench.mixture_edges import at_equal_share, mixture_edges, ratio_error
from tracking.finders.gnn.options import WIDE
from tracking.metrics import MIN_PT, event_truth

SAMPLE = REPOSITORY / "data" / "sample.root"


def test_edges_of_a_mixture_that_is_one_gaussian():
    class Same:
        """Twice the single estimate."""

        def components(self, clusters, rows, detector, field=None):
            lone = MdnEstimator.load().predict(clusters.take(rows), detector)
            mean, cholesky = (np.repeat(v[:, None], 2, axis=1) for v in (lone.mean, lone.cholesky))
            return Components(mean, cholesky, np.full((len(rows), 2), 0.5))

    numbers = mixture_edges([SAMPLE], Same(), 2, (0.99, 0.999, WIDE.quantile))
    for single, mixture in zip(numbers["single"], numbers["mixture"], strict=True):
        assert single == mixture
        assert 0 < single["endcap"]["edges"] < single["all"]["edges"]
        assert single["endcap"]["found"] <= single["endcap"]["wanted"] < single["all"]["wanted"]
    assert numbers["possibilities"] == pytest.approx(2)
    assert numbers["single"][0]["all"]["edges"] < numbers["single"][1]["all"]["edges"]
    for where in ("all", "endcap"):
        equal = numbers["at_equal_share"][where]
        assert equal["edges_ratio"] == pytest.approx(1)
        assert equal["edges_ratio_error"] == pytest.approx(0, abs=1e-12)
        assert equal["n_true"] == numbers["single"][0][where]["wanted"]


def quantiles(edges, found):
    """Made-up counts by quantile."""
    return [
        {"quantile": q, "all": {"edges": e, "wanted": 100, "found": f}}
        for q, e, f in zip((0.9, 0.99, 0.9999), edges, found, strict=True)
    ]


def test_edges_where_the_same_share_is_kept_are_between_two_quantiles():
    numbers = {
        "single": quantiles((1000, 2000, 4000), (80, 90, 96)),
        "mixture": quantiles((900, 1600, 3600), (86, 94, 98)),
    }
    equal = at_equal_share(numbers, "all", 0.9999)
    # Half way from 94 to 98, on a logarithmic scale.
    assert equal["edges_mixture"] == pytest.approx(np.sqrt(1600 * 3600))
    assert equal["edges_ratio"] == pytest.approx(2400 / 4000)
    assert (equal["n_true"], equal["n_found"], equal["share"]) == (100, 96, 0.96)
    numbers["mixture"] = quantiles((900, 1600, 3600), (86, 96, 96))
    assert at_equal_share(numbers, "all", 0.9999)["edges_mixture"] == 1600
    # The smallest quantile keeps just this share: there is nothing to interpolate.
    numbers["mixture"] = quantiles((900, 1600, 3600), (96, 97, 98))
    assert at_equal_share(numbers, "all", 0.9999)["edges_mixture"] == 900
    # One Gaussian has as many with fewer edges, too.
    numbers["mixture"] = quantiles((900, 1600, 3600), (86, 96, 96))
    numbers["single"] = quantiles((1000, 2000, 4000), (80, 96, 96))
    equal = at_equal_share(numbers, "all", 0.9999)
    assert (equal["edges_single"], equal["edges_ratio"]) == (2000, 0.8)
    for found in ((97, 98, 99), (80, 90, 95)):
        numbers["mixture"] = quantiles((900, 1600, 3600), found)
        assert at_equal_share(numbers, "all", 0.9999)["edges_ratio"] is None
    with pytest.raises(InputError, match=r"no edges of quantile 0\.5; give it among"):
        at_equal_share(numbers, "all", 0.5)


def counts_by_event(seed, n=6):
    """Made-up edges (E, 2, 3) of each kind and quantile, of which true ones are found alike everywhere."""
    rng = np.random.default_rng(seed)
    single = rng.integers(900, 1100, n)
    counts = {}
    for kind, factor in (("single", 1.0), ("mixture", 0.8)):
        for quantile, more in ((0.99, 0.7), (WIDE.quantile, 1.0)):
            edges = (factor * more * single * rng.uniform(0.9, 1.1, n)).astype(int)
            rows = np.stack([edges, np.full(n, 50), np.full(n, 40 if more < 1 else 45)], axis=1)
            counts[kind, quantile] = np.stack([rows, rows], axis=1)
    return counts


def test_the_ratios_error_is_that_of_a_ratio_over_events():
    counts = counts_by_event(3)
    found = ratio_error(counts, "all")
    assert found["bootstraps"] == module.BOOTSTRAPS
    ones, others = (counts[kind, WIDE.quantile][:, 0, 0] for kind in ("single", "mixture"))
    ratio = others.sum() / ones.sum()
    # The linear error of a ratio; the bootstrap divides by n and not by n - 1.
    linear = np.sqrt(np.sum((others - ratio * ones) ** 2)) / ones.sum()
    assert found["edges_ratio_error"] == pytest.approx(linear, rel=0.12)


def test_samples_of_events_without_a_ratio_are_told():
    counts = counts_by_event(3)
    # One event has a true edge that the mixture finds at no quantile; those that draw it have no ratio.
    counts["single", WIDE.quantile][0, :, 2] += 1
    found = ratio_error(counts, "endcap")
    share = (5 / 6) ** 6
    assert found["bootstraps"] == pytest.approx(module.BOOTSTRAPS * share, rel=0.2)
    assert found["edges_ratio_error"] > 0
    one = {key: of_events[:1] for key, of_events in counts.items()}
    assert ratio_error(one, "all") == {"edges_ratio_error": None, "bootstraps": 0}


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """The embedded sample, whose beam is said to be elsewhere and shorter."""
    path = tmp_path_factory.mktemp("moved") / "moved.root"
    header = replace(open_events(SAMPLE).header, beam_spot=BeamSpot(x=0.3, y=-0.2, sigma_z=20.0))
    write_events(path, header, [events for _, events in iterate([SAMPLE], step=4)])
    return path


def test_edges_are_those_of_the_search_about_the_beam_counted_by_hand(moved):
    quantile = WIDE.quantile
    network = MixtureNetwork.load("bimodal-endcap")
    numbers = mixture_edges([moved], network, 1, (0.9, quantile))
    header = open_events(moved).header.at_beam()
    detector = header.detector
    estimator, pairs = choose_estimator(header, "mdn"), layer_pairs(detector)
    record = next(iter(records_with_truth([moved], 1)))
    clusters = record["clusters"]
    hits = make_hits(clusters, estimate(clusters, header, estimator), detector)
    truth = event_truth(clusters, record["particles"], hits.layer, frame=detector.frame)
    cone = WIDE.at_beam(detector.frame)
    rows = np.flatnonzero(~detector.barrel[hits.module])
    components = network.components(flatten(clusters, estimator.slices), rows, detector, header.field)
    copies = possibilities(hits, rows, components, cone)
    by_kind = {
        "single": find_edges(hits, detector, pairs, header.field, cone),
        "mixture": find_mixture_edges(copies, detector, pairs, header.field, cone),
    }
    disk = set(rows.tolist())
    true, soft = set(), 0
    for e, (a, b) in enumerate(truth.edges.tolist()):
        particle = truth.edge_particle[e]
        if truth.edge_pt[e] > MIN_PT and truth.n_layers[particle] >= truth.min_layers:
            true.add((a, b))
        else:
            soft += 1
    assert soft > 10
    for kind, edges in by_kind.items():
        own = numbers[kind][1]
        assert own["quantile"] == quantile
        pairs_found = set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
        inside = {p for p in pairs_found if p[0] in disk and p[1] in disk}
        here = {p for p in true if p[0] in disk and p[1] in disk}
        assert len(pairs_found) > len(inside) > 100
        assert own["all"] == {"edges": len(edges), "wanted": len(true), "found": len(true & pairs_found)}
        assert own["endcap"] == {"edges": len(inside), "wanted": len(here), "found": len(here & pairs_found)}
    assert by_kind["single"].n_hits == len(hits)
    assert numbers["single"] != numbers["mixture"]

"""The benchmark of the link: what comes back whole changes nothing, and the numbers are counted again."""

import math

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.io.events import open_events
from smartpix.link.codes import coded
from smartpix.link.images import adc_of, with_charge
from smartpix.networks.weights import describe_weights
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tracking.bench import link as module
from tracking.bench.events import records_with_truth
from tracking.bench.link_chain import decoded_records, differs, judged_chain, less
from tracking.bench.link_plots import plot_link
from tracking.chain import Chain
from tracking.options import RunOptions

SAMPLE = REPOSITORY / "data" / "sample.root"
CONTRACT = ("bits_per_cluster", "emd", "reduction", "track_efficiency", "fake_rate", "resolution_d0_um")


@pytest.fixture(scope="module")
def chain():
    return Chain.for_header(open_events(SAMPLE).header, RunOptions())


def test_clusters_that_come_back_whole_change_nothing(chain):
    records = list(records_with_truth([SAMPLE], 1))
    slices, adc = chain.estimator.slices, adc_of(chain.header)

    def sent(k, clusters):
        flat = flatten(clusters, slices)
        seen = coded(flat, chain.header.detector, adc)
        return decoded_records(clusters, with_charge(flat, adc.charge(seen.codes)), slices)

    def lost(k, clusters):
        flat = flatten(clusters, slices)
        charge = adc.charge(coded(flat, chain.header.detector, adc).codes)
        charge[::2] = 0
        return decoded_records(clusters, with_charge(flat, charge), slices)

    as_it_is = judged_chain(chain, records, lambda k, clusters: clusters)
    back, half = (judged_chain(chain, records, how) for how in (sent, lost))
    one, other = as_it_is.numbers(chain.header.field), back.numbers(chain.header.field)
    assert one["n_findable"] == other["n_findable"] > 50
    assert other["track_efficiency"] == pytest.approx(one["track_efficiency"], abs=0.01)
    assert other["reduction"] == pytest.approx(one["reduction"], rel=0.02)
    assert other["resolution_d0_um"] == pytest.approx(one["resolution_d0_um"], rel=0.05)
    worse = less(half, as_it_is)
    assert worse["efficiency"] < 0
    assert worse["n_lost"] > worse["n_won"]
    found = differs(half, as_it_is)
    assert (found["gained"], found["lost"]) == (worse["n_won"], worse["n_lost"])
    # McNemar: the tail of coins, on both sides, by hand.
    n, few = found["gained"] + found["lost"], found["gained"]
    assert found["p_value"] == pytest.approx(2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
    assert half.numbers(chain.header.field)["edge_efficiency"] < one["edge_efficiency"] <= 1
    assert half.numbers(chain.header.field)["resolution_d0_um"] > 1.1 * one["resolution_d0_um"]


def test_every_code_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "RAW_BITS", (4, 2))
    monkeypatch.setattr(module, "PCA", ((4, 6),))
    monkeypatch.setattr(module, "LINK_BITS", (6,))
    monkeypatch.setattr(module, "TABLE_CLUSTERS", 2000)
    with pytest.raises(InputError, match="give events of another seed"):
        module.bench_link(SAMPLE, [SAMPLE], (), 1, 5)
    shipped = ("mdn-barrel", "mdn-endcap")
    for code, weights, words in (
        ("nothing", shipped, "nothing is sent by 'nothing'"),
        ("float", ("mdn-barrel-link-4x6", "mdn-endcap"), "was trained on clusters of 'link-4x6'"),
    ):
        with pytest.raises(InputError, match=words):
            module.bench_link(SAMPLE, [SAMPLE], (), 1, 5, retrained={code: weights})
    learned_from = describe_weights("gnn")["data"][0]["seed"]
    asked = iter([1, *[learned_from] * 9])
    monkeypatch.setattr(module, "event_seed", lambda path: next(asked))
    with pytest.raises(InputError, match=f"'chain' was trained on events of seed {learned_from}"):
        module.bench_link(SAMPLE, [SAMPLE], (), 1, 5)
    seeds = iter([1, *[2] * 9])
    monkeypatch.setattr(module, "event_seed", lambda path: next(seeds))
    result = module.bench_link(SAMPLE, [SAMPLE], (), 1, 5, retrained={"float": shipped})
    codes = result["codes"]
    assert list(codes) == [
        "float",
        "float-unsplit",
        "float-retrained",
        "raw-address",
        "raw-bitmap",
        "raw-bitmap-2",
        "pca-4x6",
        "mdn-6",
    ]
    for name, row in codes.items():
        assert {"reduction", "track_efficiency", "fake_rate", "resolution_d0_um"} <= set(row), name
        if not name.startswith("float"):
            assert {"bits_per_cluster", "arithmetic_bits_per_cluster", "emd", "gbit_per_s_cm2"} <= set(row), (
                name
            )
            assert all(np.isfinite(row[key]) for key in CONTRACT), name
            rate = 40e-3 * result["occupancy"] * (row["bits_innermost"] + 22)
            assert row["gbit_per_s_cm2"] == pytest.approx(rate)
    # The same estimates find the same.
    assert codes["float-retrained"]["differs"] == {"gained": 0, "lost": 0, "p_value": 1.0}
    assert codes["float-retrained"]["track_efficiency"] == codes["float"]["track_efficiency"]
    for row in codes.values():
        assert row["reduction"] > 1
        assert 0.9 < row["edge_efficiency"] <= 1
    assert codes["mdn-6"]["bits_per_cluster"] == 14 * 6 + 1
    assert codes["raw-address"]["emd"] == 0 < codes["raw-bitmap-2"]["emd"] < codes["pca-4x6"]["emd"]
    assert codes["raw-address"]["bits_per_cluster"] > codes["raw-bitmap"]["bits_per_cluster"]
    assert codes["raw-bitmap"]["arithmetic_bits_per_cluster"] < codes["raw-bitmap"]["bits_per_cluster"]
    assert "mdn-6" in module.link_table(result)
    plot_link(tmp_path / "link.png", result)
    assert (tmp_path / "link.png").stat().st_size > 10_000


def test_occupancy_is_clusters_over_the_layers_area(chain):
    records = list(records_with_truth([SAMPLE], 1))
    flat = flatten(records[0]["clusters"], chain.estimator.slices)
    seen = coded(flat, chain.header.detector, adc_of(chain.header))
    detector = chain.header.detector
    radius = np.hypot(*detector.center[:, :2].T)
    inner = detector.barrel & (radius < 1.2 * radius[detector.barrel].min())
    area = sum(4 * x * y for x, y in zip(detector.half_x[inner], detector.half_y[inner], strict=True)) / 100
    found = module._occupancy(module._Events(records, [seen], chain.header))
    assert found == pytest.approx(np.sum(inner[flat.module]) / area)

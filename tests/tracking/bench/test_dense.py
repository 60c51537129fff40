"""``smartpix bench dense`` on the embedded sample, with finders that stand in for others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from smartpix.schema import TARGETS, InputError
from smartpix.shipped import data_path
from tracking.bench import dense
from tracking.bench.dense import bench_dense
from tracking.bench.dense_comparison import compare_dense
from tracking.bench.dense_estimates import crossing_residuals, estimate_numbers
from tracking.bench.dense_network_plots import plot_positions
from tracking.bench.dense_plots import plot_dense, plot_rates
from tracking.bench.dense_table import dense_table
from tracking.bench.events import load_sample
from tracking.cli.main import main
from tracking.finder_table import finder_names, make_finder
from tracking.finders.tracks import Tracks
from tracking.split_finder import SplitFinder


@pytest.fixture(scope="module")
def sample():
    return load_sample(data_path("sample.root"), 2)


def thinned(finder):
    """Without every fourth track."""

    def find(event):
        found = finder(event)
        rows = [r for k, r in enumerate(found.rows()) if k % 4]
        return Tracks.from_rows(rows, np.ones(len(rows), dtype=np.float32))

    return find


@pytest.fixture(scope="module")
def compared(sample):
    chain = make_finder("chain", sample.header)
    finders = {"acts": thinned(chain), "ours": chain, "ours-split": chain}
    return compare_dense(sample, finders, lambda line: None)


def test_rates_of_each_finder_are_of_the_same_particles(compared, sample):
    ours, acts = compared["finders"]["ours"], compared["finders"]["acts"]
    assert (
        compared["n_findable"]
        == ours["n_findable"]
        == sum(int(e.truth.findable.sum()) for e in sample.events)
    )
    assert 0.6 < acts["efficiency"] / ours["efficiency"] < 0.9
    for r in (ours, acts):
        assert r["ms"] == pytest.approx(sum(r["ms_by_stage"].values()))
        assert {"fake_rate", "duplicate_rate", "efficiency_in_jets"} <= set(r)
    assert ours["n_resolution"] == acts["n_resolution"]
    assert compared["merged"]["findable"]["n"] == compared["n_findable"]
    assert compared["n_in_jets"] == compared["merged"]["in_jets"]["n"]
    curve = compared["curves"]["distance"]
    assert sum(curve["found"]["ours"]) == round(ours["efficiency"] * compared["n_findable"])
    won = compared["won"]
    assert list(won) == ["acts", "ours-split"]
    assert won["acts"]["n_won"] == 0
    against = compared["differences"]["acts"]
    assert (against["n_won"], against["n_lost"]) == (won["acts"]["n_lost_anew"], 0)
    assert against["efficiency"] == pytest.approx(ours["efficiency"] - acts["efficiency"])
    assert 0 < against["efficiency_error"] < 0.1
    assert compared["differences"]["ours"]["efficiency"] == 0
    assert 0 < acts["efficiency_error"] < 0.1
    assert won["acts"]["n_lost_anew"] == sum(curve["found"]["ours"]) - sum(curve["found"]["acts"])


@pytest.fixture
def small(monkeypatch, sample, compared):
    """The bench with two finders, on the embedded sample in place of simulated ones."""
    seeds = []

    def simulated_sample(name, n_events, seed, folder):
        seeds.append((name, n_events, seed))
        return data_path("sample.root")

    monkeypatch.setattr(dense, "FINDERS", {"ours": "chain", "acts": "window", "gone": "not-there"})
    monkeypatch.setattr(dense, "simulated_sample", simulated_sample)
    monkeypatch.setattr(dense, "compare_dense", lambda *arguments: dict(compared))
    monkeypatch.setattr(dense, "load_sample", lambda path, n: sample)
    monkeypatch.setattr(dense, "have_weights", lambda names: False)
    monkeypatch.setattr(dense, "endcap_comparison", lambda *arguments: compared_endcaps(*arguments))
    return seeds


def compared_endcaps(folder, seed, collisions, report):
    """Made-up numbers of the end-caps; the first bin is empty."""
    bins = [{"bin": "1.5-2.3", "n": 0}] + [
        {
            "bin": name, "n": 400, "pull_mean": dict.fromkeys(TARGETS, 0.0), "pull_width": dict.fromkeys(TARGETS, 1.01),
            "within_68": 0.69, "within_95": 0.95,
        }
        for name in ("2.3-2.6", "2.6-4")
    ]  # fmt: skip
    counts = [
        {"quantile": q, "endcap": {"edges": edges, "wanted": 1000, "found": found}}
        for q, edges, found in ((0.99, 3000, 990), (0.9999, 4000, 999))
    ]
    equal = {
        "edges_ratio": 0.9,
        "edges_ratio_error": 0.01,
        "bootstraps": 500,
        "n_true": 1000,
        "n_found": 999,
        "share": 0.999,
    }
    edges = {
        "single": counts, "mixture": counts,
        "at_equal_share": {"all": equal | {"edges_ratio": None, "edges_ratio_error": None}, "endcap": equal},
    }  # fmt: skip
    rates = {"efficiency": 0.996, "fake_rate": 0.001, "ms": 90.0}
    less = {
        "efficiency": 0.001, "efficiency_error": 0.0005, "fake_rate": -0.0002, "fake_rate_error": None,
        "n_won": 3, "n_lost": 1,
    }  # fmt: skip
    tracks = {"quantile": 0.99, "single": rates, "mixture": rates | {"ms": 200.0}, "difference": less}
    return {
        "mixture": bins, "single": bins, "edges": edges if collisions else None, "tracks": tracks if collisions else None,
        "called": (seed, collisions and collisions[1]),
    }  # fmt: skip


def test_the_bench_simulates_each_sample_with_a_seed_of_its_own(small, sample):
    lines = []
    result = bench_dense(4, 52001, report=lines.append)
    assert lines[0] == "without gone: there is no finder not-there"
    assert small == [("jets", 4, 52001), ("cores", 4, 52002), ("pileup-200", 2, 52003)]
    assert list(result["samples"]) == ["jets", "cores", "pileup-200"]
    bench_dense(4, 52001, ["pileup-200", "cores"], report=lines.append)
    assert small[3:] == [("pileup-200", 2, 52003), ("cores", 4, 52002)]
    arrays = result.pop("arrays")
    json.dumps(result)
    assert set(arrays["tracks"]["cores"]) == {"ours", "acts", "ours-split"}
    assert result["endcap"]["called"] == (52005, 2)
    assert bench_dense(1, 52001, ["jets"], report=lines.append)["endcap"]["called"] == (52005, None)
    once = estimate_numbers(crossing_residuals(sample))["barrel"]["lone"]["n"]
    assert result["estimates"]["lone"]["barrel"]["lone"]["n"] == 3 * once
    lines = dense_table(result).splitlines()
    assert sum(line.split()[:2] == ["jets", "acts"] for line in lines) == 1
    assert "-" in lines[2]
    assert lines[-5].startswith("edges of the mixture's cones, all: ")
    assert lines[-4].endswith(
        "0.9000 +- 0.0100 (500 samples of events) of one Gaussian's where both keep 999 of 1000 true ones"
    )
    assert lines[-2] == "chain, mixture: efficiency 0.9960, fakes 0.0010, 200 ms"
    assert lines[-1].startswith(
        "mixture at 0.99 less single: efficiency +0.0010 +- 0.0005 (3 particles won, 1 lost)"
    )
    assert sum(line.startswith("end-caps, mixture, eta 2.") for line in lines) == 2


def test_edges_are_counted_on_more_events_than_finders_run_on(small, monkeypatch):
    loaded = []
    sample = dense.load_sample("", 0)
    monkeypatch.setattr(dense, "load_sample", lambda path, n: loaded.append(n) or sample)
    monkeypatch.setattr(dense, "have_weights", lambda names: list(names) == [dense.MIXTURE])
    names = ["jets", "pileup-200"]
    found = bench_dense(4, 52001, names, report=lambda line: None)
    assert small == [("jets", 4, 52001), ("pileup-200", dense.EDGE_EVENTS, 52003)]
    assert loaded == [4, 2]
    assert found["endcap"]["called"][1] == dense.EDGE_EVENTS == 8
    small.clear()
    found = bench_dense(40, 52001, names, report=lambda line: None)
    assert (small[1][1], loaded[3], found["endcap"]["called"][1]) == (20, 20, dense.EDGE_EVENTS)


def test_what_is_not_there_is_refused(small):
    with pytest.raises(InputError, match=r"bench dense: finder 'nobody' is none of ours, acts, gone"):
        bench_dense(1, 1, finders=["nobody"])
    with pytest.raises(InputError, match=r"finder 'not-there' is unknown"):
        bench_dense(1, 1, finders=["gone"])
    with pytest.raises(
        InputError,
        match=r"sample must be one of jets, cores, pileup-200 and is 'cars'\. Did you mean 'cores'",
    ):
        bench_dense(1, 1, names=["cars"])
    with pytest.raises(InputError, match=r"events must be at least 1"):
        bench_dense(0, 1)


def test_events_that_a_finder_was_trained_on_are_refused(small):
    with pytest.raises(
        InputError, match=r"bench dense: the finder 'ours' was trained on events of seed 2001"
    ):
        bench_dense(1, 2001, report=lambda line: None)


def test_groups_that_a_network_was_trained_on_are_refused(small, monkeypatch):
    monkeypatch.setattr(dense, "networks_seeds", lambda: {"pair-barrel": frozenset([52005])})
    with pytest.raises(InputError, match=r"the network 'pair-barrel' was trained on events of seed 52005"):
        bench_dense(1, 52001, report=lambda line: None)
    with pytest.raises(InputError, match=r"the network 'pair-barrel' was trained on"):
        bench_dense(1, 52002, report=lambda line: None)
    assert bench_dense(1, 52003, ["jets"], report=lambda line: None)["samples"]


def test_the_command_writes_figures_and_results(small, tmp_path, capsys):
    assert (
        main(["bench", "dense", "--events", "1", "--samples", "jets", "--json", "-o", str(tmp_path / "out")])
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "out" / "bench-dense.json").read_text()) == printed
    assert set(printed["samples"]["jets"]["finders"]["ours"]) >= {
        "efficiency",
        "fake_rate",
        "duplicate_rate",
        "ms",
    }
    figures = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert figures == ["efficiency-jets.png", "endcap.png", "rates.png", "residuals.png"]


def test_figures_of_jets_have_resolutions(small, tmp_path, compared):
    result = bench_dense(1, 52001, ["cores"], report=lambda line: None)
    arrays = result.pop("arrays")
    rng = np.random.default_rng(1)
    arrays["tracks"]["cores"] = {name: rng.normal(0, 1e-3, (40, 5)) for name in ("ours", "somebody")}
    result["samples"]["cores"] = dict(compared) | {"n_in_jets": 50}
    arrays["crossings"]["split"] = replace(
        arrays["crossings"]["lone"], kind=np.full_like(arrays["crossings"]["lone"].kind, 2)
    )
    plot_dense(tmp_path, result, arrays)
    assert (tmp_path / "resolution-cores.png").stat().st_size > 10_000


@pytest.mark.parametrize(("error", "drawn"), [(0.0, 0.0), (0.02, 0.02), (None, 0.05)])
def test_bars_are_over_events_and_binomial_of_one_event_alone(compared, monkeypatch, tmp_path, error, drawn):
    bars = []
    errorbar = Axes.errorbar
    monkeypatch.setattr(Axes, "errorbar", lambda *a, **kw: bars.append(kw["yerr"]) or errorbar(*a, **kw))
    numbers = {"n_findable": 100, "efficiency": 0.5, "efficiency_error": error}
    sample = {"n_findable": 100, "finders": {"ours": compared["finders"]["ours"] | numbers}}
    plot_rates(tmp_path / "rates.png", {"jets": sample})
    assert bars == pytest.approx([drawn, drawn])


def positions(made):
    """Made-up numbers of pairs in the barrel."""
    assert made == ("groups.root", dense.GROUP_EVENTS, 52104)
    lone = {"n": 90, "half_width": dict.fromkeys(TARGETS, 0.01), "pull_width": dict.fromkeys(TARGETS, 1.0)}
    pair = lone | {"half_width_ratio": dict.fromkeys(TARGETS, 1.55)}
    return {"barrel": {"lone": lone, "pair": pair}, "endcap": {}}


def test_places_in_merged_clusters_are_drawn(tmp_path):
    plot_positions(tmp_path / "positions.png", positions(("groups.root", dense.GROUP_EVENTS, 52104)))
    assert (tmp_path / "positions.png").stat().st_size > 10_000


def test_counting_and_deepcores_seeds_are_told_where_there_are_weights(small, monkeypatch):
    counted = {
        "auc": 0.9, "auc_chip": 0.89, "csim_mismatches": 0, "csim_clusters": 7,
        "float": {"found_separable": 0.8, "miscalibration": 0.01},
        "endcap": {"auc": 0.8, "found_separable": None, "miscalibration": 0.02},
    }  # fmt: skip
    seeds = {
        "parameters": 77_373, "seed_fake_rate": 0.1, "core_x_um": None, "core_y_um": 30.0, "ms": 500.0,
        "cones": {"n_seeds": 10, "seed_fake_rate": 0.2, "ms": 40.0},
    }  # fmt: skip
    monkeypatch.setattr(dense, "have_weights", lambda names: True)
    monkeypatch.setattr(dense, "check_tools", lambda: None)
    monkeypatch.setattr(dense, "simulated_crossings", lambda path, n, seed: (path.name, n, seed))
    monkeypatch.setattr(dense, "group_samples", lambda made: made)
    monkeypatch.setattr(dense, "position_numbers", positions)
    monkeypatch.setattr(dense, "count_numbers", lambda samples, report: counted | {"samples": samples})
    monkeypatch.setattr(dense, "deepcore_seeds", lambda finder, events: dict(seeds))
    monkeypatch.setitem(dense.FINDERS, "deepcore", "chain")
    monkeypatch.setattr(dense, "DeepCoreFinder", object)
    result = bench_dense(1, 52101, ["cores"], report=lambda line: None)
    assert result["merged"]["samples"] == ("groups.root", dense.GROUP_EVENTS, 52104)
    assert result["merged"]["positions"] == positions(result["merged"]["samples"])
    assert result["deepcore"]["published"]["core_um"] == 44.0
    lines = dense_table(result).splitlines()
    assert any("AUC 0.9000, on the chip 0.8900 (0 mismatches of 7)" in line for line in lines)
    assert any(line.startswith("in the end-caps: AUC 0.8000, - of the separable pairs") for line in lines)
    assert any(
        line.startswith("barrel, pair: 90 clusters") and "x 1.55 (pull 1.000)" in line for line in lines
    )
    assert any(
        line.startswith("barrel, lone: 90 clusters") and "x - " in line.replace("   ", "") for line in lines
    )
    assert lines[-3].startswith("DeepCore's seeds: 77,373 parameters")
    assert "cores - x 30.0 um" in lines[-3].replace("   ", "")
    assert lines[-2] == "cones' seeds in the same jets: fakes 0.200, 40 ms"
    assert lines[-1] == "published, of CMS: cores 44 um and 0.002, fakes less by 60%, 16.6 -> 2.5 s"
    assert bench_dense(1, 52101, ["jets"], report=lambda line: None)["deepcore"] is None


def test_missing_tools_are_told_before_anything_is_simulated(small, monkeypatch):
    def missing():
        raise InputError("hls: g++ is missing")

    monkeypatch.setattr(dense, "have_weights", lambda names: True)
    monkeypatch.setattr(dense, "check_tools", missing)
    with pytest.raises(InputError, match=r"g\+\+ is missing"):
        bench_dense(1, 52001, report=lambda line: None)
    assert not small


@pytest.mark.parametrize("splits", [False, True])
def test_a_chain_that_does_not_split_is_told(small, monkeypatch, sample, splits):
    chain = make_finder("chain-unsplit", sample.header)
    clusters = [len(event.hits) for event in sample.events]

    def splitter(given, header, lone):
        rows = np.arange(len(lone))
        return lone, rows

    finder = SplitFinder(chain, sample.header, splitter, (2, 19)) if splits else chain
    monkeypatch.setattr(dense, "FINDERS", {"ours-split": "chain"})
    monkeypatch.setattr(dense, "finder_maker", lambda name: lambda header: finder)
    lines = []
    result = bench_dense(1, 52001, ["cores"], report=lines.append)
    assert any("ours-split does not split" in line for line in lines) == (not splits)
    assert list(result["estimates"]) == (["lone", "split"] if splits else ["lone"])
    assert clusters == [len(event.hits) for event in sample.events]


def test_all_finders_are_in_the_table():
    assert set(dense.FINDERS.values()) <= set(finder_names())

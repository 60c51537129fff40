import json

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.references import WindowOptions, window
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench import seeding, seeding_studies
from tracking.bench.seeding_sample import edges_and_seeds, load_seeding_sample
from tracking.bench.seeding_table import seeding_table
from tracking.cli.main import main
from tracking.metrics import edge_rows


@pytest.fixture(scope="module")
def sample():
    return load_seeding_sample([data_path("sample.root")], 2)


@pytest.fixture(scope="module")
def result(sample, tmp_path_factory):
    pytest.importorskip("acts")
    before = seeding.SEARCH_REPEATS
    seeding.SEARCH_REPEATS = 1
    try:
        return seeding.bench_seeding(sample, lambda _: None)
    finally:
        seeding.SEARCH_REPEATS = before


def test_numbers_of_the_cones_are_those_of_straight_loops(sample, result):
    kept = searched = wanted = found = soft = found_soft = true = 0
    for event in sample.events:
        edges = find_edges(event.hits["mdn"], sample.detector, sample.pairs, sample.field, ConeOptions())
        pairs = set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
        searched += len(
            window(event.hits["mdn"], sample.detector, sample.pairs, sample.field, WindowOptions())
        )
        kept += len(pairs)
        for (a, b), pt, findable in zip(
            event.truth.edges.tolist(), event.truth.edge_pt, event.truth.edge_findable, strict=True
        ):  # fmt: skip
            inside = (a, b) in pairs
            true += inside
            wanted, found = wanted + findable, found + (findable and inside)
            soft, found_soft = soft + (pt > 0.5), found_soft + (pt > 0.5 and inside)
    cone = result["methods"]["cone"]
    assert cone["edges"] == kept / 2
    assert cone["edge_efficiency_0p9"] == pytest.approx(found / wanted)
    assert cone["edge_efficiency_0p5"] == pytest.approx(found_soft / soft)
    assert cone["edge_purity"] == pytest.approx(true / kept)
    assert result["reduction_all"] == pytest.approx(searched / kept)
    assert sum(p["edges"] for p in result["by_pair"].values()) == kept
    assert sum(p["window_edges"] for p in result["by_pair"].values()) == searched


def test_every_method_is_there_and_they_are_in_the_order_physics_wants(result):
    methods = result["methods"]
    assert set(methods) == {
        "cone", "cone-shape", "cone-truth", "cone-sigma-0.5", "cone-sigma-2", "window", "length", "tree",
        "acts-grid",
        "acts-orthogonal", "acts-gbts",
    }  # fmt: skip
    assert methods["cone-truth"]["edges"] < methods["cone"]["edges"] < methods["cone-sigma-2"]["edges"]
    assert methods["cone-sigma-0.5"]["edge_efficiency_0p9"] < methods["cone"]["edge_efficiency_0p9"]
    assert methods["length"]["edges"] < methods["window"]["edges"]
    assert methods["tree"]["edges"] == pytest.approx(methods["window"]["edges"], rel=1e-3)
    for name, method in methods.items():
        assert method["ms"] > 0
        assert (method["seeds"] is None) == (name in ("window", "length", "tree"))
    ratio = methods["cone"]["seeds"] / methods["acts-grid"]["seeds"]
    assert result["ratio_seeds_to_acts"] == pytest.approx(ratio)
    assert result["ratio_time_to_acts"] == pytest.approx(methods["cone"]["ms"] / methods["acts-grid"]["ms"])
    assert "cone-truth" in seeding_table(result)


def test_working_points_are_beside_each_other_with_one_rule_for_shared_hits(sample, result):
    points = {"fastest", "balanced", "efficient"}
    of_side = {"ours": points, "acts": points | {"gbts", "gbts-fastest"}}
    keys = {
        "seeds", "seed_efficiency", "seed_purity", "seeds_per_findable", "ms", "seeds_same_rule",
        "seed_efficiency_same_rule", "seed_purity_same_rule", "seed_efficiency_by_pt", "n_findable",
    }  # fmt: skip
    for side in ("ours", "acts"):
        assert set(result[side]) == of_side[side]
        assert all(set(point) == keys for point in result[side].values())
        assert set(result["matched"][side]) == of_side[side]
    # Ours keep the rule already; ACTS's seeds share hits freely.
    for point in result["ours"].values():
        assert point["seeds_same_rule"] == point["seeds"]
    for point in result["acts"].values():
        assert point["seeds_same_rule"] < point["seeds"]
    assert result["ours"]["fastest"]["seeds"] < result["ours"]["balanced"]["seeds"]
    for side, method in (("ours", "cone"), ("acts", "acts-grid")):
        for key in ("seeds", "seed_efficiency", "seed_purity"):
            assert result[side]["balanced"][key] == result["methods"][method][key]
    assert set(result["reduction_at"]) == {"0.99", "0.995", "0.998"}
    assert set(result["instructions"]) == {"ours", "acts"}
    text = seeding_table(result)
    assert text.index("both at an efficiency of 0.995") < text.index("cone-truth")
    assert "acts.efficient" in text
    assert "on equal terms: ours" in text


def test_seeds_in_bins_of_pt_are_those_of_a_loop_over_particles(sample, result):
    seeded, every = {"0.5-0.6": 0, "0.8-0.9": 0}, {"0.5-0.6": 0, "0.8-0.9": 0}
    for event in sample.events:
        truth = event.truth
        made: dict[int, set[int]] = {}
        for hit, particle in zip(truth.hit.tolist(), truth.particle.tolist(), strict=True):
            made.setdefault(hit, set()).add(particle)
        _, seeds = edges_and_seeds(sample, event.hits["mdn"])
        have = set().union(
            *(set.intersection(*(made.get(h, set()) for h in row)) for row in seeds.hits.tolist())
        )
        for p, pt in enumerate(truth.pt.tolist()):
            if truth.charge[p] == 0 or abs(truth.eta[p]) > 2.5 or truth.n_layers[p] < 4:
                continue
            for name in every:
                low, high = map(float, name.split("-"))
                every[name] += low <= pt < high
                seeded[name] += low <= pt < high and p in have
    for name in every:
        assert every[name] > 5
        assert result["methods"]["cone"]["seed_efficiency_by_pt"][name] == seeded[name] / every[name]
    assert set(result["methods"]["acts-gbts"]["seed_efficiency_by_pt"]) == set(
        result["ours"]["balanced"]["seed_efficiency_by_pt"]
    )


def test_the_purity_of_seeds_is_that_of_a_loop_over_them(sample, result):
    pure = total = 0
    for event in sample.events:
        # Of wide cones, since all seeds of the others are pure in so few events.
        made: dict[int, set[int]] = {}
        for hit, particle in zip(event.truth.hit.tolist(), event.truth.particle.tolist(), strict=True):
            made.setdefault(hit, set()).add(particle)
        _, seeds = edges_and_seeds(sample, event.hits["mdn"], 1, 2.0)
        for row in seeds.hits.tolist():
            pure += bool(set.intersection(*(made.get(hit, set()) for hit in row)))
            total += 1
    assert result["methods"]["cone-sigma-2"]["seed_purity"] == pytest.approx(pure / total)
    assert 0 < pure < total


def test_lost_edges_and_kept_ones_are_all(sample):
    lost = seeding_studies.lost_edges(sample)
    total = missing = 0
    for event in sample.events:
        edges = find_edges(event.hits["mdn"], sample.detector, sample.pairs, sample.field, ConeOptions())
        soft = event.truth.edge_pt > 0.5
        found = np.unique(edge_rows(event.truth, edges.source, edges.target))
        total += int(soft.sum())
        missing += int(soft.sum() - soft[found[found >= 0]].sum())
    assert sum(v["all"] for v in lost["layers"].values()) == total
    assert sum(v["lost"] for v in lost["layers"].values()) == missing


def test_cones_hold_the_share_they_are_asked_for():
    """In the middle of the barrel to the binomial error, and three hundredths at 90 %: pulls of unit width have
    tails, so that small ellipsoids hold more. Elsewhere the priors hold more.
    """
    result = seeding_studies.coverage(load_seeding_sample([data_path("sample.root")], 10, ("mdn",)))
    for name, held in result.items():
        quantile = float(name)
        central = next(b for b in held["eta"] if b["bin"] == "0-1")
        error = np.sqrt(quantile * (1 - quantile) / central["n"])
        assert central["n"] > 2500
        assert central["inside"] == pytest.approx(quantile, abs=0.03 * (quantile < 0.99) + 0.002 + 3 * error)
        assert quantile - 0.002 < held["all"] < 1 - 0.25 * (1 - quantile)
        n = sum(b["n"] for b in held["pt"])
        assert held["all"] == pytest.approx(sum(b["n"] * b["inside"] for b in held["pt"]) / n)
        assert 0.95 * n <= sum(b["n"] for b in held["eta"]) <= n


def test_a_better_sensor_reduces_more(sample):
    def setting(alpha, beta):
        return {"half_width_68": {"cot_alpha": alpha, "cot_beta": beta}}

    levers = {
        "thickness [um]": {"50": setting(0.46, 0.09), "100": setting(0.2, 0.035), "150": setting(0.13, 0.03)}
    }
    found = seeding_studies.sensors(sample, levers)["thickness [um]"]
    assert (
        found["50"]["reduction_barrel"] < found["100"]["reduction_barrel"] < found["150"]["reduction_barrel"]
    )
    assert all(v["edge_efficiency_0p9"] > 0.97 for v in found.values())


def test_an_exponent_is_that_of_the_times(sample, monkeypatch):
    sizes = iter([len(e.length) for e in sample.events])
    monkeypatch.setattr(
        seeding, "time_in_turn", lambda runs, repeats: ({"cone": 2.0 * next(sizes) ** 1.3}, {})
    )
    exponent, points = seeding.time_exponent([sample])
    assert exponent == pytest.approx(1.3)
    assert [p["hits"] for p in points] == [len(e.length) for e in sample.events]


def test_command_prints_one_object_and_writes_figures(tmp_path, capsys, monkeypatch):
    pytest.importorskip("acts")
    monkeypatch.setattr(seeding, "SEARCH_REPEATS", 1)
    made = []
    # Both pile-ups are one file here: no power can be fitted to one number of hits.
    monkeypatch.setattr(
        seeding, "time_exponent", lambda _: (1.2, [{"hits": 10.0, "ms": 1.0}, {"hits": 20.0, "ms": 2.3}])
    )
    monkeypatch.setattr(
        seeding, "simulated", lambda pileup, *_: made.append(pileup) or data_path("sample.root")
    )
    assert (
        main(
            ["bench", "seeding", "--events", "1", "--pileup", "20,30", "-o", str(tmp_path / "out"), "--json"]
        )
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert made == [30, 20, 30]
    keys = {"methods", "reduction_innermost", "reduction_barrel", "reduction_all", "ratio_time_to_acts",
    "ratio_seeds_to_acts",
            "thread_speedup", "exponent"}  # fmt: skip
    assert keys <= set(printed)
    wanted = {
        "edges",
        "edge_efficiency_0p9",
        "edge_efficiency_0p5",
        "edge_purity",
        "seeds",
        "seed_efficiency",
        "ms",
        "peak_mb",
    }
    assert all(wanted <= set(m) for m in printed["methods"].values())
    figures = ("efficiency-reduction", "lost-edges", "time")
    names = {"bench-seeding.json", *(f"{name}{end}" for name in figures for end in (".png", "-data.csv"))}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out" / "bench-seeding.json").read_text()) == printed


@pytest.mark.parametrize("threads", ["0", "a", "1,,2"])
def test_wrong_numbers_are_refused(threads, capsys):
    with pytest.raises(SystemExit):
        main(["bench", "seeding", "--threads", threads])
    assert "whole numbers, at least 1" in capsys.readouterr().err


def test_levers_of_something_else_are_refused(tmp_path):
    (tmp_path / "levers.json").write_text('{"levers": {"noise": {"0": {}}}}')
    with pytest.raises(InputError, match=r"levers.json: not the results of `smartpix study levers`"):
        seeding_studies.read_levers(tmp_path / "levers.json")

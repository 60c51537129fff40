"""The benchmark of the trigger on the embedded sample, with a network that was trained for a moment."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smartpix.networks.weights import save_description
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench import trigger
from tracking.bench.events import load_sample
from tracking.bench.judgement import judge
from tracking.bench.trigger import (
    LOGIC_KEYS,
    BenchTriggerOptions,
    bench_trigger,
    edge_auc,
    pt_rates,
    sector_numbers,
    trigger_table,
)
from tracking.bench.trigger_plots import plot_logic, plot_sectors
from tracking.bench.trigger_rate import design_rate
from tracking.cli.main import main
from tracking.finder_table import make_finder
from tracking.finders.finder import FinderInput
from tracking.finders.trigger import logic
from tracking.finders.trigger.dataset import labelled_events
from tracking.finders.trigger.options import SectorOptions, TrainTriggerOptions, TriggerGraphOptions
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.sectors import make_sectors
from tracking.finders.trigger.train import train_trigger
from tracking.fit.tracks import FitOptions, fit_tracks

SAMPLE = data_path("sample.root")
SECTORS = SectorOptions(n_phi=24, n_eta=8, margin_phi=0.02, margin_eta=0.05)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """In floating point and in whole numbers, which do not say what they were trained on."""
    folder = tmp_path_factory.mktemp("trigger")
    plain, fixed = folder / "w.safetensors", folder / "q.safetensors"
    options = {"batch_size": 64, "sectors": SECTORS}
    train_trigger(
        SAMPLE, plain, TrainTriggerOptions(epochs=8, learning_rate=0.01, **options), lambda line: None
    )
    more = TrainTriggerOptions(epochs=1, learning_rate=1e-4, bits=8, start=str(plain), **options)
    train_trigger(SAMPLE, fixed, more, lambda line: None)
    kept = {}
    for path in (plain, fixed):
        kept[path] = json.loads(path.with_suffix(".json").read_text())
        save_description(path, kept[path] | {"data": []})
    return plain, fixed, kept


@pytest.fixture(scope="module")
def result(weights):
    facts = dict.fromkeys(LOGIC_KEYS, 7) | {"n_sectors": 50}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigger, "CURVE", (((24, 8), (28, 56)), ((12, 4), (28, 56))))
        asked = []
        patch.setattr(logic, "write_logic", lambda *given: asked.append(given) or facts)
        options = BenchTriggerOptions(str(weights[1]), str(weights[0]), 3, n_sectors=50)
        found = bench_trigger(SAMPLE, options, lambda line: None)
    network, _, graphs, size, _ = asked[0]
    assert (size.nodes, size.edges, size.interval) == (28, 56, 1)
    assert [len(column) for column in graphs] == [50] * 5
    assert (network.parameters, graphs[0].dtype) == (568, np.int64)
    return found


def test_the_keys_are_there_and_mean_what_they_say(result):
    network, sectors = result["network"], result["sectors"]
    assert network["parameters"] == 568
    assert result["rate"] == design_rate(sectors["n_used"], 192, 1, 5.0)
    assert [network[key] for key in LOGIC_KEYS] == [7] * 5 + [50]
    assert 0.7 < network["auc_float"] <= 1
    assert abs(network["auc_fixed"] - network["auc_float"]) < 0.1
    assert {"efficiency", "fake_rate", "truncated"} <= set(sectors)
    assert sectors["n_sectors"] == 192
    assert result["finders"]["chain"]["efficiency"] > 0.95
    assert result["finders"]["trigger"]["efficiency"] == sectors["efficiency"] > 0.7
    assert result["n_events"] == 3
    assert 0.5 < result["paper"]["purity"] <= 1
    assert result["unscreened"]["mean_edges"] > sectors["mean_edges"]
    assert result["unscreened"]["strict"] <= 1


def test_larger_sectors_are_fewer_and_lose_more(result):
    by_grid = {row["n_sectors"]: row for row in result["curve"] if row["order"] == "chi2"}
    assert by_grid[48]["mean_edges"] > by_grid[192]["mean_edges"]
    assert by_grid[48]["truncated"] > by_grid[192]["truncated"]
    assert len(result["curve"]) == 4 + 8
    assert json.loads(json.dumps(result)) == result
    assert "568 parameters" in trigger_table(result)


def test_the_figures_are_drawn(result, tmp_path):
    plot_sectors(tmp_path / "f.png", result)
    plot_logic(
        tmp_path / "g.png",
        {str(n): {"luts": 9 // n, "ffs": 7, "latency_ns": 3, "clock_ns": 5} for n in (1, 4)},
    )
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("f.png", "g.png"))


def test_sector_numbers_are_those_of_loops():
    events = labelled_events(SAMPLE, TriggerGraphOptions())[:2]
    options = SectorOptions(n_phi=12, n_eta=4, nodes=10, edges=12)
    numbers = sector_numbers(events, options)
    cut, lost, edges, whole, wanted, strict = 0, 0, 0, 0, 0, 0
    for event in events:
        sectors, truth = make_sectors(event.graph.graph, options), event.truth
        cut += sum(int(np.sum(e >= 0) < n) for e, n in zip(sectors.edge, sectors.n_edges, strict=True))
        lost += len(event.particle) - len({e for row in sectors.edge for e in row if e >= 0})
        edges += int(sectors.n_edges.sum())
        for p in np.flatnonzero(truth.findable & (truth.pt > 1)):
            own = set(np.flatnonzero(event.particle == p).tolist())
            there = bool(own) and any(own <= set(row.tolist()) for row in sectors.edge)
            wanted, whole = wanted + 1, whole + there
            strict += there and len(own) == int(np.sum(truth.edge_particle == p))
    assert numbers["truncated"] == pytest.approx(cut / 96)
    assert numbers["edges_cut"] == pytest.approx(lost / sum(len(e.particle) for e in events))
    assert numbers["mean_edges"] == pytest.approx(edges / 96)
    assert (numbers["whole"], numbers["strict"]) == pytest.approx((whole / wanted, strict / wanted))
    assert 0 < numbers["strict"] <= numbers["whole"] < 1


def test_edges_of_one_kind_have_no_area():
    trained = load_trained("trigger")
    (event,) = labelled_events(SAMPLE, trained.graph)[:1]
    assert 0.9 < edge_auc(trained, [event], trained.sectors) <= 1
    none = replace(event, particle=np.full_like(event.particle, -1))
    with pytest.raises(InputError, match=r"have 0 true and [1-9][0-9]* false edges"):
        edge_auc(trained, [none], trained.sectors)


def test_rates_count_particles_above_a_momentum():
    sample = load_sample(SAMPLE, 1)
    (event,), header = sample.events, sample.header
    finder = make_finder("chain-unsplit", header)
    tracks = finder(FinderInput(event.clusters, event.hits, header.detector, header.field))
    fitted = fit_tracks(event.hits, tracks, header.detector, header.field, FitOptions())
    (judgement,) = judge([event], [type(tracks)(tracks.hits, tracks.start, tracks.score, parameters=fitted)])
    rates, truth = pt_rates([judgement]), event.truth
    for pt, end in ((1.0, ""), (2.0, "_2")):
        wanted = np.flatnonzero(truth.findable & (truth.pt > pt))
        assert rates[f"n_findable{end}"] == len(wanted)
        assert rates[f"efficiency{end}"] == np.mean([judgement.score.found[p] for p in wanted])
    assert rates["fake_rate"] == np.mean(judgement.score.particle < 0)
    assert rates["n_tracks"] == len(judgement.rows)


def test_events_of_the_training_are_refused(weights):
    plain, fixed, kept = weights
    description = json.loads(fixed.with_suffix(".json").read_text())
    save_description(fixed, description | {"data": kept[fixed]["data"]})
    options = BenchTriggerOptions(str(fixed), str(plain), 1, logic=False)
    with pytest.raises(InputError, match="'trigger' was trained on events of seed 2026"):
        bench_trigger(SAMPLE, options, lambda line: None)
    save_description(fixed, description)


def test_weights_that_cannot_be_compared_are_refused(weights, capsys):
    plain, fixed, _ = weights
    with pytest.raises(InputError, match="weights in whole numbers"):
        bench_trigger(SAMPLE, BenchTriggerOptions(str(plain), str(plain)), lambda line: None)
    with pytest.raises(InputError, match="interval must be at most the number of edges and is 57"):
        bench_trigger(
            SAMPLE, BenchTriggerOptions(str(fixed), str(plain), interval=57, logic=False), lambda line: None
        )
    description = json.loads(plain.with_suffix(".json").read_text())
    other = description["options"] | {"sectors": description["options"]["sectors"] | {"n_phi": 25}}
    save_description(plain, description | {"options": other})
    flags = ["--weights", str(fixed), "--float-weights", str(plain), "--no-logic"]
    assert main(["bench", "trigger", str(SAMPLE), *flags]) == 1
    assert "trained on other graphs or sectors" in capsys.readouterr().err
    save_description(plain, description)

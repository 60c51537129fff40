import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.acts.fits import ActsFits
from tracking.bench import judgement
from tracking.bench import tracks as bench
from tracking.bench.dense_estimates import samples_by_hits
from tracking.bench.events import load_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import Judgement
from tracking.cli.main import main
from tracking.finder_table import make_finder
from tracking.finders.finder import training_seeds
from tracking.finders.gnn.finder import GraphFinder
from tracking.finders.tracks import Tracks
from tracking.fit.resolution import RESOLUTIONS
from tracking.options import RunOptions
from tracking.runs.driver import run
from tracking.show.numbers import share


class Parameters:
    def __init__(self, *columns):
        self.d0, self.z0, self.phi, self.theta, self.qop, self.covariance = columns


def stand_in(tracks):
    """A finder in ACTS's place: given tracks without every fifth, with their parameters, in fixed times."""
    waiting = itertools.cycle(tracks)

    def find(event):
        made = next(waiting)
        keep = np.arange(len(made)) % 5 > 0
        names = ("d0", "z0", "phi", "theta", "qop", "covariance")
        kept = Tracks.from_rows(
            [rows for k, rows in enumerate(made.rows()) if keep[k]],
            parameters=Parameters(*(getattr(made.parameters, name)[keep] for name in names)),
        )
        return dataclasses.replace(kept, ms={"seeding": 100.0, "ckf": 300.0})

    return find


@pytest.fixture(scope="module")
def sample():
    return load_sample(data_path("sample.root"), 2)


@pytest.fixture(scope="module")
def finders(sample):
    """Ours, and stand-ins in ACTS's place."""
    ours = {name: make_finder(name, sample.header) for name in (*bench.Roles().ours.values(), "window")}
    found = run_finder("chain", ours["chain"], sample).tracks
    # The first event goes through every finder once more, to warm it up.
    theirs = [found[0], *found]
    return ours | {name: stand_in([*theirs, *found, *found]) for name in bench.Roles().acts.values()}


@pytest.fixture(scope="module")
def result(sample, finders):
    """Two events of the sample."""
    found = run_finder("chain", finders["chain"], sample).tracks

    def fitted(hits, tracks, start, detector, field):
        return ActsFits(list(start), [np.diff(t.start) for t in tracks], 1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judgement, "acts_fits", fitted)
        measured = bench.beside_acts(sample, finders, bench.MAIN_ROLES, report=lambda line: None)
        return measured, found, sample.events


def test_rates_are_those_of_the_run_but_for_soft_tracks(result, tmp_path):
    measured, found, events = result
    summary = run([data_path("sample.root")], tmp_path / "all", RunOptions(), figures=False)
    assert measured["ours"]["efficiency"] == pytest.approx(summary["track_efficiency"], abs=0.02)
    pt = [np.abs(np.sin(t.parameters.theta) / t.parameters.qop) for t in found]
    layers = [[len(set(e.hits.layer[r])) for r in t.rows()] for e, t in zip(events, found, strict=True)]
    assert measured["ours"]["n_tracks"] == sum(
        int(p > 0.5 and n >= 4)
        for ps, ns in zip(pt, layers, strict=True)
        for p, n in zip(ps, ns, strict=True)
    )
    assert measured["ours"]["n_findable"] == sum(int(e.truth.findable.sum()) for e in events)


def test_fakes_are_counted_over_all_tracks_and_over_central_ones():
    truth = SimpleNamespace(findable=np.array([True, False]))
    eta = np.array([0.1, -2.4, 2.4, 2.6, -3.0, 0.3])
    particle = np.array([0, -1, 1, -1, -1, -1])
    score = SimpleNamespace(
        particle=particle, found=np.array([True, True]), duplicate=np.zeros(6, dtype=bool)
    )
    # The last track does not count.
    rows, theta = np.arange(5), 2 * np.arctan(np.exp(-eta))
    score.particle, score.duplicate = particle[:5], score.duplicate[:5]
    judged = Judgement(SimpleNamespace(theta=theta), rows, score, truth)
    rates = judgement.rates([judged])
    assert (rates["fake_rate"], rates["n_tracks"], rates["efficiency"]) == (3 / 5, 5, 1.0)
    assert rates["fake_rate_central"] == 1 / 3


def test_acts_is_judged_in_the_same_way_and_resolutions_are_of_the_same_particles(result):
    measured, *_ = result
    ours, acts = measured["ours"], measured["acts"]
    assert 0.6 < acts["efficiency"] / ours["efficiency"] < 0.95
    assert ours["n_resolution"] == acts["n_resolution"] > 20
    for key, value in ours.items():
        if key.startswith(("resolution", "pull")):
            assert value == pytest.approx(acts[key])


def test_ratios_are_of_points_that_are_as_good(result):
    """The stand-ins of ACTS find four fifths of what ours find, with as many fakes."""
    matched, ours, acts = (result[0][key] for key in ("matched", "ours", "acts"))
    assert matched["ours"]["balanced"] == {"acts": None, "ratio_time": None}
    fastest = min(("fastest", "balanced", "efficient"), key=lambda point: ours[point]["ms"])
    beside = matched["acts"]["balanced"]
    assert ours[beside["ours"]]["fake_rate_central"] <= acts["fake_rate_central"]
    assert ours[beside["ours"]]["ms"] >= ours[fastest]["ms"]
    assert beside["ratio_time"] == pytest.approx(ours[beside["ours"]]["ms"] / acts["ms"])


def test_fits_are_of_the_same_tracks(result):
    measured, *_ = result
    assert measured["fit"]["ours"] == measured["fit"]["acts"]
    assert measured["fit"]["ours"]["n_resolution"] > 20


def test_the_fit_is_as_good_as_that_of_acts():
    pytest.importorskip("acts")
    sample = load_sample(data_path("sample.root"), 10)
    events, header = sample.events, sample.header
    found = run_finder("chain", make_finder("chain", header), sample).tracks
    judged = judgement.judge(events, found)
    compared = judgement.compare_fits(events, found, judged, header.detector, header.field)
    assert compared["ours"]["n_resolution"] == compared["acts"]["n_resolution"] > 600
    for key, value in compared["ours"].items():
        if key.startswith("resolution"):
            assert value < 1.05 * compared["acts"][key]
        if key.startswith("pull") and "half" not in key:
            assert 0.95 < value < 1.05


def test_times_and_graphs(result):
    measured, *_ = result
    assert measured["acts"]["ms_by_stage"] == {"seeding": 100.0, "ckf": 300.0}
    assert measured["acts"]["ms"] == 400.0
    assert set(measured["ours"]["ms_by_stage"]) == {"split", "hits", "cone", "seed", "graph", "build", "fit"}
    assert measured["ratio_time"] == pytest.approx(measured["ours"]["ms"] / 400)
    best = measured["best_acts"]
    assert measured["ratio_time_to_best_acts"] == best["ratio_time"]
    ours, acts = measured["ours"][best["ours"]]["ms"], measured["acts"][best["acts"]]["ms"]
    assert best["ratio_time"] == pytest.approx(ours / acts)
    with_estimates = (ours + measured["ms_estimate"]) / acts
    assert measured["ratio_time_with_estimates"] == pytest.approx(with_estimates)
    # One core makes them of the clusters: the hits' time is inside, and what is left is theirs.
    seconds = measured["n_hits"] / measured["clusters_per_second"]
    assert seconds > measured["ms_estimate"] / 1e3 > 0.5 * seconds
    assert measured["window_graph"]["edges"] > measured["cone_graph"]["edges"]
    assert measured["cone_graph"]["efficiency"] == measured["ours"]["efficiency"]
    assert measured["window_graph"]["efficiency"] > 0.9
    json.loads(json.dumps(measured, allow_nan=False))
    text = bench.table(measured | {"pileup": {}, "jets": measured})
    assert "window_graph" in text
    assert f"{measured['ratio_time']:.3f}" in text


def test_nothing_found_is_no_number(result):
    measured, _, events = result
    none = np.zeros(0)
    parameters = Parameters(none, none, none, none, none, np.zeros((0, 5, 5)))
    judged = judgement.judge(events[:1], [Tracks.from_rows([], parameters=parameters)])
    assert judgement.rates(judged)["efficiency"] == 0.0
    quality = judgement.resolutions(judged, [judged[0].matched()], measured["field"])
    assert quality["n_resolution"] == 0
    assert {value for key, value in quality.items() if key != "n_resolution"} == {None}


def test_tracks_without_parameters_are_not_judged(result):
    _, found, events = result
    with pytest.raises(InputError, match="give tracks with fitted parameters"):
        judgement.judge(events, [dataclasses.replace(tracks, parameters=None) for tracks in found])


KEYS = {
    "n_events", "n_hits", "field", "ms_estimate", "clusters_per_second", "ours", "acts", "acts_loose", "matched",
    "best_acts",
    "ratio_time", "ratio_time_with_estimates", "ratio_time_to_best_acts",
}  # fmt: skip
NUMBERS = {
    "efficiency", "n_findable", "fake_rate", "fake_rate_central", "duplicate_rate", "n_tracks", "n_resolution",
    "ms", "ms_by_stage", "us_per_track", *(f"resolution_{key}" for key, _ in RESOLUTIONS.values()),
    *(f"{kind}_{name}" for kind in ("pull", "pull_half_width") for name in RESOLUTIONS),
}  # fmt: skip
"""What scripts read from ``bench tracking --json``."""
RATES = {"efficiency", "n_findable", "fake_rate", "fake_rate_central", "duplicate_rate", "n_tracks", "ms"}
"""Of each working point."""


def test_keys_of_the_results_stay(result):
    measured = result[0]
    assert set(measured) == KEYS | {"fit", "cone_graph", "window_graph"}
    points = {"fastest", "balanced", "efficient"}
    of_side = {"ours": points, "acts": points | {"gbts", "gbts-fastest"}}
    for side in ("ours", "acts"):
        assert set(measured[side]) == NUMBERS | of_side[side]
        assert all(set(measured[side][point]) == RATES for point in of_side[side])
        assert set(measured["matched"][side]) == of_side[side]
        balanced = measured[side]["balanced"]
        assert balanced == {key: measured[side][key] for key in RATES}
    assert measured["acts_loose"] == measured["acts"]["efficient"]
    graph = {"edges", "mb", "efficiency", "fake_rate", "ms", "ms_by_stage"}
    assert set(measured["cone_graph"]) == set(measured["window_graph"]) == graph


def test_any_finders_take_the_roles(sample, finders, result):
    """Names are in the roles alone, and the keys say the roles."""
    measured, found, _ = result
    theirs = [found[0], *found]
    roles = bench.Roles({"balanced": "mine"}, {"balanced": "exact", "efficient": "quick"})
    others = {"mine": finders["chain"], "exact": stand_in([*theirs, *found, *found]),
              "quick": stand_in([*theirs, *found, *found])}  # fmt: skip
    compared = bench.beside_acts(sample, others, roles, report=lambda line: None)
    assert set(compared) == KEYS
    for who in ("ours", "acts", "acts_loose"):
        assert compared[who]["efficiency"] == measured[who]["efficiency"]


def test_graphs_are_compared_of_finders_that_tell_their_size(sample, result):
    measured, found, _ = result
    edges = GraphFinder.for_detector(sample.header.detector, sample.header.field, RunOptions()).search.edges
    # The chain's edges are between the hits of split clusters.
    splitter = make_finder("chain", sample.header).splitter
    sizes = [len(edges(event.hits)) for event in samples_by_hits(sample, splitter)["split"].events]
    assert [tracks.graph.n_edges for tracks in found] == sizes
    assert measured["cone_graph"]["edges"] == sum(sizes) // len(sizes)
    # An edge takes its own columns and 16 features.
    assert 64 * sizes[0] < found[0].graph.n_bytes < 200 * sizes[0]
    without = [dataclasses.replace(tracks, graph=None) for tracks in found]
    with pytest.raises(InputError, match="the finder 'toy' come without the size of one"):
        bench._graph_size("toy", without)


def test_a_finder_that_was_trained_says_on_what(finders):
    assert 2003 in training_seeds(finders["chain"]) & training_seeds(finders["window"])
    assert training_seeds(finders["acts-balanced"]) == frozenset()


def test_finders_that_are_picked_are_measured_beside_each_other(sample, finders, result):
    measured, *_ = result

    def every_other(event):
        rows = finders["chain"](event).rows()
        return Tracks.from_rows(rows[::2])

    some = {"chain": finders["chain"], "mine": every_other}
    picked = bench.compare_finders(sample, some, report=lambda line: None)
    assert set(picked) == {"n_events", "n_hits", "field", "ms_estimate", "clusters_per_second", "finders"}
    chain, mine = picked["finders"]["chain"], picked["finders"]["mine"]
    assert set(chain) == set(mine) == NUMBERS
    assert {k: chain[k] for k in ("efficiency", "n_tracks")} == {
        k: measured["ours"][k] for k in ("efficiency", "n_tracks")
    }
    assert 0.3 < mine["efficiency"] / chain["efficiency"] < 0.7
    # Resolutions are of the particles that both found.
    assert mine["n_resolution"] == chain["n_resolution"] < 0.7 * measured["ours"]["n_resolution"]
    assert set(mine["ms_by_stage"]) == {"hits", "find", "fit"}
    assert sum(mine["ms_by_stage"].values()) == pytest.approx(mine["ms"])
    text = bench.table(picked | {"pileup": {"20": picked}})
    assert text.count(share(mine["efficiency"], mine["n_findable"])) >= 2
    assert "ms by stage, mine" in text


def test_the_command_measures_the_finders_that_it_names(monkeypatch, capsys):
    pytest.importorskip("acts")
    monkeypatch.setattr(bench, "simulated", lambda pileup, n, seed, folder, **more: data_path("sample.root"))
    flags = ["--finders", "window, chain", "--events", "1", "--pileup", "200", "--no-jets", "--json"]
    assert main(["bench", "tracking", *flags]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["finders"]) == ["window", "chain"]
    assert {"seed", "date", "pileup", "instructions"} < set(result)


def test_an_unknown_finder_is_told_before_the_simulation(monkeypatch):
    monkeypatch.setattr(bench, "simulated", None)
    with pytest.raises(InputError, match=r"finder 'tou' is unknown\. There are chain, chain-fastest, "):
        bench.bench_tracking([200], 1, 1, finders=["chain", "tou"])


def test_events_that_were_trained_on_are_refused():
    pytest.importorskip("acts")
    with pytest.raises(
        InputError, match="finder 'chain-fastest' was trained on events of seed 2003; give another --seed"
    ):
        bench.bench_tracking([200], 1, 1803)


def test_what_is_missing_is_said_before_the_simulation(monkeypatch):
    with pytest.raises(InputError, match="pile-up 200"):
        bench.bench_tracking([20], 1, 1)
    with pytest.raises(InputError, match="events"):
        bench.bench_tracking([200], 0, 1)

import json
from types import SimpleNamespace

import numpy as np
import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.acts.reference import ActsFits, ActsTracks
from tracking.bench import tracks as bench
from tracking.options import RunOptions
from tracking.runs.driver import run


@pytest.fixture(scope="module")
def result():
    """Two events of the sample; ACTS is stood in for by our own tracks without every fifth, in fixed
    times.
    """
    path = data_path("sample.root")
    chain, events = bench.load(path, 2, RunOptions())
    found, *_ = bench.run_chain(chain, events)

    def stand_in(hits, detector, field, options=None):
        tracks, parameters = [], []
        for one in found:
            rows = [r for k, r in enumerate(one.tracks.rows()) if k % 5]
            keep = np.arange(len(one.tracks)) % 5 > 0
            start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
            tracks.append(type(one.tracks)(np.concatenate(rows), start, one.tracks.score[keep]))
            p = one.parameters
            parameters.append(
                Parameters(*(getattr(p, n)[keep] for n in ("d0", "z0", "phi", "theta", "qop", "covariance")))
            )
        return ActsTracks(tracks, parameters, {"seeding": 100.0, "ckf": 300.0, "total": 400.0})

    def fitted(hits, tracks, start, detector, field):
        return ActsFits(list(start), [np.diff(t.start) for t in tracks], 1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "acts_tracks", stand_in)
        patch.setattr(bench, "acts_fits", fitted)
        return bench.measure(path, 2, with_parts=True, report=lambda line: None), found, events


class Parameters:
    def __init__(self, *columns):
        self.d0, self.z0, self.phi, self.theta, self.qop, self.covariance = columns


def test_rates_are_those_of_the_run_but_for_soft_tracks(result, tmp_path):
    measured, found, events = result
    summary = run([data_path("sample.root")], tmp_path / "all", RunOptions(), figures=False)
    assert measured["ours"]["efficiency"] == pytest.approx(summary["track_efficiency"], abs=0.02)
    pt = [np.abs(np.sin(f.parameters.theta) / f.parameters.qop) for f in found]
    layers = [
        [len(set(e.hits.layer[r])) for r in f.tracks.rows()] for e, f in zip(events, found, strict=True)
    ]
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
    rates = bench.rates([bench.Judged(SimpleNamespace(theta=theta), rows, score, truth)])
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


def test_fits_are_of_the_same_tracks(result):
    measured, *_ = result
    assert measured["fit"]["ours"] == measured["fit"]["acts"]
    assert measured["fit"]["ours"]["n_resolution"] > 20


def test_the_fit_is_as_good_as_that_of_acts():
    pytest.importorskip("acts")
    chain, events = bench.load(data_path("sample.root"), 10, RunOptions())
    found, *_ = bench.run_chain(chain, events)
    header = chain.header
    compared = bench.compare_fits(events, found, bench.judged(events, found), header.detector, header.field)
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
    assert set(measured["ours"]["ms_by_stage"]) == {"hits", "cone", "seed", "graph", "build", "fit"}
    assert measured["ratio_time"] == pytest.approx(measured["ours"]["ms"] / 400)
    assert measured["ratio_time_with_estimates"] == pytest.approx(
        (measured["ours"]["ms"] + measured["ms_estimate"]) / 400
    )
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
    nothing = bench.Found(
        type(result[1][0].tracks)(none.astype(int), np.zeros(1, dtype=int), none.astype(np.float32)),
        Parameters(none, none, none, none, none, np.zeros((0, 5, 5))),
    )
    judged = bench.judged(events[:1], [nothing])
    assert bench.rates(judged)["efficiency"] == 0.0
    quality = bench.resolutions(judged, [judged[0].matched()], measured["field"])
    assert quality["n_resolution"] == 0
    assert {value for key, value in quality.items() if key != "n_resolution"} == {None}


def test_events_that_were_trained_on_are_refused():
    pytest.importorskip("acts")
    with pytest.raises(InputError, match="was trained on events of seed 2003; give another --seed"):
        bench.bench_tracking([200], 1, 1803)


def test_what_is_missing_is_said_before_the_simulation(monkeypatch):
    with pytest.raises(InputError, match="pile-up 200"):
        bench.bench_tracking([20], 1, 1)
    with pytest.raises(InputError, match="events"):
        bench.bench_tracking([200], 0, 1)

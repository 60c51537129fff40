"""Dead modules: drawn, told in files, and found in data."""

import json
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.dead_modules import draw_dead_modules, expected_clusters, find_dead_modules, without_modules
from smartpix.geometry import Detector
from smartpix.io.events import Header, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.simulate.events import header, simulate_crossings
from smartpix.simulate.options import SimulateOptions
from tests.helpers import embedded_detector

DETECTOR = embedded_detector()


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 2**31))
def test_as_many_modules_are_dead_as_asked_for_and_the_same_again(share, seed):
    dead = draw_dead_modules(4000, share, seed)
    assert dead == draw_dead_modules(4000, share, seed)
    assert list(dead) == sorted(set(dead))
    assert abs(len(dead) - 4000 * share) <= 6 * np.sqrt(4000 * share * (1 - share)) + 1e-9


@pytest.mark.parametrize("mean", [40.0, 200.0])
def test_dead_modules_are_found_and_live_ones_are_not(mean):
    rng = np.random.default_rng(61)
    counts = rng.poisson(mean, len(DETECTOR))
    dead = draw_dead_modules(len(DETECTOR), 0.03, 7)
    counts[list(dead)] = 0
    assert find_dead_modules(counts, DETECTOR) == dead


def test_too_few_clusters_call_nothing_dead():
    counts = np.random.default_rng(62).poisson(3.0, len(DETECTOR))
    assert (counts == 0).sum() > 100
    assert find_dead_modules(counts, DETECTOR) == ()


def test_expected_is_the_median_of_the_modules_at_the_same_radius_and_z():
    counts = np.random.default_rng(63).integers(0, 50, len(DETECTOR))
    expected = expected_clusters(counts, DETECTOR)
    radius, z = np.hypot(*DETECTOR.center[:, :2].T), DETECTOR.center[:, 2]
    for module in (0, 900, 2000, 3900):
        ring = (
            (DETECTOR.layer_index == DETECTOR.layer_index[module])
            & (np.round(radius) == np.round(radius[module]))
            & (np.round(z) == np.round(z[module]))
        )
        assert expected[module] == (np.median(counts[ring]) if ring.sum() >= 4 else 0)


def test_counts_of_another_detector_are_refused():
    with pytest.raises(InputError, match="one count for each module"):
        find_dead_modules(np.zeros(3), DETECTOR)


def test_a_detector_refuses_dead_modules_that_it_does_not_have():
    assert DETECTOR.with_dead([5, 3]).with_dead([3]).dead == (3, 5)
    assert DETECTOR.with_dead([]) is DETECTOR
    with pytest.raises(InputError, match="module 4004 is called dead"):
        Detector(DETECTOR.columns, dead=(len(DETECTOR),))


def test_simulated_files_name_their_dead_modules_and_have_no_clusters_there(tmp_path):
    options = SimulateOptions()
    options = replace(options, readout=replace(options.readout, dead_modules=0.3))
    head = header(DETECTOR, options, 1, 65, "smartpix simulate crossings")
    write_events(tmp_path / "e.root", head, simulate_crossings(DETECTOR, options, 1, 60, 65))
    opened = open_events(tmp_path / "e.root")
    dead = opened.header.detector.dead
    assert dead == draw_dead_modules(len(DETECTOR), 0.3, 65)
    assert opened.header.at_beam().detector.dead == dead
    made = next(iter(simulate_crossings(DETECTOR, options, 1, 60, 65)))[0]["clusters"]
    assert made["hit_id"].tolist() == list(range(len(made)))
    whole = next(iter(simulate_crossings(DETECTOR, SimulateOptions(), 1, 60, 65)))[0]["clusters"]
    assert 0.5 * len(whole) < len(made) < 0.9 * len(whole)
    assert ak.all(made["charge"] == without_modules(whole, dead)["charge"])
    assert not np.isin(ak.to_numpy(made["module_index"]), dead).any()


def test_files_without_dead_modules_say_nothing_of_them(tmp_path):
    write_events(tmp_path / "e.root", Header(DETECTOR, 3.8, (2, 19)), [])
    import uproot

    with uproot.open(tmp_path / "e.root") as file:
        assert "dead_modules" not in json.loads(str(file["metadata"]))
    assert open_events(tmp_path / "e.root").header.detector.dead == ()


def test_clusters_of_some_modules_are_taken_away():
    clusters = ak.Array({"module_index": np.array([4, 7, 4, 9], dtype=np.int32), "x": [1.0, 2.0, 3.0, 4.0]})
    assert without_modules(clusters, (4, 8))["x"].tolist() == [2.0, 4.0]
    assert len(without_modules(clusters, ())) == 4

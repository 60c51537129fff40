"""The search for ACTS's front: what a front is, how settings vary, and a short search that runs to its end."""

import json
import sys

import numpy as np
import pytest

from seeding import acts_gbts
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
pytest.importorskip("acts")
import acts_settings
import tune_acts
from acts_measured import Measured

from tracking.bench.acts_front import front_points

GRAPH_CUTS = {"useAdaptiveCuts", "validateTriplets", "minDeltaRadius"}
"""Of GBTS's graph, which its balanced point leaves as they are."""


def measured(ms, efficiency, fakes, soft=0.9, pt=0.5):
    seeding = {"minPt": pt, "cotThetaMax": 10.0}
    return Measured({"seeding": seeding, "chain": {}}, ms, ms / 2, 100.0, efficiency, soft, fakes)


def test_a_front_has_what_no_other_beats_in_all_three():
    quick, good, clean = measured(1, 0.99, 0.01), measured(3, 0.999, 0.01), measured(4, 0.99, 0.0)
    beaten = measured(3.1, 0.995, 0.01)
    assert tune_acts.front([clean, beaten, good, quick]) == [quick, good, clean]


def test_a_setting_that_gives_up_soft_particles_is_on_the_front_of_findable_ones_alone():
    quick, whole = measured(1, 0.99, 0.0, soft=0.2, pt=0.8), measured(2, 0.99, 0.0)
    cut_later = measured(1.5, 0.99, 0.0, soft=0.3)
    both = tune_acts.fronts([quick, whole, cut_later], 0.98)
    assert both == {"findable": [quick], "soft": [whole]}


@pytest.mark.parametrize("anchor", [0, -1])
def test_values_stay_in_their_ranges_and_some_of_them_vary(anchor):
    """Of GridTriplet, and of GBTS."""
    rng = np.random.default_rng(3)
    start = dict(acts_settings.ANCHORS[anchor]["seeding"])
    ranges = acts_settings.ranges_of(start)
    values, changed = start, set()
    for _ in range(200):
        values = acts_settings.varied(values, ranges, rng)
        changed |= {name for name in start if values[name] != start[name]}
        for name, of in ranges.items():
            if isinstance(of, acts_settings.Range):
                assert 0.99 * of.low <= values[name] <= 1.01 * of.high
            else:
                assert values[name] in of.values
    assert changed == set(start)
    assert set(acts_settings.drawn(acts_settings.CHAIN, rng)) == set(acts_settings.ANCHORS[0]["chain"])


def test_the_cuts_of_a_seeding_tell_which_it_is():
    grid, gbts = (acts_settings.ANCHORS[k]["seeding"] for k in (0, -1))
    assert acts_settings.algorithm_of_cuts(grid) == "acts-grid"
    assert acts_settings.algorithm_of_cuts(gbts) == "acts-gbts"
    # Cuts are mixed with those of the same kind alone.
    assert tune_acts.mate(gbts, [grid, gbts, grid], 5) == gbts
    assert acts_settings.seeding_cuts(gbts)["collisionRegionMin"] == -170.0
    assert set(acts_settings.seeding_cuts(gbts)) <= {*acts_gbts.BALANCED, *GRAPH_CUTS}


def test_a_short_search_writes_fronts_that_hold_the_anchors(tmp_path, capsys):
    output = tmp_path / "front.json"
    flags = ["--file", str(data_path("sample.root")), "--events", "1", "-o", str(output)]
    tune_acts.main([*flags, "--minutes", "0.05"])
    result = json.loads(output.read_text())
    assert {"fronts", "anchors", "made_by", "search_seed", "minutes", "n_chains", "remake"} <= set(result)
    assert len(result["anchors"]) == len(acts_settings.ANCHORS)
    best = max(entry["efficiency"] for entry in result["fronts"]["findable"])
    assert best >= max(entry["efficiency"] for entry in result["anchors"])
    assert len(front_points(output)) == sum(map(len, result["fronts"].values()))
    assert "anchors" in capsys.readouterr().out
    # The settings survive the file, and a search may go on from them.
    again = tune_acts.settings_of(result)
    assert [s["chain"]["max_d0"] for s in again] == [
        np.inf if entry["setting"]["chain"]["max_d0"] is None else entry["setting"]["chain"]["max_d0"]
        for part in result["fronts"].values()
        for entry in part
    ]

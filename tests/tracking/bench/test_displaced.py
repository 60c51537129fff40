"""Efficiency against the impact parameter: straight loops over what judgements say."""

from types import SimpleNamespace

import numpy as np
import pytest

from tracking.bench.displaced import D0_BINS, SAMPLES, displaced_lines, displaced_rates
from tracking.bench.events import simulated_header

# Radius of production, at right angles to the momentum: without field that is the impact parameter.
RADII = [0.0, 0.05, 0.3, 0.3, 0.7, 2.0, 4.0, 7.0, 20.0]
FINDABLE = [True, True, True, True, True, True, True, False, True]


def judgement(found, tracks):
    n = len(RADII)
    truth = SimpleNamespace(
        vertex=np.column_stack([RADII, np.zeros(n), np.zeros(n)]), momentum=np.tile([0.0, 2.0, 1.0], (n, 1)),
        charge=np.ones(n), findable=np.array(FINDABLE),
    )  # fmt: skip
    particle = np.array(tracks)
    return SimpleNamespace(
        truth=truth, matched=lambda: np.array(found) & truth.findable, rows=np.arange(len(particle)),
        score=SimpleNamespace(particle=particle, found=np.array(found), duplicate=np.zeros(len(particle), dtype=bool)),
        parameters=SimpleNamespace(theta=np.full(len(particle), 1.5)),
    )  # fmt: skip


@pytest.fixture
def result():
    everything, prompt = [True] * 9, [True, True, True, False, False, False, False, False, False]
    return displaced_rates(
        {"ours": [judgement(everything, [0, 1, -1, 3])] * 2, "acts": [judgement(prompt, [0, -1])] * 2}, 0.0
    )


def test_each_bin_holds_the_findable_particles_of_its_impact_parameters(result):
    assert {name: result[name]["n"] for name in D0_BINS} == {
        "0_0p1": 4, "0p1_0p5": 4, "0p5_1": 2, "1_5": 4, "5_10": 0,
    }  # fmt: skip
    assert [result[name]["acts"] for name in D0_BINS] == [1.0, 0.5, 0.0, 0.0, None]
    assert [result[name]["ours"] for name in D0_BINS] == [1.0, 1.0, 1.0, 1.0, None]
    assert result["fake_rate_central"] == {"ours": 0.25, "acts": 0.5}


def test_the_table_has_a_line_for_each_bin(result):
    lines = displaced_lines(result)
    assert len(lines) == len(D0_BINS) + 2
    assert lines[1].split() == ["0", "to", "0.1", "4", *["1.00", "+0.00", "-0.37", "1.00", "+0.00", "-0.37"]]
    assert lines[5].split() == ["5", "to", "10", "0", "-", "-"]
    assert lines[-1].split() == ["central", "fakes", "0.2500", "0.5000"]


def test_samples_have_decays_in_flight_over_the_collisions():
    made = {
        key: simulated_header(200, 3, 8202, **what).made_by["options"]["generate"]
        for key, what in SAMPLES.items()
    }
    assert made["displaced"]["displaced"] == 300
    assert (made["b_jets"]["jets"], made["b_jets"]["jet_flight"]) == (20, 5.0)
    for generate in made.values():
        assert generate["pileup"] == 200
        # All can be found, if their tracks are.
        assert generate["gun_pt"][0] >= 0.9

"""Designs that an event needs, against a queue of sectors that is worked off crossing by crossing."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import REPOSITORY
from tracking.bench.trigger_rate import CROSSING_NS, design_rate


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 20), st.integers(1, 40))
def test_so_many_designs_keep_up_and_one_less_does_not(n_used, n_empty, interval, clock_ns):
    rate = design_rate(n_used, n_used + n_empty, interval, float(clock_ns))
    for key, n in (("designs", n_used), ("designs_all", n_used + n_empty)):
        # In whole ns: what all of them can take in between two crossings, and what comes.
        needed = n * interval * clock_ns
        assert rate[key] * int(CROSSING_NS) >= needed > (rate[key] - 1) * int(CROSSING_NS)
    assert rate["event_us"] * rate["events_per_s"] == pytest.approx(1e6)


def test_a_clock_that_divides_the_crossing():
    # Six sectors of 25 / 6 ns in each crossing.
    rate = design_rate(600, 3072, 1, 25 / 6)
    assert (rate["designs"], rate["designs_all"]) == (100, 512)
    assert rate["event_us"] == pytest.approx(2.5)
    assert rate["events_per_s"] == pytest.approx(400_000)


def kept_result(name):
    return json.loads((REPOSITORY / "benchmarks" / "results" / f"{name}.json").read_text())


def test_the_kept_result_is_of_its_own_sectors():
    kept = kept_result("bench-trigger")
    sectors, rate = kept["sectors"], kept["rate"]
    assert rate == design_rate(sectors["n_used"], sectors["n_sectors"], rate["ii_cycles"], rate["clock_ns"])
    assert rate["ii_cycles"] == kept["network"]["ii_cycles"]


def test_the_kept_logic_is_exact_and_shrinks_with_its_interval():
    logic, network = kept_result("trigger-logic"), kept_result("bench-trigger")["network"]
    rows = list(logic["rows"].values())
    assert [row["ii_cycles"] for row in rows] == [1, 2, 4, 7, 14]
    assert all(row["rtl_mismatches"] == 0 and row["n_sectors"] >= 2000 for row in rows)
    assert all(part["csim_mismatches"] == 0 for part in logic["hls"].values())
    # A size of one cycle that fits what was asked, and the same in both files.
    assert rows[0]["luts"] == network["luts"] <= 700_000
    assert all(a["luts"] > b["luts"] and a["ffs"] > b["ffs"] for a, b in pairwise(rows))

"""What splitting costs: both chains in turn, and the ratio of runs that follow each other."""

from typing import ClassVar

import pytest

from tests.helpers import REPOSITORY
from tracking.bench import split_cost as module
from tracking.bench.split_cost import POINTS, REPEATS, split_cost
from tracking.chain import WORKING_POINTS

SAMPLE = REPOSITORY / "data" / "sample.root"
CPU_MS = {"off": 40.0, "auto": 42.0}


class Clocked:
    """A chain that takes a known time, more in every run of a slower and slower machine."""

    spent = 0.0
    runs: ClassVar[list] = []

    def __init__(self, options):
        self.options = options

    @classmethod
    def for_header(cls, header, options):
        return cls(options)

    def warm_up(self, clusters):
        Clocked.spent += 1000.0

    def event(self, number, clusters):
        mode = self.options.split.mode
        Clocked.runs.append((self.options, number))
        Clocked.spent += 1e-3 * CPU_MS[mode] * (1 + (len(Clocked.runs) - 1) // 2)


def test_chains_run_in_turn_and_ratios_are_of_neighbours(monkeypatch):
    monkeypatch.setattr(module, "Chain", Clocked)
    monkeypatch.setattr(module, "stage_time", lambda: lambda: Clocked.spent)
    found = split_cost(SAMPLE, 2)
    assert set(found) == set(POINTS)
    for point, numbers in found.items():
        assert numbers["ratio"] == pytest.approx(42 / 40)
        assert numbers["ms_split"] > numbers["ms_unsplit"] > 40
        own = [
            (o, k)
            for o, k in Clocked.runs
            if o.cone == WORKING_POINTS[point].cone and o.build == WORKING_POINTS[point].build
        ]
        turns = [(mode, k) for _ in range(REPEATS) for k in range(2) for mode in ("off", "auto")]
        assert [(o.split.mode, k) for o, k in own] == turns

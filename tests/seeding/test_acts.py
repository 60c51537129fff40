import itertools

import pytest

from seeding.acts import algorithm_of, run_timed
from smartpix.extras import import_acts


def test_a_clock_of_ones_own_is_read_around_each_algorithm():
    pytest.importorskip("acts")
    acts = import_acts()
    ticks, seen = itertools.count(), []

    def of(name, passes):
        def execute(event):
            seen.append((name, event))
            for _ in range(passes):
                next(ticks)
            return ()

        return algorithm_of(acts, name, execute)

    spent = run_timed(
        acts,
        3,
        [of("One", 0)],
        add_more=lambda s: s.addAlgorithm(of("Five", 4)),
        clock=lambda: float(next(ticks)),
    )
    assert {name: ms.tolist() for name, ms in spent.items()} == {"One": [1e3] * 3, "Five": [5e3] * 3}
    assert sorted(seen) == [(name, event) for name in ("Five", "One") for event in range(3)]

import dataclasses

import numpy as np
import pytest

from seeding.references import WindowOptions, window
from smartpix.schema import InputError
from tests.seeding import toys


@pytest.fixture(scope="module")
def hits():
    return toys.toy_hits(toys.toy_event(60, seed=41, pt=(0.2, 5.0), sigma_z=90.0), 41)


def loop(hits, options, field):
    """The window written down for every pair."""
    wanted = {tuple(p) for p in toys.pairs().tolist()}
    bound = abs(field) * 0.299792458e-3 / options.min_pt / 2
    found = set()
    for i in range(len(hits)):
        for j in range(len(hits)):
            if (int(hits.layer[i]), int(hits.layer[j])) not in wanted:
                continue
            (xi, yi, zi), (xj, yj, zj) = hits.position[i], hits.position[j]
            ri, rj = np.hypot(xi, yi), np.hypot(xj, yj)
            if rj <= ri or abs(zi - ri * (zj - zi) / (rj - ri)) > options.max_z0:
                continue
            # Turn of the softest track; a circle that does not reach has turned by a quarter.
            turn = np.arcsin(min(bound * rj, 0.999)) - np.arcsin(min(bound * ri, 0.999))
            if abs(np.arctan2(xi * yj - yi * xj, xi * xj + yi * yj)) <= turn:
                found.add((i, j))
    return found


@pytest.mark.parametrize(
    ("min_pt", "max_z0", "field"), [(0.5, 150.0, 3.8), (0.9, 60.0, -2.0), (0.1, 300.0, 3.8), (0.02, 150.0, 3.8)]
)
def test_window_is_that_of_a_loop_over_all_pairs(hits, min_pt, max_z0, field):
    options = WindowOptions(min_pt=min_pt, max_z0=max_z0)
    edges = window(hits, toys.detector(), toys.pairs(), field, options)
    pairs = set(map(tuple, edges.tolist()))
    assert len(pairs) == len(edges) > 50
    assert pairs == loop(hits, options, field)


def test_turning_the_event_changes_nothing(hits):
    edges = window(hits, toys.detector(), toys.pairs(), toys.FIELD, WindowOptions())
    for angle in (0.7, np.pi, -2.0):
        turned = window(toys.rotated(hits, angle), toys.detector(), toys.pairs(), toys.FIELD, WindowOptions())
        assert set(map(tuple, turned.tolist())) == set(map(tuple, edges.tolist()))


def test_true_edges_above_its_threshold_lie_in_the_window():
    toy = toys.toy_event(80, seed=42, pt=(0.6, 5.0), sigma_z=30.0)
    hits = toys.toy_hits(toy, 42)
    edges = window(hits, toys.detector(), toys.pairs(), toys.FIELD, WindowOptions(min_pt=0.5, max_z0=150.0))
    wanted = {tuple(p) for p in toys.pairs().tolist()}
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in wanted}
    assert len(true - set(map(tuple, edges.tolist()))) <= 0.01 * len(true)


def test_too_many_edges_are_refused_with_the_way_out(hits):
    options = WindowOptions()
    n = len(window(hits, toys.detector(), toys.pairs(), toys.FIELD, options))
    exact = dataclasses.replace(options, max_edges=n)
    assert len(window(hits, toys.detector(), toys.pairs(), toys.FIELD, exact)) == n
    with pytest.raises(InputError, match=rf"window: more than max_edges = {n - 1} edges; raise min_pt"):
        window(hits, toys.detector(), toys.pairs(), toys.FIELD, dataclasses.replace(options, max_edges=n - 1))


@pytest.mark.parametrize("rows", [[], [0]])
def test_an_event_of_no_or_one_hit_has_an_empty_window(hits, rows):
    few = toys.only(hits, np.array(rows, dtype=int))
    edges = window(few, toys.detector(), toys.pairs(), toys.FIELD, WindowOptions())
    assert edges.shape == (0, 2)


@pytest.mark.parametrize(("name", "value"), [("min_pt", 0.0), ("min_pt", -1.0), ("max_z0", -1.0)])
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        WindowOptions(**{name: value})

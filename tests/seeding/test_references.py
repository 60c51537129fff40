import dataclasses

import numpy as np
import pytest

from seeding.references import WindowOptions, length_table, length_window, tree_window, window
from smartpix.schema import InputError
from tests.seeding import toys


@pytest.fixture(scope="module")
def hits():
    return toys.toy_hits(toys.toy_event(60, seed=41, pt=(0.2, 5.0), sigma_z=90.0), 41)


def pair_set(edges):
    return set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def searched(hits, options, field=toys.FIELD):
    return window(hits, toys.detector(), toys.pairs(), field, options)


def loop(hits, options, field):
    """The window written down for every pair: those inside, and those at its edge."""
    bound = abs(field) * 0.299792458e-3 / options.min_pt
    found, edge = set(), set()
    for i in range(len(hits)):
        for j in range(len(hits)):
            if (int(hits.layer[i]), int(hits.layer[j])) not in toys.follows():
                continue
            a, b = hits.position[i], hits.position[j]
            if (
                np.hypot(*b[:2]) <= np.hypot(*a[:2])
                or (b - a)[:2] @ a[:2] <= 0
                or not toys.through_gap(hits, i, j)
            ):
                continue
            curvature, _, z0 = toys.beam_circle(a, b)
            # A track of that curvature must reach the outer hit well before it turns back.
            if abs(curvature) * np.hypot(*b[:2]) / 2 > 0.85:
                continue
            size = max(abs(curvature) / bound, abs(z0) / options.max_z0)
            if size < 1:
                found.add((i, j))
            if abs(size - 1) < 2e-3:
                edge.add((i, j))
    return found, edge


@pytest.mark.parametrize(
    ("min_pt", "max_z0", "field"), [(0.5, 150.0, 3.8), (0.9, 60.0, -2.0), (0.2, 300.0, 3.8)]
)
def test_window_is_that_of_a_loop_over_all_pairs(hits, min_pt, max_z0, field):
    options = WindowOptions(min_pt=min_pt, max_z0=max_z0)
    pairs = pair_set(searched(hits, options, field))
    inside, edge = loop(hits, options, field)
    assert len(pairs) > 50
    assert pairs ^ inside <= edge


@pytest.mark.parametrize(("min_pt", "max_z0"), [(0.5, 150.0), (0.9, 60.0)])
def test_the_tree_finds_what_the_window_finds(hits, min_pt, max_z0):
    options = WindowOptions(min_pt=min_pt, max_z0=max_z0)
    tree = set(map(tuple, tree_window(hits, toys.detector(), toys.pairs(), toys.FIELD, options).tolist()))
    assert tree ^ pair_set(searched(hits, options)) <= loop(hits, options, toys.FIELD)[1]
    assert len(tree) > 50


def test_lengths_leave_what_both_clusters_allow(hits):
    toy = toys.toy_event(60, seed=41, pt=(0.2, 5.0), sigma_z=90.0)
    local = toys.detector().direction_to_local(toy.module, toy.direction)
    cot_alpha = local[:, 0] / local[:, 2]
    length = np.ceil(2 * np.abs(cot_alpha)).astype(np.int64)
    barrel = toys.detector().barrel[toy.module]
    many = np.repeat(np.arange(len(length)), 50)
    table = length_table(length[many], barrel[many], cot_alpha[many])
    options = WindowOptions()
    every = pair_set(searched(hits, options))
    kept = pair_set(length_window(hits, length, table, toys.detector(), toys.pairs(), toys.FIELD, options))
    assert kept < every
    assert len(kept) < 0.7 * len(every)
    true = toys.true_edges(toy) & every
    assert len(true & kept) > 0.9 * len(true)


def test_turning_the_event_changes_nothing(hits):
    pairs = pair_set(searched(hits, WindowOptions()))
    for angle in (0.7, np.pi, -2.0):
        turned = pair_set(searched(toys.rotated(hits, angle), WindowOptions()))
        assert len(turned ^ pairs) <= 0.002 * len(pairs)


def test_true_edges_above_its_threshold_lie_in_the_window():
    toy = toys.toy_event(80, seed=42, pt=(0.6, 5.0), sigma_z=30.0)
    hits = toys.toy_hits(toy, 42)
    edges = searched(hits, WindowOptions(min_pt=0.5, max_z0=150.0))
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in toys.follows()}
    assert len(true - pair_set(edges)) <= 0.01 * len(true)


def test_too_many_edges_are_refused_with_the_way_out(hits):
    options = WindowOptions()
    n = len(window(hits, toys.detector(), toys.pairs(), toys.FIELD, options))
    exact = dataclasses.replace(options, max_edges=n)
    assert len(window(hits, toys.detector(), toys.pairs(), toys.FIELD, exact)) == n
    with pytest.raises(
        InputError,
        match=rf"has {n} edges, more than max_edges = {n - 1}; raise min_pt or max_edges, or lower the cones' quantile",
    ):
        window(hits, toys.detector(), toys.pairs(), toys.FIELD, dataclasses.replace(options, max_edges=n - 1))


@pytest.mark.parametrize("rows", [[], [0]])
def test_an_event_of_no_or_one_hit_has_an_empty_window(hits, rows):
    few = hits.take(np.array(rows, dtype=int))
    edges = window(few, toys.detector(), toys.pairs(), toys.FIELD, WindowOptions())
    assert len(edges) == 0
    assert tree_window(few, toys.detector(), toys.pairs(), toys.FIELD, WindowOptions()).shape == (0, 2)


@pytest.mark.parametrize(
    ("name", "value"), [("min_pt", 0.0), ("min_pt", -1.0), ("max_z0", -1.0), ("max_z0", 0.0)]
)
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        WindowOptions(**{name: value})

"""The compiled search against a search of all pairs in double precision: any detector, any options, the same
edges.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from seeding.cones import ConeOptions
from seeding.edges import Edges, find_edges
from seeding.kernels import CANDIDATES
from seeding.pair_kernels import LANES
from seeding.references import LengthTable, WindowOptions, length_window, tree_window, window
from seeding.seeds import WIDE_D0, SeedOptions, find_seeds
from smartpix.beam import CENTRED, BeamSpot
from smartpix.schema import STRONGEST_FIELD
from tests.seeding.brute_force import Search, all_edges, kinks_of
from tests.seeding.random_events import random_detector, random_hits, random_pairs

examples = settings(max_examples=60, deadline=None)

CONES = st.builds(
    ConeOptions,
    quantile=st.sampled_from([1e-9, 0.5, 0.99, 0.9999, 1 - 1e-15]),
    sigma_z0=st.sampled_from([1e-3, 5.0, 50.0, 1e6]),
    sigma_d0=st.sampled_from([0.0, 0.05, 2.0, 5.0, 50.0, 1e6]),
    min_pt=st.sampled_from([1e-3, 0.05, 0.08, 0.2, 0.48, 5.0, 1e6]),
    radiation_length=st.sampled_from([0.0, 0.03, 100.0]),
    sigma_scale=st.sampled_from([0.01, 1.0, 3.0, 100.0]),
    max_cot_theta=st.sampled_from([1e6, 2.0, 0.3, 1e-3]),
)
FIELDS = st.sampled_from([-STRONGEST_FIELD, -3.8, 0.0, 0.5, 2.0, 3.8, STRONGEST_FIELD])


def keys(edges):
    return list(zip(edges.source.tolist(), edges.target.tolist(), edges.pair.tolist(), strict=True))


def compare(found, certain, possible):
    assert len(set(found)) == len(found)
    assert certain - set(found) == set()
    assert set(found) - possible == set()


def check_cones(seed, options, field, beam=CENTRED, **sizes):
    rng = np.random.default_rng(seed)
    detector = random_detector(rng).at_beam(beam)
    pairs, hits = random_pairs(rng, detector.layers), random_hits(rng, detector, **sizes)
    search = Search(
        options.joint_cut(),
        options.sigma_z0,
        options.sigma_d0,
        options.min_pt,
        field,
        options.radiation_length,
        options.sigma_scale,
        steepest=options.max_cot_theta,
    )
    certain, possible = all_edges(hits, detector, pairs, search)
    found = keys(find_edges(hits, detector, pairs, field, options, threads=1))
    compare(found, certain, possible)
    return certain, possible


@examples
@given(seed=st.integers(0, 2**32), options=CONES, field=FIELDS)
def test_edges_are_those_of_all_pairs(seed, options, field):
    check_cones(seed, options, field)


@pytest.mark.parametrize(
    "beam", [BeamSpot(x=2.0), BeamSpot(x=-1.5, y=1.3, z=30.0, slope_x=0.01, slope_y=-0.004)]
)
def test_edges_about_a_moved_beam_are_those_of_all_pairs(beam):
    """Layers are then off their axis, and disks are tilted."""
    n_certain = 0
    # Some detectors have layers that no track joins.
    for seed in range(10):
        for field in (0.0, 3.8):
            n_certain += len(check_cones(seed, ConeOptions(sigma_d0=0.2), field, beam, n_tracks=20)[0])
    assert n_certain > 200


@pytest.mark.parametrize(
    "options",
    [{}, {"sigma_d0": 2.0}, {"sigma_d0": 5.0}, {"sigma_d0": 50.0}, {"min_pt": 0.05}, {"min_pt": 0.2, "sigma_d0": 1.0},
     {"quantile": 0.9999, "sigma_z0": 200.0}],
)  # fmt: skip
def test_rounding_decides_few_edges(options):
    """So that the comparison says something: nearly all edges are certain, and there are some."""
    certain, possible = (
        sum(len(c) for c in column)
        for column in zip(
            *(check_cones(seed, ConeOptions(**options), 2.0, n_tracks=20) for seed in range(6)), strict=True
        )
    )
    assert certain > 60
    assert possible - certain < 0.05 * certain


WINDOWS = st.builds(
    WindowOptions,
    min_pt=st.sampled_from([1e-3, 0.05, 0.2, 0.5, 1e6]),
    max_z0=st.sampled_from([1e-3, 20.0, 150.0, 1e6]),
)


@examples
@given(seed=st.integers(0, 2**32), options=WINDOWS, field=FIELDS)
def test_windows_are_those_of_all_pairs(seed, options, field):
    rng = np.random.default_rng(seed)
    detector = random_detector(rng)
    pairs, hits = random_pairs(rng, detector.layers), random_hits(rng, detector)
    # A window's edge in curvature is as sharp as an impact parameter of 1 um.
    sharp, exact = (
        all_edges(hits, detector, pairs, Search(1.0, options.max_z0, d0, options.min_pt, field, slopes=False))
        for d0 in (1e-3, 0)
    )
    if field == 0:
        sharp = exact = (set(), set())
    compare(keys(window(hits, detector, pairs, field, options)), *sharp)
    tree = list(map(tuple, tree_window(hits, detector, pairs, field, options).tolist()))
    compare(tree, *({k[:2] for k in edges} for edges in exact))
    # By the clusters' lengths: those of them whose slopes both lengths allow.
    length, table = (
        rng.integers(0, 6, len(hits)),
        LengthTable(*np.sort(rng.exponential(3, (2, 2, 6)), axis=0)),
    )
    edges, found = (
        window(hits, detector, pairs, field, options),
        length_window(hits, length, table, detector, pairs, field, options),
    )
    slope = np.abs(edges.cot_theta.astype(float))
    good = possible = np.ones(len(edges), dtype=bool)
    for row in (edges.source, edges.target):
        barrel = detector.barrel[hits.module[row]]
        size = np.where(barrel, slope, 1 / np.maximum(slope, 1e-300))
        region = np.where(barrel, 0, 1)
        # A thousandth is left to either side.
        low, high = table.low[region, length[row]], table.high[region, length[row]]
        inside, outside = (np.maximum(low / size, size / high) <= 1 + part * 1e-3 for part in (0.99, 1.01))
        good, possible = good & inside, possible & outside
    compare(
        keys(found), *({k for k, g in zip(keys(edges), rows, strict=True) if g} for rows in (good, possible))
    )


def check_support(support, kinks):
    """The least kink of each edge on either side is there, and the impact parameter is the least wide kink's.

    Where rounding may decide which kink that is, the impact parameter is of one of those.
    """
    assert np.all(np.isfinite(support))
    for side, row in ((0, kinks.after), (1, kinks.before)):
        for e in range(len(support)):
            here = np.flatnonzero(row == e)
            for column, chi2s, rounding in (
                (side, kinks.chi2, kinks.rounding),
                (2 + side, kinks.wide, kinks.wide_rounding),
            ):
                low, high = (min(50.0, *(chi2s + sign * rounding)[here], 50.0) for sign in (-1, 1))
                assert low * (1 - 1e-6) <= support[e, column] <= high * (1 + 1e-6)
            # ``high`` is that of the wide kinks here.
            best = here[kinks.wide[here] - kinks.wide_rounding[here] <= high]
            near = np.abs(support[e, 4 + side] - kinks.impact[best]) <= kinks.impact_rounding[best] + 1e-9
            assert np.any(near) or (high == 50 and support[e, 4 + side] == 0)


@examples
@given(
    seed=st.integers(0, 2**32), options=CONES, field=FIELDS, quantile=st.sampled_from([1e-9, 0.9, 0.99999, 1 - 1e-15]),
    per_middle=st.sampled_from([1, 3, 1000]),
)  # fmt: skip
def test_seeds_are_those_of_all_pairs_of_edges(seed, options, field, quantile, per_middle):
    rng = np.random.default_rng(seed)
    detector = random_detector(rng)
    hits = random_hits(rng, detector)
    # All pairs of some hits, with curvatures and slopes that differ by about as much as the widths.
    hits = hits.take(np.argsort(np.hypot(hits.position[:, 0], hits.position[:, 1]))[-14:])
    source, target = (rows.astype(np.int32) for rows in np.triu_indices(14, 1))
    bend, slope = 10 ** rng.uniform(-5, -2.5), 10 ** rng.uniform(-3, 0)
    columns = [
        rng.normal(0, bend, len(source)),
        rng.normal(0.7, slope, len(source)),
        rng.normal(0, 50, len(source)),
    ]
    curvature, cot_theta, z0 = (column.astype(np.float32) for column in columns)
    chi2_of_edges = rng.uniform(0, 20, len(source)).astype(np.float32)
    pulls, pair = np.zeros((len(source), 4), np.float32), np.zeros(len(source), np.int32)
    edges = Edges(source, target, pair, chi2_of_edges, curvature, cot_theta, z0, pulls, 0, 0, len(hits))
    seeds = find_seeds(hits, edges, field, options, SeedOptions(quantile, per_middle, shared=3))
    search = Search(0, options.sigma_z0, options.sigma_d0, options.min_pt, field, options.radiation_length)
    kinks = kinks_of(hits, edges, search, WIDE_D0)
    check_support(seeds.support, kinks)
    two = find_seeds(hits, edges, field, options, SeedOptions(quantile, per_middle, shared=3), threads=2)
    np.testing.assert_array_equal(two.support, seeds.support)
    cut = chi2.ppf(quantile, 2)
    found = [tuple(row) for row in seeds.hits.tolist()]
    assert len(set(found)) == len(found)
    for middle in range(len(hits)):
        here = np.flatnonzero((kinks.middle == middle) & (kinks.chi2 - kinks.rounding <= cut))
        total = (kinks.chi2 + edges.chi2[kinks.before] + edges.chi2[kinks.after])[here]
        here, total = here[np.argsort(total)], np.sort(total)
        doubtful = np.any(kinks.chi2[here] + kinks.rounding[here] > cut)
        if len(here) > per_middle:
            doubtful |= (
                total[per_middle] - total[per_middle - 1]
                < 1e-5 * total[per_middle] + kinks.rounding[here].max()
            )
        if not doubtful:
            best = here[:per_middle]
            ends = zip(edges.source[kinks.before[best]], edges.target[kinks.after[best]], strict=True)
            assert {(int(a), middle, int(b)) for a, b in ends} == {row for row in found if row[1] == middle}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_edges_of_crowded_events_are_those_of_all_pairs(seed, threads):
    """Many more candidates, pairs and edges at a time than there is room for at first."""
    options = ConeOptions(quantile=1 - 1e-15, sigma_z0=1e6, sigma_d0=50.0, min_pt=0.05, sigma_scale=30.0)
    rng = np.random.default_rng(seed)
    detector = random_detector(rng)
    pairs, hits = random_pairs(rng, detector.layers), random_hits(rng, detector, n_tracks=60, n_noise=250)
    search = Search(
        options.joint_cut(), options.sigma_z0, options.sigma_d0, options.min_pt, 2.0, options.radiation_length,
        options.sigma_scale,
    )  # fmt: skip
    certain, possible = all_edges(hits, detector, pairs, search)
    edges = find_edges(hits, detector, pairs, 2.0, options, threads)
    compare(keys(edges), certain, possible)
    assert np.all(np.diff(edges.pair) >= 0)
    assert edges.n_looked > 10 * CANDIDATES
    assert edges.n_tested > 100 * LANES
    assert len(edges) > 2 * len(hits)

"""Gates hold what they are asked for, also in cells with few crossings."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2 as chi2_law

from tracking.finders.trkx.path.gates import (
    COUNTS,
    PT_EDGES,
    SHARES,
    cells,
    gate_table,
    gate_values,
    levelled,
)


def crossings(n, seed, tail=2.0):
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 9, n)
    pt = np.exp(rng.uniform(np.log(0.2), np.log(10.0), n))
    upright = rng.random(n) < 0.5
    # Longer tails for more hits, so that no cell is like another.
    chi2 = rng.chisquare(2, n) * (1 + tail * (rng.random(n) < 0.1) * count)
    overlap = rng.random(n) < 0.3
    return chi2 * np.where(overlap, 3.0, 1.0), cells(count, pt, upright, overlap)


def test_each_cell_holds_its_share():
    chi2, of = crossings(400_000, 1)
    table = gate_table(chi2, of)
    fresh, where = crossings(400_000, 2)
    for s, share in enumerate(SHARES):
        inside = fresh < gate_values(table, s, where)
        for c in range(len(COUNTS)):
            for o in (0, 1):
                chosen = (where[0] == c) & (where[3] == o)
                assert abs(inside[chosen].mean() - share) < 0.012


def test_gaussian_residuals_need_no_wider_gates():
    chi2, of = crossings(400_000, 3, tail=0.0)
    table = gate_table(chi2, of)
    # Those of overlaps are three times as wide, and are not mixed with the others.
    table[..., 1] /= 3
    np.testing.assert_allclose(table[0], 1.0, atol=0.16)
    assert np.abs(table[:, :, 3] - 1).max() < 0.3


def test_a_cell_without_crossings_takes_its_neighbours():
    chi2 = np.full(50_000, 3.0)
    count, pt = np.full(50_000, 2), np.full(50_000, 1.0)
    every = np.ones(50_000, dtype=bool)
    table = gate_table(chi2, cells(count, pt, every, ~every))
    expected = 3.0 / chi2_law.ppf(SHARES[0], 2)
    np.testing.assert_allclose(table[0, 1, ..., 0], expected)
    np.testing.assert_array_equal(table[:, 0], 1.0)
    # Of overlaps nothing is known.
    np.testing.assert_array_equal(table[..., 1], 1.0)


def test_the_share_is_right_for_stiff_particles_though_soft_ones_are_among_their_paths():
    rng = np.random.default_rng(4)
    n = 300_000
    pt = np.where(rng.random(n) < 0.8, 0.6, 3.0)
    # One soft particle in fifty looks stiff, and is far off.
    lost = (pt < 1) & (rng.random(n) < 0.02)
    chi2 = rng.chisquare(2, n) * np.where(lost, 9.0, 1.0)
    count = rng.integers(1, 5, n)
    # Overlaps, half of all, are four times as far off for particles of any kind.
    overlap = rng.random(n) < 0.5
    chi2 *= np.where(overlap, 16.0, 1.0)
    of = cells(count, np.where(lost, 3.0, pt), np.zeros(n, dtype=bool), overlap)
    plain = gate_table(chi2, of)
    table = levelled(plain, chi2, of, pt)
    for s, (share, off) in enumerate(zip(SHARES, (0.04, 0.04, 0.0025), strict=True)):
        shares = [
            [np.mean(chi2[chosen] < gate_values(t, s, of)[chosen]) for t in (plain, table)]
            for chosen in ((count > 1) & (pt == 0.6), (count > 1) & (pt == 3.0))
        ]
        for chosen in ((count > 1) & (pt == 3.0) & (overlap == of_kind) for of_kind in (False, True)):
            assert abs(np.mean(chi2[chosen] < gate_values(table, s, of)[chosen]) - share) < 0.001
        # Of the soft ones no gate holds more than those that look soft, and those of the others that lie in the
        # stiff ones' gate, to which they are three times as far.
        most = 0.98 + 0.02 * (1 - (1 - share) ** (1 / 9))
        assert abs(shares[0][1] - min(share, most)) < 0.001
        assert abs(shares[1][1] - share) < 0.001
        # Stiff ones alone need smaller gates than all that look like them.
        assert shares[1][0] - share > off
    np.testing.assert_array_equal(table[:, 0], plain[:, 0])
    assert (table <= 2 * plain).all()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 100), pt=st.floats(1e-3, 1e4), upright=st.booleans(), overlap=st.booleans())
def test_every_path_has_a_cell(count, pt, upright, overlap):
    c, p, k, o = cells(np.array([count]), np.array([pt]), np.array([upright]), np.array([overlap]))
    assert COUNTS[c[0]] <= count
    assert c[0] + 1 == len(COUNTS) or count < COUNTS[c[0] + 1]
    assert p[0] == sum(edge <= pt for edge in PT_EDGES)
    assert k[0] == int(upright)
    assert o[0] == int(overlap)

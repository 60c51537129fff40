import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from smartpix.merged.crowds import crowded, expected_numbers
from tests.seeding import toys


@given(
    seed=st.integers(0, 1000), n=st.integers(0, 60), cell=st.sampled_from([2.0, 7.0, 50.0, 1e3]),
    least=st.sampled_from([0, 1, 2, 5, 59, 60]), rising=st.booleans(),
)  # fmt: skip
def test_the_others_are_those_in_the_four_nearest_cells(seed, n, cell, least, rising):
    detector, rng = toys.detector(), np.random.default_rng(seed)
    module = rng.choice(rng.choice(len(detector), 3), n).astype(np.int32)
    # In event files, modules follow one another.
    module = np.sort(module) if rising else module
    position = rng.uniform(-1, 1, (n, 2)) * np.stack([detector.half_x, detector.half_y], axis=1)[module]
    rows, n_near = crowded(module, position, detector, cell, least)
    half = np.array([detector.half_x.max(), detector.half_y.max()])
    place = (position + half) / cell
    own, first = np.floor(place + 1e-12), np.floor(place - 0.5 + 1e-12)
    expected = [
        sum(
            module[j] == module[i] and np.all((own[j] >= first[i]) & (own[j] <= first[i] + 1))
            for j in range(n)
            if j != i
        )
        for i in range(n)
    ]
    assert rows.tolist() == [i for i in range(n) if expected[i] >= least]
    assert n_near.tolist() == [others for others in expected if others >= least]


def test_estimates_off_the_module_count_at_its_edge_and_many_small_cells_grow():
    detector = toys.detector()
    module, half = np.zeros(2, dtype=np.int32), detector.half_x.max()
    for position, cell in (
        ([[1e9, 0.0], [half, 0.0]], 1.0), ([[np.nan, 0.0], [-half, 0.0]], 1.0),
        # Of a micrometre there would be too many cells to count in.
        (np.zeros((2, 2)), 1e-3),
    ):  # fmt: skip
        rows, n_near = crowded(module, np.array(position), detector, cell, 1)
        assert (rows.tolist(), n_near.tolist()) == ([0, 1], [1, 1])


@pytest.mark.parametrize("each", [1, 2, 3])
def test_four_cells_that_are_equally_full_hold_four_times_one(each):
    detector = toys.detector()
    corner = np.array([2.0, 2.0]) - [detector.half_x.max(), detector.half_y.max()]
    offsets = np.array([[-0.4, -0.4], [-0.4, 0.4], [0.4, -0.4], [0.4, 0.4]])
    position = np.tile(corner + offsets, (each, 1))
    module = np.zeros(len(position), dtype=np.int32)
    for least, n in ((4 * each - 1, 4 * each), (4 * each, 0)):
        rows, n_near = crowded(module, position, detector, 2.0, least)
        assert rows.tolist() == list(range(n))
        assert n_near.tolist() == [4 * each - 1] * n


@pytest.mark.parametrize("n", [0, 1, 7, 300])
def test_expected_numbers_are_poissons(n):
    found = expected_numbers(np.array([n]), 2.0, 0.04)[0]
    mean = n * 0.04 / 16
    np.testing.assert_allclose(
        found, [poisson.pmf(0, mean), poisson.pmf(1, mean), poisson.sf(1, mean)], atol=1e-15
    )

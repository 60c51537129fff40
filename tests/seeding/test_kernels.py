import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from seeding import kernels
from seeding.table import layer_grid
from tests.seeding import toys

examples = settings(max_examples=100, deadline=None)


@examples
@given(seed=st.integers(0, 1000), n=st.integers(0, 60))
def test_grid_puts_every_hit_into_its_one_cell(seed, n):
    rng = np.random.default_rng(seed)
    grid = layer_grid(toys.detector())
    phi = rng.uniform(-np.pi, np.pi, n)
    phi[: n // 4] = np.pi  # arctan2 gives +pi, too
    r, z = rng.uniform(20, 190, n), rng.uniform(-1600, 1600, n)
    layer = rng.integers(0, len(grid.barrel), n).astype(np.int32)
    position = np.column_stack([r * np.cos(phi), r * np.sin(phi), z])
    radius, azimuth, place = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int32)
    for part in ((0, n // 2), (n // 2, n)):
        kernels.find_cells(
            *part, position, layer, grid.barrel, grid.low, grid.width, grid.n_along, grid.first_cell, radius, azimuth, place,
        )  # fmt: skip
    order, start = kernels.sort_cells(place, grid.first_cell[-1])
    np.testing.assert_allclose(radius, r, rtol=1e-6)
    np.testing.assert_allclose(np.cos(azimuth - phi), 1, atol=1e-9)
    assert sorted(order.tolist()) == list(range(n))
    assert (start[0], start[-1], len(start)) == (0, n, grid.first_cell[-1] + 1)
    for s, i in enumerate(order):
        cell = int(np.searchsorted(start, s, side="right")) - 1
        k = int(np.searchsorted(grid.first_cell, cell, side="right")) - 1
        assert k == layer[i]
        a, p = divmod(cell - int(grid.first_cell[k]), kernels.N_PHI)
        along = z[i] if grid.barrel[k] else r[i]
        low = grid.low[k] + a * grid.width[k]
        assert low - 1e-3 <= along <= low + grid.width[k] + 1e-3 or a in (0, grid.n_along[k] - 1)
        edge = -np.pi + 2 * np.pi * np.array([p, p + 1]) / kernels.N_PHI
        assert edge[0] - 1e-6 <= azimuth[i] <= edge[1] + 1e-6


@examples
@given(
    seed=st.integers(0, 10_000), half=st.floats(0.01, 2.0), reach=st.floats(0.0, 0.5), upright=st.booleans(),
    turn=st.floats(-1, 1), part=st.floats(-1, 1),
)  # fmt: skip
def test_slopes_outside_the_range_give_other_cot_alphas(seed, half, reach, upright, turn, part):
    """Any direction whose cot alpha is within the half width, and whose azimuth is within reach, has its slope in the range."""
    rng = np.random.default_rng(seed)
    # Axes along radius, azimuth and beam: an upright barrel module or a disk, tilted by up to 0.3.
    frame = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]]) if upright else np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    frame = frame @ Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix()
    c = rng.uniform(-4, 4) if upright else rng.choice([-1, 1]) * rng.uniform(2, 12)
    psi = np.arcsin(turn * reach)
    local = frame @ np.array([np.cos(psi), np.sin(psi), c])
    if local[2] < 0.05 * np.linalg.norm(local) and upright:
        return
    a = local[0] / local[2] + part * half
    low, high = kernels.slope_range(a, half * (1 + 1e-9) + 1e-9, reach, frame.reshape(1, 9), 0)
    assert low - 1e-6 * (1 + abs(c)) <= c <= high + 1e-6 * (1 + abs(c))


def test_slope_range_of_an_upright_module_is_its_cot_alpha():
    frame = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]]).reshape(1, 9)
    np.testing.assert_allclose(kernels.slope_range(1.5, 0.25, 0.0, frame, 0), [1.25, 1.75])


@examples
@given(keys=st.lists(st.integers(0, 7), max_size=40))
def test_group_by_lists_the_rows_of_every_key_in_order(keys):
    rows, start = kernels.group_by(np.array(keys, dtype=np.int64), 8)
    for key in range(8):
        assert rows[start[key] : start[key + 1]].tolist() == [e for e, k in enumerate(keys) if k == key]


@pytest.mark.parametrize("size", [3, 8])
def test_growing_keeps_what_there_is(size):
    values = np.arange(3)
    assert kernels.grow(values, size)[:3].tolist() == [0, 1, 2]
    assert kernels.grow_rows(np.arange(6).reshape(3, 2), size)[:3].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert len(kernels.grow(values, size)) == size

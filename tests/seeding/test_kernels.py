import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from seeding import box_kernels, kernels, pair_kernels, table_kernels
from seeding.cones import ConeOptions
from seeding.constants import N_PHI
from seeding.edges import cone_settings
from seeding.table import hit_table, layer_grid, layer_searches
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
    layer_of = toys.detector().layer_index
    module = rng.integers(0, len(layer_of), n).astype(np.int32)
    layer = layer_of[module]
    position = np.column_stack([r * np.cos(phi), r * np.sin(phi), z])
    radius, azimuth, cells = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int32)
    for part in ((0, n // 2), (n // 2, n)):
        columns = (position, module, layer, layer_of, grid, radius, azimuth, cells)
        assert table_kernels.find_cells(*part, *columns) == 0
    order, place, start = table_kernels.sort_cells(cells, grid.first_cell[-1])
    np.testing.assert_allclose(radius, r, rtol=1e-6)
    np.testing.assert_allclose(np.cos(azimuth - phi), 1, atol=1e-9)
    assert sorted(order.tolist()) == list(range(n))
    assert order[place].tolist() == list(range(n))
    assert (start[0], start[-1], len(start)) == (0, n, grid.first_cell[-1] + 1)
    for s, i in enumerate(order):
        cell = int(np.searchsorted(start, s, side="right")) - 1
        k = int(np.searchsorted(grid.first_cell, cell, side="right")) - 1
        assert k == layer[i]
        a, p = divmod(cell - int(grid.first_cell[k]), N_PHI)
        along = z[i] if grid.barrel[k] else r[i]
        low = grid.low[k] + a * grid.width[k]
        assert low - 1e-3 <= along <= low + grid.width[k] + 1e-3 or a in (0, grid.n_along[k] - 1)
        edge = -np.pi + 2 * np.pi * np.array([p, p + 1]) / N_PHI
        assert edge[0] - 1e-6 <= azimuth[i] <= edge[1] + 1e-6


def frames(seed, upright):
    """Axes along radius, azimuth and beam: an upright barrel module or a disk, tilted by up to 0.3."""
    frame = (
        np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]])
        if upright
        else np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    )
    return frame @ Rotation.from_rotvec(np.random.default_rng(seed).uniform(-0.3, 0.3, 3)).as_matrix()


@examples
@given(
    seed=st.integers(0, 10_000), half=st.floats(0.01, 2.0), reach=st.floats(0.0, 0.9), upright=st.booleans(),
    cot_alpha=st.floats(-8, 8),
)  # fmt: skip
def test_slope_range_is_that_of_all_directions(seed, half, reach, upright, cot_alpha):
    """Solved for dz/ds at 4001 azimuths within reach and both ends of cot alpha: the range holds them and is
    no wider.
    """
    frame = frames(seed, upright)
    sine = np.linspace(-reach, reach, 4001)
    across = np.stack([np.sqrt(1 - sine**2), sine, 0 * sine])
    solved = []
    for u in (cot_alpha - half, cot_alpha + half):
        # u (z . d) = x . d, linear in the slope c of d = (cos, sin, c).
        normal = frame[0] - u * frame[2]
        solved.append(-(normal @ across) / normal[2])
    low, high = table_kernels.slope_range(cot_alpha, half, reach, *frame[0], *frame[2])
    poles = [frame[0, 2] - u * frame[2, 2] for u in (cot_alpha - half, cot_alpha + half)]
    if poles[0] * poles[1] < 0:
        # Directions along the module's x lie within: nothing is known.
        assert (low, high) == (-1e9, 1e9)
    elif min(np.abs(poles)) > 1e-3:
        size = np.abs(solved).max() + 1e-9
        np.testing.assert_allclose([low, high], [np.min(solved), np.max(solved)], rtol=0, atol=1e-5 * size)


def test_slope_range_of_an_upright_module_is_its_cot_alpha():
    x, z = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
    np.testing.assert_allclose(table_kernels.slope_range(1.5, 0.25, 0.0, *x, *z), [1.25, 1.75])


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
    assert len(kernels.grow(values, size)) == size


@pytest.mark.parametrize("rows", [[], [0], [0, 1], "20", "outermost", "all"])
@pytest.mark.parametrize("options", [{}, {"sigma_d0": 50.0}, {"min_pt": 0.05}])
def test_the_search_reads_within_its_arrays(monkeypatch, rows, options):
    """The same loop run by Python, which checks every index, on few hits and on none that starts a search; in
    parts, too.
    """
    hits = toys.toy_hits(toys.toy_event(6, seed=61), 61)
    n = len(hits)
    outermost = np.flatnonzero(~np.isin(hits.layer, toys.pairs().inner))
    chosen = {"20": np.arange(20), "outermost": outermost, "all": np.arange(n)}
    hits = hits.take(np.array(chosen[rows] if isinstance(rows, str) else rows, dtype=int))
    grid, cone = layer_grid(toys.detector()), ConeOptions(**options)
    settings = cone_settings(cone, toys.FIELD)._replace(scattering=0.0)
    table = hit_table(hits, toys.detector(), grid, settings)
    searches = layer_searches(table, toys.pairs(), toys.detector())
    # A negative index would be taken from the end without a word.
    arrays = ("order", "cell_start", "near", "phi")
    bounded = table._replace(**{name: getattr(table, name).view(Bounded) for name in arrays})
    n_items = int(searches.items[-1])
    parts = ((0, n_items), (0, n_items // 2), (n_items // 2, n_items), (n_items, n_items))
    rest = (searches, grid)
    compiled = [kernels.search(*part, *rest, table, settings, 1000) for part in parts]
    # With everything that it calls.
    for module in (box_kernels, pair_kernels, kernels):
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    for part, (edges, *counts) in zip(parts, compiled, strict=True):
        with np.errstate(all="ignore"):
            by_python, *same_counts = kernels.search(*part, *rest, bounded, settings, 1000)
        assert same_counts == counts
        n = min(counts[2], 1000)
        for a, b in zip(by_python[:3], edges[:3], strict=True):
            np.testing.assert_array_equal(a[:n], b[:n])


class Bounded(np.ndarray):
    """An array that refuses negative indices."""

    def __getitem__(self, index):
        assert not isinstance(index, (int, np.integer)) or index >= 0
        return super().__getitem__(index)


def test_arcs_and_azimuths_are_numpys():
    """To single precision, though the loops that call them are vectorised."""
    u = np.float32(np.linspace(-0.9999, 0.9999, 1000))
    arc = [pair_kernels.arc_ratio(x, x * x) for x in u]
    np.testing.assert_allclose(arc, np.arcsin(u.astype(float)) / u, rtol=3e-7)
    x, y = np.float32(np.random.default_rng(3).normal(0, 1, (2, 999)) * 10.0 ** np.arange(-4, 5).repeat(111))
    azimuths = [table_kernels.azimuth(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(azimuths, np.arctan2(y.astype(float), x), atol=5e-7)
    ends = [(1, 0), (0, 1), (-1, 0), (0, -1), (-1, -0.0), (0, 0)]
    azimuths = [table_kernels.azimuth(np.float32(a), np.float32(b)) for a, b in ends]
    np.testing.assert_allclose(azimuths, np.array([0, 0.5, 1, -0.5, 1, 0]) * np.pi, atol=5e-7)

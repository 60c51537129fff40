"""The compiled way from raw outputs to estimates, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.estimate import finish_kernels as kernels
from smartpix.estimate.finish import Finishing, in_blocks, tables_of
from smartpix.schema import SMALLEST_SIGMA, TARGET_SCALE, InputError

SCALE = np.array(TARGET_SCALE)
CELLS = (2.0, 8.0)
AXES, PREDICTED = 7, 3


def plain(raw, tables, shape, truncated, bad, wider, length, added):
    """Means and factors by arrays and ``np.interp``, one target and table after the other."""
    mean, cholesky = raw[:, 0:8:2] * SCALE, np.zeros((len(raw), 4, 4))
    cholesky[:, range(4), range(4)] = np.logaddexp(0.0, raw[:, 1:8:2]) + SMALLEST_SIGMA
    rows, columns = np.tril_indices(4, -1)
    cholesky[:, rows, columns] = raw[:, 8:]
    cholesky *= SCALE[:, None]
    sigma, before = np.linalg.norm(cholesky, axis=2), mean.copy()
    slope2 = 1 + before[:, 2] ** 2 + before[:, 3] ** 2
    for target, own in enumerate(tables):
        axes = [before[:, 2], before[:, 3], np.log(sigma[:, target])]
        if shape is not None:
            axes.append(np.log(np.maximum(shape[:, 0], 1.0)) - 0.5 * np.log(slope2))
            axes += [shape[:, 1 + k] - np.abs(before[:, 2 + k]) * CELLS[k] for k in (0, 1)]
            axes.append(shape[:, 1])
        shift, log_scale = (
            sum((np.interp(axes[t["axis"]], t["at"], t[name]) for t in own), np.zeros(len(raw)))
            for name in ("shift", "log_scale")
        )
        mean[:, target] += shift * sigma[:, target]
        cholesky[:, target] *= np.exp(log_scale)[:, None]
    cholesky[truncated] *= np.array(wider)[:, None]
    if length is not None and shape is not None:
        long = shape[:, 1] > length[0]
        mean[long, 2] = np.where(mean[long, 2] < 0, -1, 1) * (shape[long, 1] - length[1]) / CELLS[0]
        cholesky[long, 3, 3] = np.hypot(cholesky[long, 3, 3], cholesky[long, 3, 2])
        cholesky[long, 3, 2] = 0.0
        cholesky[long, 2] = [0.0, 0.0, length[2], 0.0]
    if added is not None:
        cholesky = np.linalg.cholesky(cholesky @ np.swapaxes(cholesky, 1, 2) + np.diag(added))
    mean[bad], cholesky[bad] = 0.0, np.diag(3 * SCALE)
    return mean, cholesky


def random_tables(rng, axes, same):
    """Tables of one to six knots; those of all targets at the same ones, but for their own sigmas."""

    def knots():
        n = rng.integers(1, 7)
        return np.sort(rng.uniform(-8, 8, n)).tolist(), n

    shared = [knots() for _ in range(axes)]
    tables = []
    for _ in range(4):
        own = [shared[a] if same and a != 2 else knots() for a in range(axes)]
        tables.append([
            {"axis": a, "at": at, "shift": rng.normal(0, 0.3, n).tolist(),
             "log_scale": rng.normal(0, 0.2, n).tolist()}
            for a, (at, n) in enumerate(own)
        ])  # fmt: skip
    return tables


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([1, 2, 63, 64, 65, 200]),
    seed=st.integers(0, 10**6),
    with_shape=st.booleans(),
    same=st.booleans(),
    length=st.booleans(),
    added=st.booleans(),
)
def test_estimates_are_those_of_numpy(n, seed, with_shape, same, length, added):
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, rng.choice([0.5, 3.0, 30.0]), (n, 14))
    shape = None
    if with_shape:
        shape = np.stack(
            [rng.choice([0.0, 0.5, 3e3, 2e5], n), rng.integers(1, 40, n), rng.integers(1, 14, n)], axis=1
        )
    truncated, bad = rng.random(n) < 0.3, rng.random(n) < 0.1
    tables = random_tables(rng, AXES if with_shape else PREDICTED, same)
    wider = (5.0, 6.0, 7.0, 8.0)
    long = (21, 0.7, 0.3) if length else None
    more = (1e-4, 1e-5, 1e-2, 1e-3) if added else None
    wanted = plain(raw, tables, shape, truncated, bad, wider, long, more)
    finishing = Finishing(tables_of(tables), CELLS, wider, long, more)
    # Others stay as they are.
    rows = rng.permutation(n + 7)[:n]
    mean, cholesky = np.full((n + 7, 4), 77.0), np.full((n + 7, 4, 4), 77.0)
    full = {}
    for name, values in (("shape", shape), ("truncated", truncated), ("bad", bad)):
        if values is not None:
            full[name] = np.zeros((n + 7, *values.shape[1:]), dtype=values.dtype)
            full[name][rows] = values
    finishing.into(mean, cholesky, in_blocks(raw), rows, **full)
    sigma = np.linalg.norm(wanted[1], axis=2)
    np.testing.assert_allclose((mean[rows] - wanted[0]) / sigma, 0, atol=1e-5)
    np.testing.assert_allclose((cholesky[rows] - wanted[1]) / sigma[:, :, None], 0, atol=1e-5)
    others = np.setdiff1d(np.arange(n + 7), rows)
    assert np.all(mean[others] == 77.0)
    assert np.all(cholesky[others] == 77.0)


@pytest.mark.parametrize("column", range(14))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_finite_stays_so_and_harms_no_other(column, value):
    raw = np.random.default_rng(1).normal(0, 1, (5, 14))
    finishing = Finishing(tables_of(random_tables(np.random.default_rng(2), PREDICTED, True)), CELLS)
    whole, damaged = np.empty((2, 5, 20))
    raw_damaged = raw.copy()
    raw_damaged[3, column] = value
    for outputs, result in ((raw, whole), (raw_damaged, damaged)):
        mean, cholesky = np.empty((5, 4)), np.empty((5, 4, 4))
        finishing.into(mean, cholesky, in_blocks(outputs))
        result[:] = np.concatenate([mean, cholesky.reshape(5, 16)], axis=1)
    assert not np.all(np.isfinite(damaged[3]))
    np.testing.assert_array_equal(np.delete(damaged, 3, axis=0), np.delete(whole, 3, axis=0))


def test_tables_along_shapes_need_shapes():
    finishing = Finishing(tables_of(random_tables(np.random.default_rng(2), AXES, True)), CELLS)
    with pytest.raises(InputError, match="calibration: its tables are along the clusters' charge and size"):
        finishing.into(np.zeros((1, 4)), np.ones((1, 4, 4)), in_blocks(np.zeros((1, 14))))


def test_elementary_functions_are_numpys_to_the_ends_of_their_ranges():
    x = np.concatenate([np.linspace(-700, 700, 20_001), [-800.0, 1e9, 0.0, 1e-300, -1e-300]])
    found = x.copy()
    kernels._exp(found)
    np.testing.assert_allclose(found, np.exp(np.clip(x, -700, 700)), rtol=1e-12)
    x = np.concatenate([np.exp(np.linspace(-700, 700, 20_001)), np.linspace(0.5, 2.0, 20_001)])
    found = x.copy()
    kernels._log(found)
    np.testing.assert_allclose(found, np.log(x), rtol=1e-12, atol=1e-15)
    x = np.concatenate([np.linspace(-60, 60, 10_001), [-1e30, 1e30, 0.0, -0.0]])
    found = x.copy()
    kernels._softplus(found, 1e-3, np.empty_like(x))
    np.testing.assert_allclose(found, np.logaddexp(0.0, x) + 1e-3, rtol=1e-12)
    found = np.array([np.nan])
    kernels._softplus(found, 1e-3, np.empty(1))
    assert np.isnan(found[0])

"""Clusters side by side, against one after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.clusters import fill_windows
from smartpix.networks import fused_blocks as blocks
from smartpix.networks.fused_blocks import BLOCK
from smartpix.outlines import outlines_of

R, C = 13, 21


def lists(n, seed, reach=4):
    """Clusters anywhere on a module, some wider than their window or with nothing in it."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 8, n)
    first = np.cumsum(counts) - counts
    row0, column0 = rng.integers(20, 1300, n), rng.integers(30, 1400, n)
    size = rng.choice([1, 2, reach, 30], n)
    row = np.concatenate(
        [r + rng.integers(0, min(s, 9), c) for r, s, c in zip(row0, size, counts, strict=True)]
    )
    column = np.concatenate(
        [k + rng.integers(0, s, c) for k, s, c in zip(column0, size, counts, strict=True)]
    )
    charge = rng.normal(2000, 2000, (int(counts.sum()), 2)).astype(np.float32)
    return first, counts, row.astype(np.int16), column.astype(np.int16), charge


def patch_and_place(margin, chosen, first, counts, row, column, charge, origin, box):
    row0, column0, high, wide = blocks.patch_of(chosen, box, origin, R, C)
    patch = np.full((charge.shape[1], high, wide + 2 * margin, BLOCK), 7, dtype=np.float32)
    blocks.fill_patch(chosen, first, counts, row, column, charge, origin, row0, column0, margin, patch)
    assert not np.delete(patch, np.arange(margin, margin + wide), axis=2).any()
    return patch[:, :, margin : margin + wide], row0, column0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, BLOCK), st.integers(0, 10**6), st.sampled_from([0, 2]))
def test_a_patch_is_all_that_there_is_in_the_windows(n, seed, margin):
    first, counts, row, column, charge = lists(n + 5, seed)
    outlines = outlines_of(first, counts, row, column, charge)
    chosen = np.random.default_rng(seed).permutation(n + 5)[:n]
    origin = outlines.origin
    # One of them has its window elsewhere.
    origin[chosen[0]] += 300
    patch, row0, column0 = patch_and_place(
        margin, chosen, first, counts, row, column, charge, origin, outlines.box
    )
    owner = np.repeat(np.arange(n + 5), counts)
    windows = fill_windows(first, counts, row - origin[owner, 0], column - origin[owner, 1], charge, R, C)
    full = np.zeros((BLOCK, 2, R, C), dtype=np.float32)
    high, wide = patch.shape[1:3]
    full[:, :, row0 : row0 + high, column0 : column0 + wide] = patch.transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(full[:n], windows[chosen])
    assert not full[n:].any()


@pytest.mark.parametrize("n", [0, 1, 500])
def test_order_by_size_is_of_all_and_keeps_sizes_together(n):
    first, counts, row, column, charge = lists(n + 1, 3)
    box = outlines_of(first, counts, row, column, charge).box
    rows = np.random.default_rng(1).permutation(n + 1)[:n]
    order = blocks.by_size(rows, box, R, C)
    assert sorted(order.tolist()) == list(range(n))
    size = np.minimum(box[rows[order]][:, 1::2] - box[rows[order]][:, 0::2] + 1, [R, C])
    changes = np.flatnonzero(np.any(size[1:] != size[:-1], axis=1))
    assert len(changes) == max(len(np.unique(size, axis=0)) - 1, 0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    slices=st.integers(1, 3),
    filters=st.integers(1, 5),
    place=st.tuples(st.integers(0, R - 1), st.integers(0, C - 1), st.integers(0, 4), st.integers(0, 4)),
)
def test_lines_and_sums_are_those_of_whole_windows(seed, slices, filters, place):
    rng = np.random.default_rng(seed)
    row0, column0 = place[:2]
    high, wide = min(place[2], R - row0), min(place[3], C - column0)
    high, wide = (high, wide) if high and wide else (0, 0)
    inside = rng.normal(0, 1, (slices, high, wide, BLOCK))
    patch = np.pad(inside, ((0, 0), (0, 0), (2, 2), (0, 0)))
    window = np.zeros((slices, R, C, BLOCK))
    window[:, row0 : row0 + high, column0 : column0 + wide] = inside
    weight, bias = rng.normal(0, 1, (slices, R, 3, filters)), rng.normal(0, 1, filters)
    line = np.full(((C + 2) * filters + (-(C + 2) * filters) % 4, BLOCK), 7.0)
    low, end = blocks.column_lines(
        patch, row0, column0, weight[:, :, ::-1].reshape(slices, R, -1).copy(), bias, line
    )
    assert (low, end) == (column0 * filters, (column0 + wide + 2 * (wide > 0)) * filters)
    for i in range(low, end):
        q, f = divmod(i, filters)
        # Places begin two columns before the window.
        seen = [c for c in (q - 2, q - 1, q) if 0 <= c < C]
        wanted = bias[f] + sum(
            np.einsum("sr,srb->b", weight[:, :, c - q + 2, f], window[:, :, c]) for c in seen
        )
        np.testing.assert_allclose(line[i], wanted, atol=1e-12)
    for first, over_rows, n, axis in ((row0, True, R, 2), (column0, False, C, 1)):
        sums = np.full((n * slices + (-n * slices) % 4, BLOCK), 7.0)
        low, end = blocks.line_sums(patch, first, 2, over_rows, sums)
        wanted = window.sum(axis=axis).swapaxes(0, 1).reshape(n * slices, BLOCK)
        np.testing.assert_allclose(sums[low:end], wanted[low:end], atol=1e-12)
        assert not np.delete(wanted, np.arange(low, end), axis=0).any()
        assert not sums[low - low % 4 : low].any()
        assert not sums[end : end + (-end) % 4].any()


def test_layers_are_matrix_products():
    rng = np.random.default_rng(1)
    for inputs, width in ((4, 1), (12, 5), (28, 14)):
        x, weight, bias = (
            rng.normal(0, 1, (inputs, BLOCK)),
            rng.normal(0, 1, (inputs, width)),
            rng.normal(0, 1, width),
        )
        out = np.full((width, BLOCK), 7.0)
        blocks.layer(x, weight, bias, out)
        np.testing.assert_allclose(out, bias[:, None] + weight.T @ x, atol=1e-12)
        before = out.copy()
        inside = x.copy()
        inside[:1] = 0
        blocks.accumulate(inside, 1, inputs, weight, out)
        np.testing.assert_allclose(out, before + weight[1:].T @ x[1:], atol=1e-12)

"""The twelve variables against a slow loop and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.merged.variables import (
    LARGEST_RATIO,
    N_VARIABLES,
    VARIABLES,
    ShapeVariables,
    shape_variables,
)
from smartpix.schema import InputError

QUICK = settings(max_examples=40, deadline=None)


def of(image, **options):
    """Variables of one image (R, C), by name."""
    found = shape_variables(np.asarray(image, dtype=np.float64)[None, None], ShapeVariables(**options))
    return dict(zip(VARIABLES, found[0], strict=True))


def slowly(image, w0):
    """The definition, pixel by pixel, with the eigenvalues of NumPy."""
    n_rows, n_columns = image.shape
    inside = [(r, c) for r in range(n_rows) for c in range(n_columns)]
    row, column = max(inside, key=lambda place: image[place])

    def total(rows, columns):
        return sum(
            image[r, c]
            for r in range(row + rows[0], row + rows[1] + 1)
            for c in range(column + columns[0], column + columns[1] + 1)
            if (r, c) in inside
        )

    sides, both = ((-1, 0), (0, 1)), (-1, 1)
    s1, s9, s25 = image[row, column], total(both, both), total((-2, 2), (-2, 2))
    s4 = max(total(rows, columns) for rows in sides for columns in sides)
    s6 = max([total(rows, both) for rows in sides] + [total(both, columns) for columns in sides])
    if s25 <= 0:
        return np.zeros(N_VARIABLES)
    weight = {p: max(0.0, w0 + math.log(image[p] / s25)) if image[p] > 0 else 0.0 for p in inside}
    norm = sum(weight.values()) or 1.0
    y, x = (sum(w * (p[k] - at) for p, w in weight.items()) / norm for k, at in ((0, row), (1, column)))
    moments = np.zeros((2, 2))
    for (r, c), w in weight.items():
        off = np.array([c - column - x, r - row - y])
        moments += w * np.outer(off, off) / norm
    small, large = np.linalg.eigvalsh(moments)

    def ratio(above, below):
        return min(max(above / below, -LARGEST_RATIO), LARGEST_RATIO) if below > 0 else 0.0

    return np.array([
        ratio(s1, s25), ratio(s4, s25), ratio(s6, s25), ratio(s9, s25), math.log10(max(s25, 1.0)),
        abs(x), abs(y), moments[0, 0], moments[1, 1], moments[0, 1],
        ratio(max(small, 0.0), large), ratio(s9 - s1, s25 - s1),
    ])  # fmt: skip


@pytest.mark.parametrize("shape", [(13, 21), (16, 16), (1, 1), (2, 7), (5, 5)])
@pytest.mark.parametrize("w0", [4.7, 1.0])
def test_variables_are_those_of_a_slow_loop(shape, w0):
    rng = np.random.default_rng(1)
    # Some negative, many zero, the largest also at the edge.
    images = np.where(rng.random((6, 2, *shape)) < 0.5, rng.normal(500, 1000, (6, 2, *shape)), 0.0)
    images[0, 0, 0, 0] = 9e4
    found = shape_variables(images, ShapeVariables(w0)).reshape(6, 2, N_VARIABLES)
    for i in range(6):
        for s in range(2):
            wanted = slowly(images[i, s], w0)
            # An eigenvalue of 0 comes out within rounding of the larger one.
            np.testing.assert_allclose(found[i, s], wanted, rtol=1e-9, atol=1e-9)


def test_a_lone_pixel_has_no_width():
    image = np.zeros((13, 21))
    image[6, 10] = 1000.0
    found = of(image)
    assert [found[name] for name in VARIABLES[:5]] == [1.0, 1.0, 1.0, 1.0, 3.0]
    assert [found[name] for name in VARIABLES[5:]] == [0.0] * 7


def test_two_equal_pixels_have_the_moments_of_two_points():
    image = np.zeros((9, 9))
    image[4, 2] = image[4, 6] = 100.0
    found = of(image)
    # The first is the largest; the second is four columns away, outside the 5 x 5.
    assert found["S1 / S25"] == 1.0
    assert found["|x|"] == pytest.approx(2.0)
    assert found["sigma_xx"] == pytest.approx(4.0)
    assert (found["|y|"], found["sigma_yy"], found["lambda- / lambda+"]) == (0.0, 0.0, 0.0)


def test_a_flat_square_has_the_moments_of_a_square():
    image = np.zeros((11, 11))
    image[3:8, 3:8] = 2.0
    found = of(image)
    assert found["sigma_xx"] == pytest.approx(2.0)
    assert found["sigma_yy"] == pytest.approx(2.0)
    assert found["sigma_xy"] == pytest.approx(0.0, abs=1e-12)
    assert found["lambda- / lambda+"] == pytest.approx(1.0)
    # The first of equals is a corner: 9 of the 25 pixels around it are in the square.
    assert found["S1 / S25"] == pytest.approx(1 / 9)
    assert found["S9 / S25"] == pytest.approx(4 / 9)
    assert found["(S9 - S1) / (S25 - S1)"] == pytest.approx(3 / 8)


@QUICK
@given(
    st.integers(0, 2**32 - 1), st.integers(-3, 3), st.integers(-3, 3),
    st.sampled_from([1e-3, 1.0, 1e6]),
)  # fmt: skip
def test_variables_move_and_scale_with_the_image(seed, down, right, factor):
    """A shift by whole pixels changes none, a factor only the logarithm; a transposition swaps x and y."""
    image = np.zeros((17, 17))
    image[5:12, 5:12] = np.random.default_rng(seed).exponential(1000.0, (7, 7)) + 1
    moved = np.roll(image, (down, right), axis=(0, 1))
    wanted = of(image)
    assert of(moved) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    scaled = of(image * factor)
    log = "log10 S25"
    assert scaled[log] == pytest.approx(wanted[log] + math.log10(factor), abs=1e-9) or factor < 1
    assert {**scaled, log: 0} == pytest.approx({**wanted, log: 0}, rel=1e-6, abs=1e-6)
    turned = of(image.T)
    for one, other in (("|x|", "|y|"), ("sigma_xx", "sigma_yy"), ("sigma_xy", "sigma_xy")):
        assert turned[one] == pytest.approx(wanted[other], rel=1e-9, abs=1e-9)


@QUICK
@given(st.integers(0, 2**32 - 1))
def test_clusters_are_looked_at_alone(seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1000, (5, 2, 6, 8)).astype(np.float32)
    order = rng.permutation(5)
    np.testing.assert_array_equal(shape_variables(images[order]), shape_variables(images)[order])


def test_nothing_is_found_where_there_is_nothing():
    assert shape_variables(np.zeros((3, 2, 13, 21))).tolist() == [[0.0] * 24] * 3
    assert shape_variables(np.full((1, 1, 5, 5), -3.0)).tolist() == [[0.0] * 12]
    assert shape_variables(np.zeros((0, 1, 5, 5))).shape == (0, 12)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="must be \\(N, S, R, C\\) and have 3 axes"):
        shape_variables(np.zeros((2, 5, 5)))
    with pytest.raises(InputError, match="w0"):
        ShapeVariables(0.0)

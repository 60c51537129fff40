"""Induced charge: conservation, timing, drift and spread against closed forms and published straggling."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.response import induced_charge

SENSOR = Sensor()
BARREL, NONE = (3.8, 0.0, 0.0), (0.0, 0.0, 0.0)
HALF = (36.0, 8.4)
ALL = tuple(range(20))


def induce(n, cots=(0.0, 0.0), position=(0.0, 0.0), beta=1.0, sensor=SENSOR, b=NONE, slices=(19,), seed=1):
    direction, half = np.tile([*cots, 1.0], (n, 1)), np.tile(HALF, (n, 1))
    place = np.broadcast_to(np.asarray(position, dtype=float), (n, 2))
    return induced_charge(place, direction, np.full(n, beta), half, sensor, b, slices, seed)


def totals(out, n, s=-1):
    return np.bincount(out[0], out[3][:, s], n)


def centre(out, s=-1, half=HALF):
    """Mean charge-weighted x and y of all crossings, mm."""
    _, row, column, charge = out
    q = charge[:, s].astype(float)
    return np.array([np.sum(q * ((column + 0.5) * 0.05 - half[0])), np.sum(q * ((row + 0.5) * 0.0125 - half[1]))]) / q.sum()


def spread(n, around=(0.0, 0.0)):
    """Places that fill two columns and eight rows evenly, so that the pixels' size averages out."""
    i = np.arange(n)
    return np.asarray(around) + np.stack([0.1 * ((i * 0.618034) % 1 - 0.5), 0.1 * ((i + 0.5) / n - 0.5)], axis=1)


def mode(values, width):
    """Most probable value from a parabola through the logarithm of a histogram's peak."""
    counts, edges = np.histogram(values, np.arange(np.percentile(values, 1), np.percentile(values, 95), width))
    near = slice(max(int(np.argmax(counts)) - 5, 0), int(np.argmax(counts)) + 6)
    fit = np.polyfit((edges[:-1] + width / 2)[near], np.log(counts[near]), 2)
    return -fit[1] / (2 * fit[0])


def test_most_probable_charge_of_100_um():
    n = 15_000
    peak = mode(totals(induce(n, b=BARREL), n), 200)
    assert 6500 < peak < 7700
    # Bichsel's fit for thin silicon: t (190 + 16.3 ln t) eV.
    assert peak == pytest.approx(100 * (190 + 16.3 * np.log(100)) / 3.68, rel=0.07)


def test_most_probable_charge_of_300_um():
    n = 6000
    thick = Sensor(thickness=0.3, bias=300.0, depletion=69.0)
    peak = mode(totals(induce(n, sensor=thick), n), 600)
    assert peak == pytest.approx(300 * (190 + 16.3 * np.log(300)) / 3.68, rel=0.07)


def test_straggling_is_as_wide_as_landaus():
    """Full width at half maximum of 100 um: Landau's alone (4.02 xi) and up to 80 % more, by the binding of the electrons."""
    n = 15_000
    charge = totals(induce(n), n)
    counts, edges = np.histogram(charge, np.arange(3000, 15_000, 250))
    above = edges[:-1][counts > counts.max() / 2]
    landau = 4.02 * 17.83 * 100 / 3.68
    assert landau < above[-1] - above[0] + 250 < 1.8 * landau
    assert np.mean(charge > 2 * mode(charge, 200)) == pytest.approx(0.06, abs=0.03)


def test_charge_grows_with_the_path_and_with_the_inverse_square_of_beta():
    n = 3000
    straight, inclined, slow = (np.median(totals(out, n)) for out in (induce(n), induce(n, (2.0, 0.0)), induce(n, beta=0.5)))
    assert inclined / straight == pytest.approx(np.sqrt(5), rel=0.12)
    assert slow / straight == pytest.approx(4, rel=0.15)


def test_last_slice_does_not_depend_on_the_slices_read_out():
    alone, many = induce(300, (0.7, 0.2), b=BARREL), induce(300, (0.7, 0.2), b=BARREL, slices=ALL)
    few = induce(300, (0.7, 0.2), b=BARREL, slices=(0, 7, 19))
    np.testing.assert_allclose(totals(alone, 300), totals(many, 300), rtol=5e-3)
    # The slices are those of the full set, pixel by pixel.
    full = {tuple(k): q for *k, q in zip(*many, strict=True)}
    for *k, q in zip(*few, strict=True):
        np.testing.assert_array_equal(full[tuple(k)][[0, 7, 19]], q)


def test_total_charge_is_conserved_whatever_the_field_and_the_place():
    reference = totals(induce(300), 300)
    for out in (induce(300, b=BARREL), induce(300, position=(0.013, 0.004)), induce(300, position=(-30.0, 5.0), b=BARREL)):
        np.testing.assert_allclose(totals(out, 300), reference, rtol=0.02)


def test_signal_is_cumulative_and_complete_after_the_holes_have_gone():
    out = induce(500, (0.3, 0.1), b=BARREL, slices=ALL)
    total = np.array([totals(out, 500, s).sum() for s in range(20)])
    assert np.all(np.diff(total) > -1e-6 * total[-1])
    tables = drift_tables(SENSOR, BARREL)
    done = int(np.ceil(tables.tau_h[0] / 0.2))
    np.testing.assert_allclose(total[done:], total[-1], rtol=1e-5)
    assert total[done - 6] < 0.995 * total[-1]


@pytest.mark.parametrize("slices", [0, 2])
def test_early_signal_is_ramos_for_a_plane_condenser(slices):
    """Charge induced on all pixels: the way the carriers have moved over the thickness, from their equations of motion."""
    n, t_end = 1500, 0.2 * (slices + 1)
    out = induce(n, slices=ALL)
    measured = totals(out, n, slices).sum() / totals(out, n).sum()

    def velocity(z, v_max, critical, power):
        field = (100 + 7.7 * 2 * z / 0.1) / 0.01
        return 1e-8 * (v_max / critical) * field / (1 + (field / critical) ** power) ** (1 / power)

    temperature = 263.0
    electron = (1.53e9 * temperature**-0.87, 1.01 * temperature**1.55, 0.0257 * temperature**0.66)
    hole = (1.62e8 * temperature**-0.52, 1.24 * temperature**1.68, 0.46 * temperature**0.17)
    start = np.linspace(-0.05, 0.05, 202)[1:-1]
    up = solve_ivp(lambda _, z: velocity(z, *electron), (0, t_end), start, rtol=1e-6).y[:, -1]
    down = solve_ivp(lambda _, z: -velocity(z, *hole), (0, t_end), start, rtol=1e-6).y[:, -1]
    moved = np.minimum(up, 0.05) - np.maximum(down, -0.05)
    # Followed are the neighbours up to one column and four rows away; the rest sees a few per cent.
    assert measured == pytest.approx(moved.mean() / 0.1, rel=0.1)


def test_neighbours_see_transient_signals_that_vanish():
    _, row, column, charge = induce(1, position=(0.025, 0.00625), slices=ALL)
    neighbour = charge[(row == 672 + 3) & (column == 720)][0]
    assert np.abs(neighbour).max() > 20
    assert abs(neighbour[-1]) < 0.2 * np.abs(neighbour).max()


@pytest.mark.parametrize(("b", "x", "y"), [(BARREL, 0, -1), ((-3.8, 0, 0), 0, 1), ((0, 3.8, 0), 1, 0), ((0, 0, 3.8), 0, 0)])
def test_charge_moves_by_the_lorentz_shift(b, x, y):
    """16.5 um on average: half of 33 um, PixelAV's drift at 263 K and 3.8 T."""
    place = spread(1500)
    shift = centre(induce(1500, position=place, b=b)) - centre(induce(1500, position=place))
    np.testing.assert_allclose(shift, [0.0165 * x, 0.0165 * y], atol=0.001)


@pytest.mark.parametrize("position", [(0.0, 0.0), (0.02, 0.003), (-35.0, 8.0), (17.31, -4.4)])
def test_charge_is_centred_where_the_midplane_is_crossed(position):
    for cots in ((0.0, 0.0), (1.5, 0.4), (-1.5, -0.4)):
        found = centre(induce(1500, cots, spread(1500, position)))
        np.testing.assert_allclose(found, position, atol=0.002 + 0.002 * np.hypot(*cots))


def test_cluster_is_as_long_as_the_track():
    for cots, axis, pitch in (((3.0, 0.0), 2, 0.05), ((0.0, 1.0), 1, 0.0125)):
        out = induce(400, cots)
        over = out[3][:, 0] > 300
        length = [np.ptp(out[axis][over & (out[0] == k)]) + 1 for k in range(400)]
        # A straight segment of length L on pixels of pitch p covers L / p + 1 of them on average, less the low ends.
        assert np.median(length) == pytest.approx(max(cots) * 0.1 / pitch + 1, abs=1.1)


def test_electrons_near_the_pixels_arrive_first():
    """z runs towards the pixels: the part of an inclined track at large z, hence large y, is seen first."""
    out = induce(400, (0.0, 1.0), slices=(0, 19))
    positive = np.maximum(out[3], 0)
    early, late = (np.sum(positive[:, s] * out[1]) / positive[:, s].sum() for s in (0, 1))
    assert early - late > 1.0
    out = induce(400, (1.5, 0.0), slices=(0, 19))
    positive = np.maximum(out[3], 0)
    early, late = (np.sum(positive[:, s] * out[2]) / positive[:, s].sum() for s in (0, 1))
    assert early - late > 0.3


@pytest.mark.parametrize("distance", [0.0, 0.0005, 0.001, 0.002])
def test_diffusion_widens_the_charge_by_about_two_micrometres(distance):
    """Straight tracks near a pixel border: the usual share beyond it is the tail of the diffusion's Gaussian."""
    out = induce(1500, position=(0.025, distance))
    beyond = np.where(out[1] < 672, out[3][:, 0], 0)
    share = np.median(np.bincount(out[0], beyond, 1500) / totals(out, 1500))
    # The variance grows with the way to the pixels, up to (2.24 um)^2 = 2 (kT/e) mu t: average over the depth.
    sigma = 0.00224 * np.sqrt(np.linspace(0.001, 1, 400))
    assert share == pytest.approx(norm.sf(distance / sigma).mean(), abs=0.02)


def test_crossing_outside_the_module_leaves_nothing_and_at_the_edge_less():
    assert len(induce(5, position=(40.0, 0.0))[0]) == 0
    inside, edge = totals(induce(300), 300).sum(), totals(induce(300, position=(36.0, 0.0)), 300).sum()
    assert edge / inside == pytest.approx(0.5, abs=0.05)


def test_pixels_lie_on_the_module():
    rng = np.random.default_rng(3)
    position = rng.uniform(-1, 1, (500, 2)) * HALF
    direction = np.column_stack([rng.normal(0, 8, 500), rng.normal(0, 2, 500), np.ones(500)])
    _, row, column, charge = induced_charge(
        position, direction, np.ones(500), np.tile(HALF, (500, 1)), SENSOR, BARREL, (0, 19), 1
    )
    assert (row.min(), column.min()) >= (0, 0)
    assert row.max() < 1344
    assert column.max() < 1440
    assert np.all(np.isfinite(charge))


def test_direction_may_have_any_length_and_sense():
    one = induced_charge(
        np.zeros((9, 2)), np.tile([0.5, 0.2, 1.0], (9, 1)), np.ones(9), np.tile(HALF, (9, 1)), SENSOR, BARREL, (19,), 4
    )
    two = induced_charge(
        np.zeros((9, 2)), np.tile([-2.0, -0.8, -4.0], (9, 1)), np.ones(9), np.tile(HALF, (9, 1)), SENSOR, BARREL, (19,), 4
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_crossing_gives_no_pixel():
    out = induce(0, slices=(0, 19))
    assert [a.shape for a in out] == [(0,), (0,), (0,), (0, 2)]


def test_seed_decides_the_straggling():
    assert np.array_equal(induce(20, seed=5)[3], induce(20, seed=5)[3])
    assert not np.array_equal(totals(induce(20, seed=5), 20), totals(induce(20, seed=6), 20))

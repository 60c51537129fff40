"""Induced charge: PixelAV's clusters, conservation, timing, drift and spread against closed forms and
published straggling.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import kstest, norm

from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.induction import Induction
from smartpix.simulate.passages import Passages, SignalPrecision
from smartpix.simulate.response import induced_charge
from tests.smartpix.simulate import published
from tests.smartpix.simulate.crossing_charges import (
    ALL,
    BARREL,
    HALF,
    NONE,
    SENSOR,
    centre,
    image,
    induce,
    spread,
    totals,
)


def test_all_pairs_are_collected_in_whole_electrons():
    n = 1500
    rng = np.random.default_rng(5)
    out = induce(n, np.column_stack([rng.normal(0, 1.5, n), rng.normal(0, 0.3, n)]), rng.uniform(-0.1, 0.1,
    (n, 2)), b=BARREL,
                 half=(5.0125, 5.00625), ends_at_array=False, smallest=0.0)  # fmt: skip
    np.testing.assert_array_equal(out[3], np.rint(out[3]))
    np.testing.assert_array_equal(totals(out, n), out[4])


def test_last_slice_does_not_depend_on_the_slices_read_out():
    alone, many = induce(300, (0.7, 0.2), b=BARREL), induce(300, (0.7, 0.2), b=BARREL, slices=ALL)
    few = induce(300, (0.7, 0.2), b=BARREL, slices=(0, 7, 19))
    np.testing.assert_allclose(totals(alone, 300), totals(many, 300), rtol=5e-3)
    # The slices are those of the full set, pixel by pixel.
    full = {tuple(k): q for *k, q in zip(*many[:4], strict=True)}
    for *k, q in zip(*few[:4], strict=True):
        np.testing.assert_array_equal(full[tuple(k)][[0, 7, 19]], q)


def test_total_charge_is_conserved_whatever_the_field_and_the_place():
    reference = totals(induce(300), 300)
    for out in (
        induce(300, b=BARREL),
        induce(300, position=(0.013, 0.004)),
        induce(300, position=(-30.0, 5.0), b=BARREL),
    ):
        np.testing.assert_allclose(totals(out, 300), reference, rtol=0.02)


def test_array_smaller_than_the_track_loses_exactly_what_is_outside():
    n, cots = 200, (3.0, 0.8)
    everywhere = image(
        induce(n, cots, slices=(0, 19), b=BARREL, half=(1.025, 0.50625), ends_at_array=False, smallest=0),
        n,
        (81, 41),
    )
    inside = image(
        induce(n, cots, slices=(0, 19), b=BARREL, half=(0.125, 0.04375), ends_at_array=False, smallest=0),
        n,
        (7, 5),
    )
    np.testing.assert_array_equal(inside, everywhere[:, :, 37:44, 18:23])
    assert inside[:, 1].sum() < 0.8 * everywhere[:, 1].sum()


def test_tracks_that_cross_the_side_of_a_module_ionise_only_inside():
    n, half = 4000, (0.525, 0.08125)
    whole = induce(n, (1.0, 0.0), half=half)[4].mean()
    for x, share in ((half[0], 0.5), (half[0] + 0.03, 0.2), (half[0] - 0.03, 0.8), (half[0] + 0.06, 0.0)):
        out = induce(n, (1.0, 0.0), (x, 0.0), half=half)
        assert out[4].mean() / whole == pytest.approx(share, abs=0.03 if share else 0.0)
        assert np.all(totals(out, n) <= out[4])
        # The silicon goes on where it need not end: the same pairs as in the middle, charge only on the
        # pixels there are.
        goes_on = induce(n, (1.0, 0.0), (x, 0.0), half=half, ends_at_array=False)
        assert goes_on[4].mean() == pytest.approx(whole, rel=0.03)
        assert len(goes_on[0]) == 0 or goes_on[2].max() < 21
    grazing = induce(n, (0.0, 2.0), (0.0, half[1]), half=half)
    assert grazing[4].mean() / induce(n, (0.0, 2.0), half=half, ends_at_array=False)[
        4
    ].mean() == pytest.approx(0.5, abs=0.02)


def test_crossing_outside_the_module_leaves_nothing_and_at_the_edge_less():
    assert len(induce(5, position=(40.0, 0.0))[0]) == 0
    inside, edge = (
        np.minimum(totals(induce(2000, position=(x, 0.0)), 2000), 20_000).sum() for x in (0.0, 36.0)
    )
    assert edge / inside == pytest.approx(0.5, abs=0.05)


def test_pixels_lie_on_the_module():
    rng = np.random.default_rng(3)
    position = rng.uniform(-1, 1, (500, 2)) * HALF
    cots = np.column_stack([rng.normal(0, 8, 500), rng.normal(0, 2, 500)])
    _, row, column, charge, pairs = induce(500, cots, position, slices=(0, 19), b=BARREL)
    assert (row.min(), column.min()) >= (0, 0)
    assert row.max() < 1344
    assert column.max() < 1440
    assert np.all(np.isfinite(charge))
    assert np.all(pairs >= 0)


def test_faint_pixels_are_left_out():
    out, kept = (
        induce(200, (0.5, 0.1), slices=(0, 19), smallest=0.0),
        induce(200, (0.5, 0.1), slices=(0, 19), smallest=40.0),
    )
    loud = np.abs(out[3]).max(axis=1) >= 40
    assert 0.2 < loud.mean() < 0.8
    for a, b in zip(out[:4], kept[:4], strict=True):
        np.testing.assert_array_equal(a[loud], b)


def test_signal_is_cumulative_and_complete_after_the_holes_have_gone():
    out = induce(500, (0.3, 0.1), b=BARREL, slices=ALL)
    total = np.array([totals(out, 500, s).sum() for s in range(20)])
    assert np.all(np.diff(total) > -1e-6 * total[-1])
    tables = drift_tables(SENSOR, BARREL)
    done = int(np.ceil(tables.tau_h[0] / 0.2))
    np.testing.assert_allclose(total[done:], total[-1], rtol=1e-5)
    assert total[done - 6] < 0.999 * total[-1]


@pytest.mark.parametrize("s", [0, 1])
def test_early_signal_is_ramos_for_a_plane_condenser(s):
    """Charge induced on all pixels: the way the carriers have moved over the thickness, from their equations
    of motion.
    """
    sensor, n = Sensor(0.1, 0.05, 0.05, 30.0, 2.0), 1500
    out = induce(
        n,
        sensor=sensor,
        slices=(s, 19),
        half=(5.05, 5.025),
        position=spread(n),
        neighbours=(2, 2),
        ends_at_array=False,
    )
    measured = totals(out, n, 0).sum() / totals(out, n).sum()
    start = np.linspace(-0.025, 0.025, 42)[1:-1]

    def moved(carrier):
        def velocity(_, z):
            return [published.drift_velocity(h, sensor, NONE, carrier)[2] for h in z]

        return np.clip(solve_ivp(velocity, (0, 0.2 * (s + 1)), start, rtol=1e-5).y[:, -1], -0.025, 0.025)

    assert measured == pytest.approx((moved("e") - moved("h")).mean() / 0.05, rel=0.04)


def test_neighbours_see_transient_signals_that_vanish():
    _, row, column, charge, _ = induce(1, position=(0.025, 0.00625), slices=ALL)
    neighbour = charge[(row == 672 + 1) & (column == 720)][0]
    assert np.abs(neighbour).max() > 20
    assert abs(neighbour[-1]) < 0.2 * np.abs(neighbour).max()


def test_electrons_near_the_pixels_arrive_first():
    """z runs towards the pixels: the part of an inclined track at large z, hence large y, is seen first."""
    for cots, axis, ahead in (((0.0, 1.0), 1, 1.0), ((1.5, 0.0), 2, 0.3)):
        out = induce(400, cots, slices=(0, 19))
        positive = np.maximum(out[3], 0)
        early, late = (np.sum(positive[:, s] * out[axis]) / positive[:, s].sum() for s in (0, 1))
        assert early - late > ahead


@pytest.mark.parametrize(
    ("b", "x", "y"), [(BARREL, 0, -1), ((-3.8, 0, 0), 0, 1), ((0, 3.8, 0), 1, 0), ((0, 0, 3.8), 0, 0)]
)
def test_charge_moves_by_the_lorentz_shift(b, x, y):
    """16.5 um on average: half of 33 um, PixelAV's drift at 263 K and 3.8 T."""
    place = spread(1500)
    shift = centre(induce(1500, position=place, b=b)) - centre(induce(1500, position=place))
    np.testing.assert_allclose(shift, [0.0165 * x, 0.0165 * y], atol=0.001)


@pytest.mark.parametrize("position", [(0.0, 0.0), (0.02, 0.003), (-35.0, 8.0), (17.31, -4.4)])
def test_charge_is_centred_where_the_midplane_is_crossed(position):
    for cots in ((0.0, 0.0), (1.5, 0.4), (-1.5, -0.4)):
        found = centre(induce(1500, cots, spread(1500, position)), soft=True)
        np.testing.assert_allclose(found, position, atol=0.0015 + 0.001 * np.hypot(*cots))


def test_cluster_is_as_long_as_the_track():
    for cots, axis, pitch in (((3.0, 0.0), 2, 0.05), ((0.0, 1.0), 1, 0.0125)):
        out = induce(400, cots)
        over = out[3][:, 0] > 300
        length = [np.ptp(out[axis][over & (out[0] == k)]) + 1 for k in range(400)]
        # A straight segment of length L on pixels of pitch p covers L / p + 1 of them on average, less the
        # low ends.
        assert np.median(length) == pytest.approx(max(cots) * 0.1 / pitch + 1, abs=1.1)


@pytest.mark.parametrize("distance", [0.0, 0.0005, 0.001, 0.002])
def test_diffusion_widens_the_charge_by_about_two_micrometres(distance):
    """Straight tracks near a pixel border: the usual share beyond it is the tail of the diffusion's
    Gaussian.
    """
    out = induce(1500, position=(0.025, distance))
    beyond = np.where(out[1] < 672, out[3][:, 0], 0)
    share = np.median(np.bincount(out[0], beyond, 1500) / totals(out, 1500))
    # The variance grows with the way to the pixels, up to (2.24 um)^2 = 2 (kT/e) mu t: average over the
    # depth.
    sigma = 0.00224 * np.sqrt(np.linspace(0.001, 1, 400))
    assert share == pytest.approx(norm.sf(distance / sigma).mean(), abs=0.02)


def mean_and_error(out, n, shape):
    pixels = np.minimum(image(out, n, shape), 15_000)
    return pixels.mean(axis=0), pixels.std(axis=0) / np.sqrt(n)


@pytest.mark.parametrize(
    ("b", "mirror", "symmetric"),
    [
        (NONE, (-1, 1), True),
        (NONE, (1, -1), True),
        (BARREL, (-1, 1), True),
        (BARREL, (1, -1), False),
        ((0, 0, 3.8), (1, -1), True),
    ],
)
def test_mean_image_has_the_symmetry_of_the_field(b, mirror, symmetric):
    """In a field along x the mirror image in x is as good a cluster as the original, in y it is not."""
    n, place, cots = 2000, np.array([0.013, 0.004]), np.array([0.8, 0.3])
    half, shape = (0.275, 0.10625), (17, 11)

    def mean(sign, seed):
        return mean_and_error(
            induce(
                n,
                sign * cots,
                sign * place,
                b=b,
                slices=(0, 3, 19),
                half=half,
                ends_at_array=False,
                seed=seed,
            ),
            n,
            shape,
        )

    (one, error), (two, other) = mean(np.ones(2), 1), mean(np.array(mirror), 2)
    two, other = (a[:, :: mirror[1], :: mirror[0]] for a in (two, other))
    pull = np.abs(one - two) / np.hypot(np.hypot(error, other), 1.0)
    assert (pull.max() < 5) == symmetric
    assert one.max() > 500


def test_either_side_of_incidence_gives_the_same_clusters():
    """But for the electrons that hard collisions throw forwards."""
    n, half, shape = 4000, (0.275, 0.10625), (17, 11)
    sides = [
        induce(n, (0.8, 0.3), b=BARREL, half=half, slices=(0, 19), sense=s, seed=3 + s, ends_at_array=False)
        for s in (1, -1)
    ]
    (one, error), (two, other) = (mean_and_error(out, n, shape) for out in sides)
    assert np.abs(one - two).sum() < 0.06 * one.sum()
    assert kstest(sides[0][4], sides[1][4]).pvalue > 1e-3
    assert np.median(np.abs(one - two) / np.hypot(np.hypot(error, other), 1.0)) < 1.5


def test_direction_may_have_any_length():
    one, two = (
        induced_charge(
            Passages(
                np.zeros((9, 2)), np.tile([0.5, 0.2, 1.0], (9, 1)) * length, np.ones(9), np.tile(HALF, (9, 1))
            ),
            SENSOR, BARREL, (19,), 4, SignalPrecision(Induction(1, 1)),
        )
        for length in (1.0, 4.0)
    )  # fmt: skip
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "sensor",
    [
        Sensor(0.05, 0.010), Sensor(0.05, 0.025), Sensor(0.1, 0.025), Sensor(0.1, 0.025, 0.15, 175.0, 17.325),
        Sensor(0.0173, 0.031, 0.073, 90.0, 4.1, 300.0),
    ],
)  # fmt: skip
def test_any_pitch_and_thickness_works(sensor):
    n, half = 1500, (20.5 * sensor.pitch_x, 20.5 * sensor.pitch_y)
    out = induce(
        n, (0.2, 0.1), sensor=sensor, b=BARREL, slices=(0, 19), half=half, ends_at_array=False, smallest=0
    )
    held = totals(out, n) == out[4]
    assert held.mean() > 0.98
    assert np.median(out[4]) / (1e3 * sensor.thickness * np.sqrt(1.05)) == pytest.approx(82, rel=0.07)
    shift = drift_tables(sensor, BARREL).lorentz_shift()[1]
    assert centre(out, half=half, sensor=sensor)[1] == pytest.approx(shift, abs=0.3 * sensor.pitch_y)
    early = totals(out, n, 0).sum() / out[4].sum()
    assert 0.05 < early < 0.5


def test_no_crossing_gives_no_pixel():
    out = induce(0, slices=(0, 19))
    assert [a.shape for a in out] == [(0,), (0,), (0,), (0, 2), (0,)]


def test_seed_decides_the_straggling():
    for a, b in zip(induce(20, seed=5), induce(20, seed=5), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(induce(20, seed=5)[4], induce(20, seed=6)[4])


def late_passages(n, late):
    places = spread(n)
    return Passages(places, np.tile([0.4, 0.1, 1.0], (n, 1)), np.ones(n), np.tile(HALF, (n, 1)), late=late)


def test_passages_that_are_late_by_whole_slices_read_the_slices_before():
    n, slices = 200, (3, 6, 19)
    late = induced_charge(late_passages(n, np.full(n, 0.4)), SENSOR, BARREL, slices, 5)
    before = induced_charge(late_passages(n, None), SENSOR, BARREL, (1, 4, 17), 5)
    # More pixels are kept where more slices are looked at.
    of_pixel = {}
    for crossing, row, column, charge in zip(*late[:4], strict=True):
        of_pixel[crossing, row, column] = charge
    for crossing, row, column, charge in zip(*before[:4], strict=True):
        np.testing.assert_allclose(of_pixel.pop((crossing, row, column)), charge, rtol=1e-5, atol=1e-3)
    assert all(np.abs(charge).max() < 5.0 for charge in of_pixel.values())


def test_between_slices_charge_is_the_mean_of_both_and_before_arrival_there_is_none():
    n = 200
    half = induced_charge(late_passages(n, np.full(n, 0.3)), SENSOR, BARREL, (3, 19), 5)
    both = induced_charge(late_passages(n, None), SENSOR, BARREL, (1, 2, 19), 5)
    # Of both, pixels are kept that have a signal in any slice.
    summed = [np.bincount(out[0], out[3][:, k], n) for out, k in ((half, 0), (both, 0), (both, 1))]
    np.testing.assert_allclose(summed[0], (summed[1] + summed[2]) / 2, rtol=1e-3, atol=1.0)
    late = induced_charge(late_passages(n, np.full(n, 0.9)), SENSOR, BARREL, (3, 19), 5)
    assert np.all(late[3][:, 0] == 0)
    # All has been collected long before the last slice.
    np.testing.assert_allclose(
        np.bincount(late[0], late[3][:, 1], n), np.bincount(both[0], both[3][:, 2], n), rtol=1e-3, atol=1.0
    )


def test_each_passage_has_its_own_lateness():
    n = 4000
    late = np.random.default_rng(3).normal(0, 0.3, n)
    out = induced_charge(late_passages(n, late), SENSOR, BARREL, (0, 19), 5)
    assert len(np.unique(out[0])) == n
    share = np.bincount(out[0], out[3][:, 0], n) / np.bincount(out[0], out[3][:, 1], n)
    exact = induced_charge(late_passages(n, None), SENSOR, BARREL, ALL, 6)
    curve = exact[3].sum(axis=0) / exact[3][:, -1].sum()
    expected = np.interp(0.2 - late, 0.2 * np.arange(21), np.concatenate([[0.0], curve]))
    assert np.all(share[late > 0.2] == 0)
    # Single passages scatter by their straggling; their mean in bins does not.
    for low in (-0.6, -0.4, -0.2, 0.0):
        inside = (late > low) & (late <= low + 0.2)
        assert share[inside].mean() == pytest.approx(expected[inside].mean(), abs=0.02)


def test_slices_between_those_of_the_table_are_interpolated():
    n = 200
    out = induced_charge(late_passages(n, None), SENSOR, BARREL, (1.5, 19.0), 5)
    both = induced_charge(late_passages(n, None), SENSOR, BARREL, (1, 2, 19), 5)
    summed = [np.bincount(o[0], o[3][:, k], n) for o, k in ((out, 0), (both, 0), (both, 1))]
    np.testing.assert_allclose(summed[0], (summed[1] + summed[2]) / 2, rtol=1e-3, atol=1.0)

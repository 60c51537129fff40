"""Induced charge: PixelAV's clusters, conservation, timing, drift and spread against closed forms and
published straggling.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import chi2, kstest, norm

from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.induction import Induction
from smartpix.simulate.response import induced_charge
from tests.left_out import require
from tests.smartpix.simulate import published
from tests.smartpix.simulate.published import Straggling

SENSOR = Sensor()
BARREL, NONE = (3.8, 0.0, 0.0), (0.0, 0.0, 0.0)
HALF = (36.0, 8.4)
ALL = tuple(range(20))
MINIMUM = 3.6 / np.hypot(1, 3.6)


def induce(
    n, cots=(0.0, 0.0), position=(0.0, 0.0), beta=1.0, sensor=SENSOR, b=NONE, slices=(19,), seed=1,
    half=HALF, sense=1,
    neighbours=(1, 1), period=0, **more,
):  # fmt: skip
    direction = np.broadcast_to(sense * np.column_stack([np.broadcast_to(cots, (n, 2)), np.ones(n)]), (n, 3))
    place = np.broadcast_to(np.asarray(position, dtype=float), (n, 2))
    return induced_charge(
        place, direction, np.full(n, beta), np.tile(half, (n, 1)), sensor, b, slices, seed,
        Induction(*neighbours, period), **more
    )  # fmt: skip


def totals(out, n, s=-1):
    return np.bincount(out[0], out[3][:, s], n)


def image(out, n, shape):
    """(n, S, rows, columns) of a small array."""
    crossing, row, column, charge, _ = out
    pixels = np.zeros((n, charge.shape[1], *shape))
    pixels[crossing, :, row, column] = charge
    return pixels


def centre(out, s=-1, half=HALF, sensor=SENSOR, soft=False):
    """Mean charge-weighted x and y of all crossings, mm; ``soft`` leaves those with a hard delta ray out."""
    crossing, row, column, charge, pairs = out
    usual = pairs[crossing] < 1.3 * np.median(pairs) if soft else 1.0
    q = charge[:, s].astype(float) * usual
    x, y = (column + 0.5) * sensor.pitch_x - half[0], (row + 0.5) * sensor.pitch_y - half[1]
    return np.array([np.sum(q * x), np.sum(q * y)]) / q.sum()


def spread(n, around=(0.0, 0.0)):
    """Places that fill two columns and eight rows evenly, so that the pixels' size averages out."""
    i = np.arange(n)
    return np.asarray(around) + np.stack(
        [0.1 * ((i * 0.618034) % 1 - 0.5), 0.1 * ((i + 0.5) / n - 0.5)], axis=1
    )


def mode(values, width):
    """Most probable value from a parabola through the logarithm of a histogram's peak."""
    counts, edges = np.histogram(
        values, np.arange(np.percentile(values, 1), np.percentile(values, 95), width)
    )
    near = slice(max(int(np.argmax(counts)) - 5, 0), int(np.argmax(counts)) + 6)
    fit = np.polyfit((edges[:-1] + width / 2)[near], np.log(counts[near]), 2)
    return -fit[1] / (2 * fit[0])


# --- PixelAV

N_PIXELAV = 2000


class PixelAV:
    """One of its clusters and a sample of ours at the same place, both as share of the pairs: (S, R, C) and
    (N, S, R, C).
    """

    SENSOR = Sensor(0.025, 0.025, 0.05, 50.0, 7.7 / 4, 253.0)
    HALF = (21 * 0.0125, 13 * 0.0125)

    def __init__(self, k, field):
        stored = np.load(published.PIXELAV)
        truth = dict(zip(stored["truth_cols"], stored["truth"][k], strict=True))
        self.pairs = truth["number_eh_pairs"]
        self.theirs = stored["images"][k] / self.pairs
        flight = np.array([truth["n_x"], truth["n_y"], truth["n_z"]])
        entry = np.array([truth["x-entry"], truth["y-entry"]])
        self.midplane = entry + flight[:2] / flight[2] * (25 - truth["z-entry"])
        n = N_PIXELAV
        out = induced_charge(
            np.tile(self.midplane / 1e3, (n, 1)), np.tile(flight, (n, 1)), np.ones(n), np.tile(self.HALF, (n,
            1)), self.SENSOR,
            (field, 0.0, 0.0), ALL, 1, Induction(1, 1), ends_at_array=False, smallest=0.05,
        )  # fmt: skip
        self.electrons = image(out, n, (13, 21))
        self.our_pairs = out[4]
        self.ours = self.electrons / self.our_pairs[:, None, None, None]

    def difference(self, s):
        """Sum over the pixels of the difference to our mean image."""
        return np.abs(self.ours[:, s].mean(axis=0) - self.theirs[s]).sum()


@pytest.fixture(scope="module")
def pixelav():
    require("../shared/data/pixelav_raw")
    return PixelAV(0, 3.57), PixelAV(1, 3.57)


def test_pixelavs_charge_is_complete_in_the_last_slice_and_so_is_ours(pixelav):
    for cluster in pixelav:
        assert cluster.theirs[-1].sum() == pytest.approx(1, abs=1e-6)
        last = cluster.electrons[:, -1]
        np.testing.assert_array_equal(last, np.rint(last))
        total = last.sum(axis=(1, 2))
        assert np.all(total <= cluster.our_pairs)
        # Only a delta ray or two leaves the array of 525 by 325 um.
        assert np.mean(total == cluster.our_pairs) > 0.99


def test_share_of_the_charge_in_time_is_pixelavs(pixelav):
    hard, ordinary = pixelav
    ours = ordinary.ours.sum(axis=(2, 3))
    theirs = ordinary.theirs.sum(axis=(1, 2))
    np.testing.assert_allclose(theirs[:5], np.median(ours, axis=0)[:5], atol=0.025)
    np.testing.assert_allclose(theirs[5:], 1, atol=0.002)
    np.testing.assert_allclose(np.median(ours, axis=0)[5:], 1, atol=0.002)
    # Where a hard electron was made decides when its charge comes.
    ours = hard.ours[hard.our_pairs > 13_000].sum(axis=(2, 3))
    assert len(ours) > 50
    theirs = hard.theirs.sum(axis=(1, 2))
    assert theirs[0] == pytest.approx(0.33, abs=0.01)
    for s in range(5):
        assert np.percentile(ours[:, s], 0.5) - 0.02 < theirs[s] < np.percentile(ours[:, s], 99.5) + 0.02


def test_ordinary_cluster_of_pixelav_is_one_of_ours(pixelav):
    ordinary = pixelav[1]
    assert ordinary.pairs == 4783
    for s in (0, 1, 2, 4, 19):
        ours, theirs = ordinary.ours[:, s], ordinary.theirs[s]
        # Pixel by pixel within the straggling, and the image as close to our mean as our own images are.
        assert np.all(np.abs(theirs - ours.mean(axis=0)) < 3 * ours.std(axis=0) + 0.003)
        ours_differ = np.abs(ours - ours.mean(axis=0)).sum(axis=(1, 2))
        assert ordinary.difference(s) < np.median(ours_differ)
        assert np.corrcoef(theirs.ravel(), ours.mean(axis=0).ravel())[0, 1] > 0.98
    np.testing.assert_allclose(
        ordinary.theirs[-1].sum(axis=0)[10:13],
        ordinary.ours[:, -1].mean(axis=0).sum(axis=0)[10:13],
        atol=0.03,
    )
    np.testing.assert_allclose(
        ordinary.theirs[-1].sum(axis=1)[4:6], ordinary.ours[:, -1].mean(axis=0).sum(axis=1)[4:6], atol=0.05
    )


def test_negative_lobes_in_the_first_slice_are_pixelavs(pixelav):
    ordinary = pixelav[1]
    first, ours = ordinary.theirs[0] * ordinary.pairs, ordinary.ours[:, 0] * ordinary.pairs
    np.testing.assert_allclose(first[3, 9:13], [-3.9, -7.0, -3.5, 2.1], atol=0.05)
    np.testing.assert_allclose(np.median(ours[:, 3, 9:13], axis=0), first[3, 9:13], atol=6)
    assert np.all(np.median(ours[:, 3, 9:12], axis=0) < -2)
    lobes = first.min(axis=0).sum(), np.minimum(ours.mean(axis=0), 0).min(axis=0).sum()
    assert lobes[1] == pytest.approx(lobes[0], rel=0.6)
    # No signal further away than the next pixel but one.
    assert not np.any(first[:3])
    assert np.abs(np.median(ours, axis=0)[:3]).max() < 0.01


def test_hard_delta_ray_aside_the_columns_and_the_tracks_own_row_are_pixelavs(pixelav):
    hard = pixelav[0]
    assert hard.pairs == 17_461
    by_column = hard.theirs[-1].sum(axis=0)
    assert set(np.flatnonzero(by_column)) == {9, 10, 11, 12}
    np.testing.assert_array_equal(
        np.flatnonzero(np.median(hard.electrons[:, -1].sum(axis=1), axis=0) > 0), [9, 10, 11]
    )
    # Row 6 is where the track's own charge goes; the electron left its own in row 5.
    theirs = hard.theirs[-1, 6] * hard.pairs
    ours = hard.electrons[:, -1, 6]
    assert np.all(np.abs(theirs - np.median(ours, axis=0))[9:12] < 2 * ours.std(axis=0)[9:12])


def test_agreement_with_pixelav_fails_with_the_field_reversed(pixelav):
    """Pins the sign of the Lorentz shift."""
    right, wrong = pixelav[1], PixelAV(1, -3.57)
    for s in (0, 2, 19):
        assert wrong.difference(s) > 0.6
        assert right.difference(s) < 0.2
    y = (np.arange(13) - 6) * 25.0
    for cluster, close in ((right, True), (wrong, False)):
        ours = np.median(cluster.ours[:, -1].sum(axis=2) @ y)
        assert (abs(cluster.theirs[-1].sum(axis=1) @ y - ours) < 3) == close


# --- straggling


@pytest.mark.parametrize("beta_gamma", [3.6, 1000.0])
def test_pairs_follow_the_straggling_of_the_spectrum(beta_gamma):
    """Against the spectrum folded with itself; hard delta rays leave the silicon, which takes away from the
    tail.
    """
    n = 20_000
    pairs = induce(n, beta=beta_gamma / np.hypot(1, beta_gamma))[4]
    expected = Straggling(100, beta_gamma)
    assert kstest(pairs * published.PAIR, expected.cumulative).statistic < 0.02
    assert np.median(pairs) * published.PAIR == pytest.approx(
        np.interp(0.5, expected.cumulative(expected.loss), expected.loss), rel=0.015
    )


def test_number_of_pairs_fluctuates_with_the_fano_factor():
    """In 1 um a loss is one plasmon's, or that of a few: whole numbers of pairs, each peak as wide as Fano
    makes it.
    """
    n, beta_gamma, most = 60_000, 3.6, 40
    thin = Sensor(0.05, 0.05, 0.001, 10.0, 0.0)
    pairs = induce(
        n, beta=beta_gamma / np.hypot(1, beta_gamma), sensor=thin, half=(0.125, 0.125), ends_at_array=False
    )[4]
    counts = np.bincount(pairs[pairs <= most], minlength=most + 1)

    def chi_square(fano):
        wanted = n * published.pairs_of_soft_collisions(1.0, beta_gamma, fano, most)
        return np.sum((counts - wanted) ** 2 / wanted)

    right = chi_square(published.FANO)
    assert chi2.sf(right, most + 1) > 1e-3
    for wrong in (0.0, 0.07, 0.17):
        assert chi_square(wrong) > right + 20


def test_slow_particles_leave_what_the_spectrum_says():
    """Bethe's mean, less what hard delta rays carry out of the silicon."""
    for beta_gamma, low in ((0.4, 0.95), (0.7, 0.92), (1.5, 0.87)):
        pairs = induce(4000, beta=beta_gamma / np.hypot(1, beta_gamma))[4]
        wanted = 100 * published.restricted_bethe(beta_gamma) / published.PAIR
        assert low < pairs.mean() / wanted < 1.03


def test_most_probable_charge_of_100_um():
    n = 15_000
    pairs = induce(n, b=BARREL)[4]
    peak = mode(pairs, 200)
    assert 6800 < peak < 7700
    # Bichsel's fit for thin silicon: t (190 + 16.3 ln t) eV.
    assert peak == pytest.approx(100 * (190 + 16.3 * np.log(100)) / 3.68, rel=0.07)
    assert 63 < mode(induce(n, beta=MINIMUM)[4], 200) / 100 < 71
    # Charge and pairs are the same thing.
    assert mode(totals(induce(n, b=BARREL), n), 200) == pytest.approx(peak, rel=1e-3)


def test_most_probable_charge_of_300_um():
    n = 6000
    thick = Sensor(thickness=0.3, bias=300.0, depletion=69.0)
    peak = mode(induce(n, sensor=thick)[4], 600)
    assert peak == pytest.approx(300 * (190 + 16.3 * np.log(300)) / 3.68, rel=0.07)


def test_straggling_is_as_wide_as_landaus():
    """Full width at half maximum of 100 um: Landau's alone (4.02 xi) and up to 80 % more, by the binding of
    the electrons.
    """
    n = 15_000
    pairs = induce(n, beta=MINIMUM)[4]
    counts, edges = np.histogram(pairs, np.arange(3000, 15_000, 250))
    above = edges[:-1][counts > counts.max() / 2]
    landau = 4.02 * published.XI * 100 / 3.68 / MINIMUM**2
    assert landau < above[-1] - above[0] + 250 < 1.8 * landau
    # Landau: 1 / 13 of the losses are more than 13 xi, the most probable one, above it.
    assert np.mean(pairs > 2 * mode(pairs, 200)) == pytest.approx(0.077, abs=0.025)


def test_charge_grows_with_the_path():
    n = 6000
    straight = induce(n)[4]
    for cots in ((1.0, 0.0), (0.0, -2.0), (2.0, 1.0)):
        inclined = induce(n, cots)[4]
        path = np.sqrt(1 + cots[0] ** 2 + cots[1] ** 2)
        # The median also grows with the logarithm of the path.
        assert np.minimum(inclined / path, 30_000).mean() == pytest.approx(
            np.minimum(straight, 30_000).mean(), rel=0.06
        )
        assert inclined.mean() == pytest.approx(path * straight.mean(), rel=0.05)


# --- conservation


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


# --- timing


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


# --- place


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


def displaced(share_of_range, n=60_000):
    """Shift in um of the charge by one straight electron each, drawn in plain NumPy, and their weights.

    Its range is E. J. Kobetich and R. Katz', Phys. Rev. 170 (1968) 391, its energy left goes as (1 - s /
    R)^(1 / 1.75).
    """
    rng = np.random.default_rng(7)
    energy = 5e3 * 200 ** rng.random(n)
    weight = published.XI * 100 / energy * np.log(200) / n
    kev = energy / 1e3
    length = share_of_range * 5.37e-4 * kev * (1 - 0.9815 / (1 + 3.123e-3 * kev)) / 2.329 * 1e4
    cosine = np.sqrt(energy / (energy + 2 * published.ELECTRON))
    sideways = np.sqrt(1 - cosine**2) * np.sin(2 * np.pi * rng.random(n))
    # It leaves the silicon after what is left in front of it.
    along = np.minimum(100 * rng.random(n) / (length * cosine), 1)
    part = np.linspace(0, 1, 101)[:, None]
    place = along * part
    left = (1 - place) ** (1 / 1.75)
    deposit = -np.diff(left, axis=0) * energy
    moment = (deposit * 0.5 * (place[1:] + place[:-1])).sum(axis=0) * length * sideways
    rest = Straggling(100, 1000.0).most_probable()
    return moment / (deposit.sum(axis=0) + rest), weight


def test_delta_rays_displace_the_charge_sideways():
    """Tails of the charge's centre across normal tracks: as of electrons that go between 0.4 and 1.2
    practical ranges.
    """
    n = 20_000
    out = induce(n, half=(2.025, 2.00625), ends_at_array=False, smallest=0.0)
    y = np.bincount(out[0], out[3][:, 0] * ((out[1] + 0.5) * 12.5 - 2006.25), n) / out[4]
    less, more = displaced(0.4), displaced(1.2)
    for tail in (7, 12, 20):
        far = np.mean(np.abs(y) > tail)
        low, high = (np.sum(weight[np.abs(shift) > tail]) for shift, weight in (less, more))
        assert 0.003 < low < far < high
    # Half of it on each side.
    up, down = np.sum(y > 7), np.sum(y < -7)
    assert abs(up - down) < 4 * np.sqrt(up + down)


def test_delta_rays_leave_most_at_the_end_of_their_path():
    """The energy left is E (1 - s / R)^(1 / 1.75): on average a pair is made at 1 - 1 / 2.75 of the way, in
    the middle if evenly.

    A fast field and rows of 2 um keep where it was made; only tracks with more than 3,000 pairs on one side
    count.
    """
    n, pitch, rows = 20_000, 0.002, 101
    fine = Sensor(0.4, pitch, 0.1, 4000.0, 0.0)
    out = induce(
        n, sensor=fine, half=(0.6, rows * pitch / 2), neighbours=(0, 0), ends_at_array=False, smallest=0.0
    )
    profile = np.zeros((n, rows))
    np.add.at(profile, (out[0], out[1]), out[3][:, 0])
    middle, away = rows // 2, 1 + np.arange(rows // 2)
    means = []
    for side in (profile[:, middle + 1 :], profile[:, middle - 1 :: -1]):
        total, reach = side.sum(axis=1), np.max((side > 0) * away, axis=1)
        # Long enough for its rows, and not out of the array.
        chosen = (total > 3000) & (reach >= 10) & (reach < rows // 2)
        means.append((side[chosen] @ away / total[chosen]) / reach[chosen])
    assert len(np.concatenate(means)) > 200
    assert np.median(np.concatenate(means)) == pytest.approx(1 - 1 / 2.75, abs=0.025)


def test_delta_rays_go_forwards():
    """On a grazing track hard electrons carry charge past the end in the sense of flight only."""
    ahead = []
    for sense in (1, -1):
        out = induce(6000, (2.0, 0.0), spread(6000), half=(2.025, 2.00625), ends_at_array=False, sense=sense)
        ahead.append(centre(out, half=(2.025, 2.00625))[0])
    assert 0.001 < ahead[0] < 0.03
    assert ahead[1] == pytest.approx(-ahead[0], abs=0.004)


# --- symmetries


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
            np.zeros((9, 2)), np.tile([0.5, 0.2, 1.0], (9, 1)) * length, np.ones(9), np.tile(HALF, (9, 1)),
            SENSOR, BARREL,
            (19,), 4, Induction(1, 1),
        )
        for length in (1.0, 4.0)
    )  # fmt: skip
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


# --- other


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

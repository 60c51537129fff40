"""How many pairs a crossing makes, and where its delta rays leave them."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from smartpix.simulate.drift import Sensor
from tests.smartpix.simulate import published
from tests.smartpix.simulate.crossing_charges import BARREL, centre, induce, spread, totals
from tests.smartpix.simulate.published import Straggling

MINIMUM = 3.6 / np.hypot(1, 3.6)


def mode(values, width):
    """Most probable value from a parabola through the logarithm of a histogram's peak."""
    counts, edges = np.histogram(
        values, np.arange(np.percentile(values, 1), np.percentile(values, 95), width)
    )
    near = slice(max(int(np.argmax(counts)) - 5, 0), int(np.argmax(counts)) + 6)
    fit = np.polyfit((edges[:-1] + width / 2)[near], np.log(counts[near]), 2)
    return -fit[1] / (2 * fit[0])


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

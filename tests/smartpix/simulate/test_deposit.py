"""The collision spectrum against sum rules, Bethe, Landau, Bichsel's and Meroli's straggling; the range of
delta rays.
"""

import numpy as np
import pytest

from smartpix.simulate.deposit import (
    BETA_GAMMA,
    FANO,
    LARGEST_EXPONENT,
    N_QUANTILES,
    PAIR_ENERGY,
    RARE,
    T_MAX,
    XI,
    collision_spectrum,
    collision_tables,
    delta_range,
)
from tests.smartpix.simulate import published
from tests.smartpix.simulate.published import Straggling, beta2

ENERGY = np.geomspace(2.0, T_MAX, 6000)
MINIMUM, PLATEAU = 3.6, 1000.0


def collision_rates(beta_gamma):
    """Collisions per micrometre, between the points of the table as the response takes them."""
    return np.interp(np.log(beta_gamma), np.log(BETA_GAMMA), collision_tables()[0])


def moment(beta_gamma, power):
    """Integral of E^power over the collisions of a micrometre."""
    return np.trapezoid(collision_spectrum(ENERGY, beta_gamma) * ENERGY**power, ENERGY)


def test_constants_of_silicon():
    assert pytest.approx(published.XI, rel=0.001) == XI
    assert pytest.approx(3.68, abs=0.02) == PAIR_ENERGY
    assert pytest.approx(published.FANO, abs=0.003) == FANO


# --- the spectrum


def test_oscillator_strength_is_that_of_fourteen_electrons_with_the_published_mean_excitation_energy():
    """Distant collisions go as f(E)/E ln(2 m beta^2 / E), so two slow particles differ by f(E)/E times a
    known logarithm.
    """
    energy = np.geomspace(2.0, 3.9e4, 4000)
    slow, less_slow = 0.2, 0.25
    difference = beta2(less_slow) * collision_spectrum(energy, less_slow) - beta2(slow) * collision_spectrum(
        energy, slow
    )
    strength = energy * difference / (published.XI * np.log(beta2(less_slow) / beta2(slow)))
    total = np.trapezoid(strength, energy)
    assert total == pytest.approx(1, abs=0.015)
    mean = np.trapezoid(strength * np.log(energy), energy) / total
    assert mean == pytest.approx(np.log(published.EXCITATION), abs=0.02)


@pytest.mark.parametrize("beta_gamma", np.geomspace(1, 100, 9))
def test_mean_loss_is_restricted_bethes(beta_gamma):
    assert moment(beta_gamma, 1) == pytest.approx(published.restricted_bethe(beta_gamma), rel=0.02)


@pytest.mark.parametrize("beta_gamma", [0.3, 0.5])
def test_mean_loss_of_slow_particles_is_bethes(beta_gamma):
    assert moment(beta_gamma, 1) == pytest.approx(published.restricted_bethe(beta_gamma), rel=0.02)


def test_minimum_ionising_particles_collide_as_often_as_bichsel_found():
    """H. Bichsel, Rev. Mod. Phys. 60 (1988) 663, table II: 3.8 to 3.9 a micrometre from beta gamma 4
    upwards.
    """
    rates = collision_rates([3.6, 4.0, 10.0, 100.0, 1000.0])
    assert np.all((rates > 3.8) & (rates < 4.4))
    np.testing.assert_allclose(collision_rates(BETA_GAMMA), [moment(b, 0) for b in BETA_GAMMA], rtol=1e-6)


def test_slow_particles_ionise_as_the_inverse_square_of_beta():
    """Times beta^2, only the logarithm of the largest transfer is left."""
    slow = np.array([0.3, 0.4, 0.5, 0.7])
    for scaled in (beta2(slow) * [moment(b, 1) for b in slow], beta2(slow) * collision_rates(slow)):
        assert np.all(np.diff(scaled) > 0)
        assert scaled[-1] < 1.35 * scaled[0]


def test_loss_has_its_minimum_its_rise_and_its_plateau():
    beta_gamma = np.geomspace(1, 3000, 60)
    loss = np.array([moment(b, 1) for b in beta_gamma])
    lowest = beta_gamma[np.argmin(loss)]
    # With transfers up to 1 MeV only, the minimum lies beyond 3.5.
    assert 3.5 < lowest < 8
    assert 1.04 < loss[-1] / loss.min() < 1.09
    assert loss[-1] == pytest.approx(loss[beta_gamma < 1000][-1], rel=0.002)


@pytest.mark.parametrize("beta_gamma", [0.5, 3.6, 1000.0])
def test_hard_collisions_follow_rutherford(beta_gamma):
    energy = np.geomspace(2.0, 9.9e5, 5000)
    t_max = 2 * published.ELECTRON * beta_gamma**2
    wanted = (
        published.XI / beta2(beta_gamma) / energy**2 * np.maximum(1 - beta2(beta_gamma) * energy / t_max, 0)
    )
    spectrum = collision_spectrum(energy, beta_gamma)
    hard = (energy > 3e4) & (energy < 0.99 * t_max)
    np.testing.assert_allclose(spectrum[hard], wanted[hard], rtol=0.02)
    assert np.all(spectrum[energy > t_max] == 0)


def test_most_frequent_transfer_is_the_plasmon_and_the_edges_of_the_shells_show():
    spectrum = collision_spectrum(ENERGY, MINIMUM)
    assert np.all(spectrum >= 0)
    assert ENERGY[np.argmax(spectrum)] == pytest.approx(16.7, abs=0.5)
    for edge, jump in ((99.8, 3.0), (1839.0, 1.1)):
        below, above = np.interp([0.98 * edge, 1.02 * edge], ENERGY, spectrum)
        assert above > jump * below


def test_tables_hold_the_integral_of_the_spectrum():
    """Quantiles of both tables, against the integral above each transfer on another grid."""
    rates, common, rare = collision_tables()
    fine = np.geomspace(2.0, T_MAX, 40_001)
    k = np.arange(N_QUANTILES + 1) / N_QUANTILES
    assert common.shape == rare.shape == (len(BETA_GAMMA), N_QUANTILES + 1)
    for i in (0, 12, 25, 40):
        rate = collision_spectrum(fine, BETA_GAMMA[i])
        above = np.concatenate([[0.0], np.cumsum((0.5 * (rate[1:] + rate[:-1]) * np.diff(fine))[::-1])])[::-1]
        assert rates[i] == pytest.approx(above[0], rel=1e-3)
        assert np.all(np.diff(common[i]) > 0)
        assert np.all(np.diff(rare[i]) >= 0)
        np.testing.assert_allclose(
            np.interp(common[i, 1:-20], fine, above / above[0]), 1 - k[1:-20], atol=2e-3
        )
        probability = RARE * np.exp(-LARGEST_EXPONENT * k)
        reached = rare[i] < 0.5 * min(T_MAX, 2 * published.ELECTRON * BETA_GAMMA[i] ** 2)
        assert reached.sum() > N_QUANTILES / 4
        np.testing.assert_allclose(
            np.interp(rare[i], fine, above / above[0])[reached], probability[reached], rtol=0.03
        )
        # The two tables meet.
        assert rare[i, 0] == pytest.approx(np.interp(1 - RARE, k, common[i]), rel=0.02)


# --- straggling, from the spectrum alone


@pytest.mark.parametrize("thickness", [10, 20, 50, 100, 200, 300])
def test_most_probable_loss_is_merolis(thickness):
    """S. Meroli, D. Passeri and L. Servoli, JINST 6 (2011) P06013: measured in thin silicon, keV per um."""
    measured = 0.027 * np.log(thickness) + 0.126
    assert Straggling(thickness, MINIMUM).most_probable() / thickness / 1e3 == pytest.approx(
        measured, rel=0.065
    )


@pytest.mark.parametrize("beta_gamma", [1.0, 2.0, 3.6, 10.0, 30.0, 100.0])
def test_most_probable_loss_of_300_um_is_that_of_the_particle_data_group(beta_gamma):
    wanted = published.landau_vavilov_bichsel(300, beta_gamma)
    assert Straggling(300, beta_gamma).most_probable() == pytest.approx(wanted, rel=0.025)


@pytest.mark.parametrize("thickness", [20, 50, 100, 150, 300, 600])
def test_straggling_on_the_plateau_is_bichsels(thickness):
    """H. Bichsel, Rev. Mod. Phys. 60 (1988) 663: fits for beta gamma > 500, eV per um."""
    logarithm = np.log(thickness)
    peak = 100.6 + 35.35 * logarithm if thickness < 110 else 190.0 + 16.3 * logarithm
    width = 259.6 - 28.41 * logarithm if thickness < 260 else 71.3 * (1 + 39.4 * thickness**-0.8)
    calculated = Straggling(thickness, PLATEAU)
    assert calculated.most_probable() / thickness == pytest.approx(peak, rel=0.05)
    if thickness >= 50:
        assert calculated.full_width_at_half_maximum() / thickness == pytest.approx(width, rel=0.05)


def test_pairs_per_micrometre_in_100_um():
    """70 to 76 in the data sets, whose particles lie between the minimum and the plateau."""
    low, high = (Straggling(100, b).most_probable() / 100 / PAIR_ENERGY for b in (MINIMUM, PLATEAU))
    assert 64 < low < 70 < high < 76


def test_width_tends_to_landaus_from_above():
    """Full width at half maximum 4.02 xi; thin layers are up to twice as wide, by the binding of the
    electrons.
    """
    thickness = np.array([50, 100, 300, 1000])
    landau = 4.02 * published.XI * thickness / beta2(MINIMUM)
    ratio = [Straggling(t, MINIMUM).full_width_at_half_maximum() for t in thickness] / landau
    assert np.all(np.diff(ratio) < 0)
    assert 1 < ratio[1] < 1.8
    assert ratio[-1] == pytest.approx(1, abs=0.08)


def test_most_probable_loss_rises_to_the_plateau_by_less_than_the_mean():
    rise = Straggling(300, PLATEAU).most_probable() / Straggling(300, MINIMUM).most_probable()
    assert 1.05 < rise < 1.12


# --- delta rays


def test_range_is_everhart_and_hoffs_and_katz_and_penfolds_above_30_kev():
    for mev in (0.04, 0.1, 0.5, 1.0):
        wanted = 0.412 * mev ** (1.265 - 0.0954 * np.log(mev)) / 2.329 * 10  # g/cm^2 to mm
        assert delta_range(mev * 1e6) == pytest.approx(wanted, rel=1e-3)
    # 0.0171 um (E / keV)^1.75, T. E. Everhart and P. H. Hoff, J. Appl. Phys. 42 (1971) 5837: 0.96 um at 10
    # keV.
    assert delta_range(10e3) * 1e3 == pytest.approx(0.96, abs=0.005)
    energy = np.geomspace(1e3, 1e6, 400)
    exponent = np.diff(np.log(delta_range(energy))) / np.diff(np.log(energy))
    np.testing.assert_allclose(exponent[energy[1:] < 2.9e4], 1.75, atol=1e-6)
    assert exponent[-1] == pytest.approx(1.27, abs=0.02)
    # The two formulae meet.
    low, high = delta_range([29_999.0, 30_001.0])
    assert high == pytest.approx(low, rel=0.02)


@pytest.mark.parametrize(
    ("energy", "path"),
    # NIST ESTAR, silicon, continuous slowing down, g/cm^2.
    [
        (10e3, 3.5e-4),
        (20e3, 1.15e-3),
        (50e3, 5.65e-3),
        (100e3, 1.83e-2),
        (200e3, 5.6e-2),
        (500e3, 0.218),
        (1e6, 0.538),
    ],
)
def test_range_is_shorter_than_the_path_but_not_by_more_than_scattering_makes_it(energy, path):
    """The practical range is where the transmission ends: 0.6 to 0.9 of the path of an electron in light
    elements.
    """
    assert 0.45 < delta_range(energy) / (path / 2.329 * 10) < 0.9


@pytest.mark.parametrize("energy", [20.0, 30.0, 50.0, 100.0])
def test_range_is_kobetich_and_katzs(energy):
    """E. J. Kobetich and R. Katz, Phys. Rev. 170 (1968) 391: A E (1 - B / (1 + C E)), E in keV."""
    wanted = 5.37e-4 * energy * (1 - 0.9815 / (1 + 3.123e-3 * energy)) / 2.329 * 10
    assert delta_range(energy * 1e3) == pytest.approx(wanted, rel=0.2)

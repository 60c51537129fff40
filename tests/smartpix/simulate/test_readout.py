"""Noise, threshold and ADC; clustering against SciPy's labels."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from smartpix.schema import InputError
from smartpix.simulate.readout import ReadoutOptions, adc_levels, digitise, label_clusters, noise_pixel_rate

QUIET = ReadoutOptions(noise=0.0)


def read(charge, options=QUIET, seed=1):
    return digitise(
        np.asarray(charge, dtype=np.float32).reshape(-1, 1), options, np.random.default_rng(seed)
    )[:, 0]


RAMP = np.concatenate([np.linspace(-20_000, 20_000, 40_001), np.linspace(-400, 400, 8001)])
RAMP = np.sort(RAMP)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize(("threshold", "top"), [(300.0, 16_000.0), (800.0, 5000.0)])
def test_adc_is_monotone_idempotent_and_has_at_most_its_codes(bits, threshold, top):
    options = ReadoutOptions(0.0, threshold, adc_bits=bits, adc_max=top)
    out = read(RAMP, options)
    assert np.all(np.diff(out) >= 0)
    assert len(np.unique(out)) <= 2**bits
    np.testing.assert_array_equal(read(out, options), out)
    assert np.all(out[np.abs(RAMP) < threshold] == 0)
    # With 2 bits there are no negative codes.
    wanted = np.sign(RAMP[np.abs(RAMP) > threshold])
    np.testing.assert_array_equal(
        np.sign(out[np.abs(RAMP) > threshold]), np.maximum(wanted, 0) if bits == 2 else wanted
    )


def test_all_codes_are_used():
    for bits in (2, 4):
        assert len(np.unique(read(RAMP, ReadoutOptions(0.0, adc_bits=bits)))) == 2**bits


def test_levels_of_two_and_four_bits_are_where_the_logarithm_puts_them():
    """2 bits: 0 and three positive codes; 4 bits: 0, eleven positive and four negative ones."""
    for bits, positive, negative in ((2, 3, 0), (3, 5, 2), (4, 11, 4)):
        edges, values = adc_levels(ReadoutOptions(threshold=300.0, adc_bits=bits, adc_max=16_000.0))
        wanted = np.geomspace(300, 16_000, positive + 1)
        np.testing.assert_allclose(edges[negative:], wanted[:-1])
        np.testing.assert_allclose(values[negative:], np.sqrt(wanted[:-1] * wanted[1:]))
        np.testing.assert_allclose(edges[:negative], -wanted[:negative][::-1])
        np.testing.assert_allclose(values[:negative], -values[negative : 2 * negative][::-1])


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 8), st.floats(50, 1000), st.floats(1500, 40_000),
    st.lists(st.floats(-60_000, 60_000, width=32), min_size=1, max_size=40),
)  # fmt: skip
def test_digitised_charge_is_a_code_in_the_order_of_the_charge(bits, threshold, top, charge):
    options = ReadoutOptions(0.0, threshold, adc_bits=bits, adc_max=top)
    charge = np.sort(np.float32(charge))
    out = read(charge, options)
    codes = np.float32(np.concatenate([[0.0], adc_levels(options)[1]]))
    assert set(out) <= set(codes)
    assert np.all(np.diff(out) >= 0)
    assert np.all(out * charge >= 0)
    assert np.all(out[np.abs(charge) < np.float32(threshold)] == 0)
    assert np.all(out[charge >= np.float32(threshold)] > 0)
    # In range, a code is at most half a step of the logarithm off.
    n_positive = int(np.sum(codes > 0))
    inside = (charge >= np.float32(threshold)) & (charge < 0.999 * top)
    assert np.all(
        np.abs(np.log(out[inside] / charge[inside])) <= 0.5001 * np.log(top / threshold) / n_positive
    )


def test_adc_error_is_bounded_by_its_logarithmic_step():
    charge = np.linspace(300, 15_999, 5000)
    step = (16_000 / 300) ** (1 / 11)  # 16 codes: 4 negative, 1 zero, 11 positive
    ratio = read(charge) / charge
    assert ratio.max() <= math.sqrt(step) * 1.0001
    assert ratio.min() >= 1 / math.sqrt(step) / 1.0001
    assert np.all(read([16_000, 1e6]) == read([15_999]))


def test_levels_lie_between_their_edges():
    edges, values = adc_levels(ReadoutOptions())
    assert len(edges) == len(values) == 15
    assert np.all(np.diff(edges) > 0)
    assert edges[edges > 0][0] == 300
    assert np.all(np.abs(values) > np.abs(edges))
    assert values[-1] < 16_000


@settings(max_examples=60, deadline=None)
@given(st.floats(10, 2000))
def test_charge_at_the_threshold_reads_as_the_lowest_positive_level(threshold):
    """Also where the threshold is not exact in the 32 bits of the charge."""
    options = ReadoutOptions(0.0, threshold)
    out = read([np.float32(threshold), np.nextafter(np.float32(threshold), np.float32(np.inf))], options)
    lowest = threshold * (16_000 / threshold) ** (0.5 / 11)
    assert out[1] == pytest.approx(lowest, rel=1e-5)
    assert out[0] in (0.0, out[1])


def test_without_adc_the_charge_stays_analogue():
    options = ReadoutOptions(0.0, 300.0, adc_bits=0)
    np.testing.assert_array_equal(
        read([-301, -299, 0, 299, 300, 1234.5, 1e6], options), [-301, 0, 0, 0, 300, 1234.5, 1e6]
    )


def test_noise_is_gaussian_with_the_given_width_and_independent_in_each_slice():
    options = ReadoutOptions(50.0, 0.0, adc_bits=0)
    out = digitise(np.full((20_000, 2), 1000, dtype=np.float32), options, np.random.default_rng(2))
    assert stats.kstest(out[:, 0], "norm", (1000, 50)).pvalue > 1e-3
    assert abs(np.corrcoef(out.T)[0, 1]) < 0.03


def test_threshold_efficiency_is_the_error_function():
    charge = np.repeat([200.0, 250.0, 300.0, 350.0, 400.0], 20_000)
    fired = (read(charge, ReadoutOptions(50.0, 300.0)) > 0).reshape(5, -1).mean(1)
    np.testing.assert_allclose(fired, stats.norm.cdf([-2, -1, 0, 1, 2]), atol=0.012)


@pytest.mark.parametrize("noise", [0.0, 60.0])
@pytest.mark.parametrize("bits", [0, 2, 4])
def test_threshold_dispersion_widens_the_efficiency_to_a_normal_cdf(noise, bits):
    options = ReadoutOptions(noise, 400.0, threshold_dispersion=90.0, adc_bits=bits)
    charge = np.repeat([200.0, 300.0, 400.0, 500.0, 650.0], 20_000)
    fired = (read(charge, options) > 0).reshape(5, -1).mean(1)
    width = np.hypot(noise, 90)
    np.testing.assert_allclose(
        fired, stats.norm.cdf((np.array([200, 300, 400, 500, 650]) - 400) / width), atol=0.012
    )


def test_a_pixel_has_one_threshold_for_all_its_slices():
    options = ReadoutOptions(0.0, 400.0, threshold_dispersion=90.0, adc_bits=0)
    charge = np.tile(np.float32([380, 420, -400]), (20_000, 1))
    fired = digitise(charge, options, np.random.default_rng(3)) != 0
    # A pixel that sees 380 e sees 420 e and -400 e.
    assert 0.35 < fired[:, 0].mean() < 0.45
    assert np.all(fired[fired[:, 0]])
    assert np.all(fired[fired[:, 2], 1])


def test_rate_of_noise_pixels_is_the_tail_of_the_gaussian():
    assert noise_pixel_rate(ReadoutOptions(50.0, 200.0)) == pytest.approx(stats.norm.sf(4))
    assert noise_pixel_rate(ReadoutOptions(30.0, 200.0, threshold_dispersion=40.0)) == pytest.approx(
        stats.norm.sf(4), rel=2e-3
    )
    assert noise_pixel_rate(ReadoutOptions(0.0, 200.0)) == 0


@pytest.mark.parametrize(
    ("noise", "threshold", "dispersion"), [(50.0, 100.0, 0.0), (50.0, 150.0, 40.0), (30.0, 180.0, 60.0)]
)
def test_rate_of_noise_pixels_is_that_of_empty_pixels_read_out(noise, threshold, dispersion):
    options = ReadoutOptions(noise, threshold, dispersion)
    n = 500_000
    fired = np.mean(read(np.zeros(n), options) > 0)
    wanted = noise_pixel_rate(options)
    assert 1e-3 < wanted < 0.1
    assert fired == pytest.approx(wanted, abs=5 * np.sqrt(wanted / n))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"noise": -1.0}, "noise must be from 0"),
        ({"threshold": math.nan}, "threshold must be from 0"),
        ({"threshold_dispersion": 1e9}, "threshold_dispersion must be from 0 to 1e\\+07 e"),
        ({"adc_bits": 1}, "adc_bits"),
        ({"adc_bits": 9}, "adc_bits"),
        ({"threshold": 0.0}, "give a threshold above 0"),
        ({"threshold": 20_000.0}, "adc_max"),
        ({"adc_max": -5.0}, "adc_max"),
        ({"slices": ()}, "slices must ascend"),
        ({"slices": (3, 3)}, "slices must ascend"),
        ({"slices": (19, 0)}, "slices must ascend"),
        ({"slices": (0, 20)}, "slices go from 0 to 19"),
        ({"slices": (-1, 5)}, "slices go from 0 to 19"),
    ],
)
def test_senseless_options_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        ReadoutOptions(**options)


def scipy_labels(image):
    """Labels of the set pixels in row-major order, numbered by their first pixel."""
    labels = ndimage.label(image, np.ones((3, 3)))[0][image.astype(bool)]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.05, 0.9), st.integers(0, 10**6))
def test_labels_are_those_of_scipy_with_a_full_structure(height, width, density, seed):
    image = np.random.default_rng(seed).random((height, width)) < density
    row, column = np.nonzero(image)
    labels = label_clusters(np.zeros(len(row), dtype=np.int32), row.astype(np.int32), column.astype(np.int32))
    np.testing.assert_array_equal(labels, scipy_labels(image))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_clusters_never_join_across_modules_or_the_edge(seed):
    images = np.random.default_rng(seed).random((3, 6, 5)) < 0.6
    module, row, column = np.nonzero(images)
    labels = label_clusters(*(a.astype(np.int32) for a in (module, row, column)))
    wanted, offset = [], 0
    for image in images:
        part = scipy_labels(image)
        wanted.append(part + offset)
        offset += int(part.max()) + 1 if len(part) else 0
    np.testing.assert_array_equal(labels, np.concatenate(wanted))


def test_large_image_as_scipy():
    image = np.random.default_rng(5).random((300, 400)) < 0.38
    row, column = np.nonzero(image)
    labels = label_clusters(np.zeros(len(row), dtype=np.int32), row.astype(np.int32), column.astype(np.int32))
    np.testing.assert_array_equal(labels, scipy_labels(image))


def test_the_true_threshold_may_be_off_while_the_adc_stays():
    options = ReadoutOptions(noise=0.0, threshold=300.0, threshold_scale=1.2)
    charge = np.array([[350.0], [370.0], [5000.0]], dtype=np.float32)
    read = digitise(charge, options, np.random.default_rng(1))
    nominal = digitise(charge, replace(options, threshold_scale=1.0), np.random.default_rng(1))
    assert read[0] == 0 < nominal[0]
    np.testing.assert_array_equal(read[1:], nominal[1:])
    noisy = ReadoutOptions(noise=100.0, threshold=300.0, threshold_scale=1.2)
    assert noise_pixel_rate(noisy) == pytest.approx(stats.norm.sf(3.6), rel=1e-3)

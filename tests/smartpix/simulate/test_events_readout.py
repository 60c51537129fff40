"""Whole simulated events: noise, clocks, and pixels and modules that read otherwise."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from scipy import stats

from smartpix.schema import InputError
from smartpix.simulate import matrix
from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.events import SimulateOptions, header, simulate_event
from smartpix.simulate.options import STANDARD_READOUT
from smartpix.simulate.readout import ReadoutOptions, adc_levels, noise_pixel_rate
from tests.helpers import crossings_at, embedded_detector, one_module_detector, part_of
from tests.smartpix.simulate.small_events import QUIET, at_time, clocked, grid, one_event


def test_pixels_carry_adc_codes_only(broad):
    _, _, clusters = broad
    codes = {0.0, *np.float32(adc_levels(STANDARD_READOUT)[1])}
    for s in ("02", "19"):
        assert set(ak.to_numpy(ak.flatten(clusters["pixels"][f"charge_{s}"]))) <= codes


def test_noise_alone_fires_the_expected_number_of_positive_pixels_without_truth():
    options = SimulateOptions(readout=ReadoutOptions(noise=50.0, threshold=200.0))
    clusters = one_event(one_module_detector(), np.zeros((0, 2)), np.zeros((0, 2)), options)["clusters"][0]
    expected = 1344 * 1440 * stats.norm.sf(4)
    assert abs(len(clusters) - expected) < 4 * np.sqrt(expected)
    assert ak.all(clusters["charge"] > 0)
    assert ak.sum(ak.num(clusters["truth"])) == 0
    rows, columns = (ak.to_numpy(ak.flatten(clusters["pixels"][n])) for n in ("row", "column"))
    assert np.ptp(rows) > 1000
    assert np.ptp(columns) > 1000


def test_noise_fires_also_where_the_threshold_is_not_exact_in_32_bits():
    threshold = next(t for t in np.linspace(200.05, 201, 20) if float(np.float32(t)) < t)
    options = SimulateOptions(readout=ReadoutOptions(noise=50.0, threshold=float(threshold)))
    clusters = one_event(one_module_detector(), np.zeros((0, 2)), np.zeros((0, 2)), options)["clusters"][0]
    assert len(clusters) > 0.5 * 1344 * 1440 * stats.norm.sf(4)
    assert ak.all(clusters["charge"] > 0)


def test_threshold_in_the_noise_is_refused():
    options = SimulateOptions(readout=ReadoutOptions(noise=300.0, threshold=300.0))
    with pytest.raises(InputError, match="raise the threshold"):
        one_event(embedded_detector(), [[0.0, 0.0]], [[0.0, 0.0]], options)


def first_slice(clusters):
    """Mean share of the first slice in the last one's charge."""
    names = [name for name in ak.fields(clusters["pixels"]) if name.startswith("charge_")]
    first, last = (float(ak.sum(clusters["pixels"][name])) for name in (names[0], names[-1]))
    return first / last


def test_on_the_machine_s_clock_late_particles_leave_less_in_the_first_slice():
    detector, places = one_module_detector(), grid(300)
    analogue = {"adc_bits": 0, "threshold": 0.0, "slices": (3, 19)}
    own = [first_slice(at_time(detector, places, late, clocked(**analogue))) for late in (0.0, 0.5)]
    assert own[0] == own[1]
    on_clock = [
        first_slice(at_time(detector, places, late, clocked(clock="bunch", **analogue)))
        for late in (-0.3, 0.0, 0.4, 0.9)
    ]
    assert on_clock[0] > on_clock[1] > on_clock[2] > on_clock[3]
    assert on_clock[3] == 0
    assert on_clock[1] == pytest.approx(own[0], rel=1e-3)


def test_the_clock_s_jitter_differs_from_module_to_module_and_event_to_event():
    detector, places = one_module_detector(), grid(100)
    options = clocked(adc_bits=0, threshold=0.0, slices=(3, 19), clock="bunch", jitter=100.0)
    shares = [first_slice(at_time(detector, places, 0.0, options, seed)) for seed in range(12)]
    assert np.std(shares) > 0.02
    steady = [
        first_slice(
            at_time(
                detector, places, 0.0, clocked(adc_bits=0, threshold=0.0, slices=(3, 19), clock="bunch"), seed
            )
        )
        for seed in range(12)
    ]
    assert np.std(steady) < 0.2 * np.std(shares)
    with pytest.raises(InputError, match=r"jitter is 5\.0 ps and the clock is 'crossing'"):
        ReadoutOptions(jitter=5.0)


def fired(detector, options, n=400, seed=1):
    """Keys of the pixels that fire in an event of many crossings."""
    crossings = broad_crossings(detector, n, np.random.default_rng(8))
    clusters = simulate_event(crossings, detector, options, 0, seed)["clusters"][0]
    module = np.repeat(ak.to_numpy(clusters["module_id"]), ak.to_numpy(ak.num(clusters["pixels"], axis=1)))
    pixels = ak.flatten(clusters["pixels"], axis=1)
    return set(zip(module.tolist(), ak.to_list(pixels["row"]), ak.to_list(pixels["column"]), strict=True))


def test_dead_pixels_read_nothing_and_are_the_same_ones_in_every_event():
    detector = part_of(embedded_detector(), [0, 1, 2])
    whole = fired(detector, QUIET)
    dead = fired(detector, clocked(dead_pixels=0.3))
    assert dead < whole
    assert len(dead) / len(whole) == pytest.approx(0.7, abs=0.05)
    assert fired(detector, clocked(dead_pixels=1.0)) == set()
    # The same crossings with other random numbers of the response: what was dead stays dead.
    again = fired(detector, clocked(dead_pixels=0.3), seed=2)
    assert not again & (whole - dead)


def test_slow_pixels_read_the_charge_of_an_earlier_time():
    detector, places = one_module_detector(), grid(300)
    analogue = {"adc_bits": 0, "threshold": 0.0, "slices": (3, 19)}
    slow, fast, early = (
        at_time(detector, places, 0.0, clocked(**analogue | more))
        for more in ({"slow_pixels": 1.0, "slow_delay": 400.0}, {}, {"slices": (1, 17)})
    )
    assert first_slice(slow) == pytest.approx(first_slice(early), rel=1e-2)
    assert first_slice(slow) < 0.8 * first_slice(fast)


def test_common_mode_moves_all_pixels_of_a_module_alike():
    detector = part_of(embedded_detector(), list(range(40)))
    n_pixels = float((detector.n_rows.astype(float) * detector.n_columns).sum())
    options = ReadoutOptions(noise=50.0, threshold=250.0, common_mode=40.0)
    size = int(detector.n_columns.max()) * int(detector.n_rows.max())
    pulls = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        common = (40.0 * rng.standard_normal(len(detector))).astype(np.float32)
        keys = matrix._noise_pixels(
            detector, options, common, int(detector.n_columns.max()), int(detector.n_rows.max()), rng
        )
        expected = stats.norm.sf((250.0 - common) / 50.0) * n_pixels / len(detector)
        found = np.bincount(keys // size, minlength=len(detector))
        often = expected > 5
        pulls += ((found - expected) / np.sqrt(np.maximum(expected, 1)))[often].tolist()
    assert len(pulls) > 50
    assert abs(np.mean(pulls)) < 4 / np.sqrt(len(pulls))
    assert 0.7 < np.std(pulls) < 1.3
    # Over all events it is as if noise and common mode were one.
    common = 40.0 * np.random.default_rng(1).standard_normal(20_000)
    assert noise_pixel_rate(options, common).mean() == pytest.approx(
        stats.norm.sf(250 / np.hypot(50, 40)), rel=0.1
    )


def test_charge_and_phase_move_what_every_module_reads():
    detector, (local, cots) = one_module_detector(), (grid(300), np.zeros((300, 2)))
    analogue = ReadoutOptions(noise=0.0, adc_bits=0, clock="bunch", slices=(0, 19), threshold=1.0)

    def total(**more):
        readout = replace(analogue, **more.pop("readout", {}))
        event = one_event(detector, local, cots, SimulateOptions(readout=readout, **more))
        pixels = event["clusters"][0]["pixels"]
        return np.array([ak.sum(pixels[f"charge_{s:02d}"]) for s in (0, 19)])

    plain = total()
    np.testing.assert_allclose(total(charge_scale=0.8), 0.8 * plain, rtol=0.01)
    # A late clock lets more charge come in before its first slice ends.
    assert total(readout={"phase": 100.0})[0] > 1.2 * plain[0]
    assert total(readout={"phase": 100.0})[1] == pytest.approx(plain[1], rel=0.01)


def test_noise_pixels_fire_where_the_true_threshold_is_above_the_adc_s():
    readout = ReadoutOptions(noise=100.0, threshold=300.0, threshold_scale=1.1)
    event = one_event(
        one_module_detector(), np.zeros((0, 2)), np.zeros((0, 2)), SimulateOptions(readout=readout)
    )
    assert len(event["clusters"][0]) > 0


def test_clusters_have_the_times_of_their_particles_and_all_else_stays():
    detector, (local, cots) = one_module_detector(), (grid(300), np.zeros((300, 2)))
    options = SimulateOptions(readout=ReadoutOptions(noise=0.0, time_resolution=30.0))
    crossings = crossings_at(detector, np.zeros(300, dtype=int), local, cots)
    crossings = replace(crossings, time=np.linspace(-5.0, 5.0, 300))
    clusters = simulate_event(crossings, detector, options, 7, 1)["clusters"][0]
    without = replace(options, readout=replace(options.readout, time_resolution=0.0))
    plain = simulate_event(crossings, detector, without, 7, 1)["clusters"][0]
    assert "time" not in plain.fields
    assert ak.all(clusters["charge"] == plain["charge"])
    who = ak.to_numpy(clusters["truth"]["particle_id"][:, 0]) - 1
    off = ak.to_numpy(clusters["time"]) - crossings.time[who]
    assert off.std() == pytest.approx(0.03, rel=0.15)
    assert abs(off.mean()) < 0.01
    assert header(detector, options, 1, 1).has_times
    assert not header(detector, without, 1, 1).has_times

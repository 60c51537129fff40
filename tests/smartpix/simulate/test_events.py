"""Whole simulated events: merging, truth, Lorentz correction, noise, reproducibility."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from scipy import stats

from smartpix.beam import BeamSpot
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.simulate import events as simulation
from smartpix.simulate import matrix
from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.events import (
    SimulateOptions,
    header,
    need_extras,
    simulate,
    simulate_crossings,
    simulate_event,
)
from smartpix.simulate.options import STANDARD_BEAM, STANDARD_READOUT, GenerateOptions
from smartpix.simulate.readout import ReadoutOptions, adc_levels, noise_pixel_rate
from smartpix.simulate.transport import check_generic
from tests.helpers import crossings_at, embedded_detector, one_module_detector, part_of

QUIET = SimulateOptions(readout=ReadoutOptions(noise=0.0))
"""The ideal crossing: slices from each particle's own arrival, one threshold."""


def one_event(detector, local, cots, options=QUIET, seed=1, module=None, **more):
    module = np.zeros(len(local), dtype=int) if module is None else module
    return simulate_event(crossings_at(detector, module, local, cots, **more), detector, options, 7, seed)


def grid(n):
    """Well separated places on one module, at random within a pixel."""
    i = np.arange(n)
    place = np.stack([-33 + 1.5 * (i % 44), -7.5 + 0.5 * (i // 44)], axis=1)
    return place + np.random.default_rng(1).uniform(-0.05, 0.05, (n, 2))


@pytest.fixture(scope="module")
def broad():
    detector = embedded_detector()
    crossings = broad_crossings(detector, 3000, np.random.default_rng(8))
    return detector, crossings, simulate_event(crossings, detector, SimulateOptions(), 0, 1)["clusters"][0]


def test_no_crossings_give_no_clusters():
    event = one_event(one_module_detector(), np.zeros((0, 2)), np.zeros((0, 2)))
    assert len(event) == 1
    assert event["event"][0] == 7
    assert len(event["clusters"][0]) == 0
    assert len(event["particles"][0]) == 0


def test_two_particles_on_the_same_spot_make_one_cluster_with_both_in_its_truth():
    clusters = one_event(one_module_detector(), [[1.0, 1.0], [1.0, 1.0]], [[0.2, 0.1], [0.2, 0.1]])[
        "clusters"
    ][0]
    assert len(clusters) == 1
    truth = clusters["truth"][0]
    assert sorted(truth["particle_id"]) == [1, 2]
    assert ak.sum(truth["share"]) == pytest.approx(1)
    assert ak.min(truth["share"]) > 0.15
    assert truth["share"][0] >= truth["share"][1]


def test_merged_charge_is_that_of_both():
    alone = one_event(one_module_detector(), grid(200), np.zeros((200, 2)))["clusters"][0]
    both = one_event(one_module_detector(), np.repeat(grid(200), 2, axis=0), np.zeros((400, 2)))["clusters"][
        0
    ]
    assert len(both) == len(alone) == 200
    assert ak.mean(both["charge"]) / ak.mean(alone["charge"]) == pytest.approx(2, rel=0.1)


def test_distant_particles_make_separate_clusters_with_their_own_truth():
    local, cots = grid(100), np.random.default_rng(2).normal(0, 0.3, (100, 2))
    clusters = one_event(one_module_detector(), local, cots)["clusters"][0]
    assert len(clusters) == 100
    truth = ak.flatten(clusters["truth"])
    assert sorted(truth["particle_id"]) == list(range(1, 101))
    who = ak.to_numpy(truth["particle_id"]) - 1
    for name, wanted in (
        ("x", local[:, 0]),
        ("y", local[:, 1]),
        ("cot_alpha", cots[:, 0]),
        ("cot_beta", cots[:, 1]),
    ):
        np.testing.assert_allclose(ak.to_numpy(truth[name]), wanted[who], atol=1e-4)
    # A hard delta ray may carry one or two away.
    for name, wanted, limit in (("local_x", local[:, 0], 0.05), ("local_y", local[:, 1], 0.02)):
        off = np.abs(ak.to_numpy(clusters[name]) - wanted[who])
        assert np.mean(off < limit) >= 0.97
        assert off.max() < 0.3


def test_truth_pt_is_transverse_to_the_beam():
    clusters = one_event(one_module_detector(), [[0.0, 0.0]], [[3.0, 0.0]], p=5.0)["clusters"][0]
    assert clusters["truth"]["pt"][0, 0] == pytest.approx(5.0 / np.sqrt(10), rel=1e-4)


def test_two_crossings_of_one_particle_keep_its_identifier():
    clusters = one_event(one_module_detector(), [[1.0, 1.0], [5.0, 5.0]], np.zeros((2, 2)), particle=[0, 0])[
        "clusters"
    ][0]
    assert ak.to_list(clusters["truth"]["particle_id"]) == [[1], [1]]


@pytest.mark.parametrize("region", [True, False])
@pytest.mark.parametrize("field", [3.8, 0.0, -3.8])
def test_local_position_is_unbiased_with_and_without_the_drift_in_the_field(region, field):
    detector = embedded_detector()
    detector = part_of(detector, np.flatnonzero(detector.barrel == region)[:1])
    options = SimulateOptions(readout=ReadoutOptions(noise=0.0, threshold=100.0, adc_bits=0), field=field)
    clusters = one_event(detector, grid(900), np.tile([0.1, 0.05], (900, 1)), options)["clusters"][0]
    main = clusters["truth"][:, 0]
    dx, dy = (ak.to_numpy(clusters[f"local_{a}"] - main[a]) for a in "xy")
    assert abs(np.median(dx)) < 0.003
    assert abs(np.median(dy)) < 0.001
    # What was taken off: the pixels themselves lie 16.5 um towards -y in the barrel, +y in a field along -z.
    pixels = clusters["pixels"]
    raw = ak.sum(pixels["charge_19"] * ((pixels["row"] + 0.5) * 0.0125 - 8.4), axis=1) / ak.sum(
        pixels["charge_19"], axis=1
    )
    wanted = -0.0165 * np.sign(field) if region else 0.0
    assert np.median(ak.to_numpy(raw - main["y"])) == pytest.approx(wanted, abs=0.0015)


def test_position_pulls_have_unit_width(broad):
    _, _, clusters = broad
    main = ak.firsts(clusters["truth"])
    good = (main["share"] > 0.95) & (np.abs(main["cot_alpha"]) < 2) & (np.abs(main["cot_beta"]) < 0.5)
    good = ak.to_numpy(ak.fill_none(good, False))
    for axis in "xy":
        pull = ak.to_numpy(
            ak.fill_none((clusters[f"local_{axis}"] - main[axis]) / clusters[f"sigma_{axis}"], 0)
        )[good]
        assert 0.5 < np.percentile(np.abs(pull), 68.27) < 1.5


def test_shares_add_up_to_one_in_every_cluster_and_descend(broad):
    detector, crossings, clusters = broad
    shares = clusters["truth"]["share"]
    has = ak.num(shares) > 0
    # The others are of noise, and of crossings too little of whose charge is in any one pixel.
    n_noise = noise_pixel_rate(STANDARD_READOUT) * np.sum(detector.n_rows.astype(float) * detector.n_columns)
    assert abs(ak.sum(~has) - n_noise) < 5 * np.sqrt(n_noise) + 0.01 * len(crossings.module)
    np.testing.assert_allclose(ak.to_numpy(ak.sum(shares[has], axis=1)), 1, atol=1e-5)
    assert ak.all(shares[:, 1:] <= shares[:, :-1])
    assert ak.all(shares > 0)


def test_nearly_every_crossing_makes_a_cluster(broad):
    _, crossings, clusters = broad
    seen = np.unique(ak.to_numpy(ak.flatten(clusters["truth"]["particle_id"])))
    assert len(seen) > 0.97 * len(crossings.module)


def test_clusters_are_whole_disjoint_and_have_a_hit(broad):
    from scipy import ndimage

    _, _, clusters = broad
    module = ak.to_numpy(clusters["module_index"])
    seen = set()
    for k in range(len(clusters)):
        pixels = clusters["pixels"][k]
        row, column = ak.to_numpy(pixels["row"]).astype(int), ak.to_numpy(pixels["column"]).astype(int)
        image = np.zeros((np.ptp(row) + 1, np.ptp(column) + 1))
        image[row - row.min(), column - column.min()] = 1
        assert ndimage.label(image, np.ones((3, 3)))[1] == 1
        keys = {(module[k], r, c) for r, c in zip(row, column, strict=True)}
        assert len(keys) == len(row)
        assert not keys & seen
        seen |= keys
    assert ak.all(ak.max(clusters["pixels"]["charge_19"], axis=1) > 0)


def test_pixels_carry_adc_codes_only(broad):
    _, _, clusters = broad
    codes = {0.0, *np.float32(adc_levels(STANDARD_READOUT)[1])}
    for s in ("02", "19"):
        assert set(ak.to_numpy(ak.flatten(clusters["pixels"][f"charge_{s}"]))) <= codes


def test_records_agree_with_their_pixels_and_module(broad):
    detector, _, clusters = broad
    module = ak.to_numpy(clusters["module_index"])
    positive = ak.sum(np.maximum(clusters["pixels"]["charge_19"], 0), axis=1)
    np.testing.assert_allclose(ak.to_numpy(clusters["charge"]), ak.to_numpy(positive), rtol=1e-5)
    for name in ("volume_id", "layer_id", "module_id"):
        np.testing.assert_array_equal(ak.to_numpy(clusters[name]), np.asarray(detector.columns[name])[module])
    local = np.stack([ak.to_numpy(clusters["local_x"]), ak.to_numpy(clusters["local_y"])], axis=1)
    point = np.stack([ak.to_numpy(clusters[a]) for a in "xyz"], axis=1)
    np.testing.assert_allclose(detector.to_global(module, local.astype(float)), point, atol=2e-4)
    assert len(set(ak.to_list(clusters["hit_id"]))) == len(clusters)


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


def test_undepleted_detector_is_refused():
    with pytest.raises(InputError, match="does not deplete"):
        one_event(one_module_detector(), [[0.0, 0.0]], [[0.0, 0.0]], SimulateOptions(bias=5.0))


def test_events_are_functions_of_seed_and_number():
    detector = part_of(embedded_detector(), np.arange(40))
    lists = [
        ak.to_list(
            ak.concatenate(list(simulate_crossings(detector, SimulateOptions(), 2, 60, seed)))["clusters"][
                "charge"
            ]
        )
        for seed in (3, 3, 4)
    ]
    assert lists[0] == lists[1]
    assert lists[0] != lists[2]
    assert lists[0][0] != lists[0][1]


def test_slices_of_the_options_are_those_in_the_event():
    options = SimulateOptions(readout=ReadoutOptions(noise=0.0, slices=(2, 5, 19)))
    event = one_event(one_module_detector(), [[0.0, 0.0]], [[0.0, 0.0]], options)
    assert event["clusters"]["pixels"].fields == ["row", "column", "charge_02", "charge_05", "charge_19"]


def test_header_says_how_the_file_was_made():
    detector, options = one_module_detector(), SimulateOptions(field=2.0)
    made = header(detector, options, 3, 11)
    assert (made.field, made.slices) == (2.0, (2, 19))
    assert made.made_by["seed"] == 11
    assert made.made_by["events"] == 3
    readout, beam_spot = (made.made_by["options"][name] for name in ("readout", "beam_spot"))
    assert (readout["threshold"], readout["threshold_dispersion"], readout["clock"]) == (400.0, 60.0, "bunch")
    assert beam_spot["sigma_t"] == 180.0


def test_the_standard_working_point_is_the_default_and_the_ideal_one_is_that_of_the_classes():
    assert (SimulateOptions().readout, SimulateOptions().beam_spot) == (STANDARD_READOUT, STANDARD_BEAM)
    ideal = ReadoutOptions()
    assert (ideal.threshold, ideal.threshold_dispersion, ideal.slices) == (300.0, 0.0, (0, 19))
    assert (ideal.clock, BeamSpot().sigma_t) == ("crossing", 0.0)


@pytest.mark.parametrize("field", [38.0, float("nan")])
def test_a_field_beyond_any_trackers_is_refused(field):
    with pytest.raises(InputError, match="simulate: field must be a number of T from -20 to 20 and is"):
        SimulateOptions(field=field)


@pytest.mark.parametrize(
    ("n_events", "seed", "per_event", "name"),
    [
        (-1, 1, 1, "events"),
        (0, 1, 1, "events"),
        (10**9, 1, 1, "events"),
        (1, -1, 1, "seed"),
        (1, 1, 0, "per_event"),
    ],
)
def test_numbers_of_events_and_seeds_out_of_range_are_refused_at_once(n_events, seed, per_event, name):
    detector = one_module_detector()
    with pytest.raises(InputError, match=f"simulate: {name} must be"):
        simulate_crossings(detector, SimulateOptions(), n_events, per_event, seed)
    if name != "per_event":
        with pytest.raises(InputError, match=f"simulate: {name} must be"):
            simulate(detector, SimulateOptions(generate=GenerateOptions(pileup=0, gun=1)), n_events, seed)


def test_without_particles_there_is_nothing_to_simulate():
    pytest.importorskip("acts")
    with pytest.raises(InputError, match="pileup, gun, jets and displaced are all 0"):
        simulate(embedded_detector(), SimulateOptions(generate=GenerateOptions(pileup=0)), 1, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("bias", 0.0), ("bias", 1e6), ("depletion", -1.0), ("temperature", -10.0)]
)
def test_voltages_and_temperatures_beyond_a_sensors_are_refused(name, value):
    with pytest.raises(InputError, match=f"simulate: {name} must be"):
        SimulateOptions(**{name: value})


def test_what_events_need_is_asked_for_before_they_are_begun(monkeypatch):
    monkeypatch.setattr(simulation, "find_spec", lambda name: None)
    pytest.importorskip("acts")
    with pytest.raises(InputError, match=r"chromo.*pip install 'smartpix\[acts\]'"):
        simulate(embedded_detector(), SimulateOptions(), 1, 1)
    need_extras(GenerateOptions(pileup=0, gun=1))


def test_another_detector_than_the_generic_one_is_refused_before_the_first_event():
    pytest.importorskip("acts")
    gun = SimulateOptions(generate=GenerateOptions(pileup=0, gun=1))
    with pytest.raises(
        InputError, match=r"module 1 of layer 2 in volume 8 .*\(1 of 1 are not\).*smartpix simulate crossings"
    ):
        simulate(one_module_detector(), gun, 1, 1)
    generic = embedded_detector()
    columns = {name: np.array(values) for name, values in generic.columns.items()}
    columns["cz"][7] += 0.1
    with pytest.raises(InputError, match=r"\(1 of \d+ are not\)"):
        simulate(Detector(columns), gun, 1, 1)
    # A part of it, with other pixels, is simulated in.
    part = part_of(generic, np.arange(100))
    check_generic(Detector({**part.columns, "pitch_u": 2 * part.columns["pitch_u"]}))


def test_gun_events_through_the_whole_chain():
    pytest.importorskip("acts")
    options = SimulateOptions(generate=GenerateOptions(pileup=0, gun=40, max_eta=2.0))
    detector = embedded_detector()
    events = ak.concatenate(list(simulate(detector, options, 2, 5)))
    again = ak.concatenate(list(simulate(detector, options, 2, 5)))
    assert ak.to_list(events["clusters"]["charge"]) == ak.to_list(again["clusters"]["charge"])
    assert ak.to_list(events["event"]) == [0, 1]
    assert ak.to_list(ak.num(events["particles"])) == [40, 40]
    # Nearly all cross at least three layers.
    for event in events:
        ids = ak.to_numpy(ak.flatten(event["clusters"]["truth"]["particle_id"]))
        assert np.mean(np.bincount(ids, minlength=41)[1:] >= 3) > 0.9


def clocked(**readout):
    return SimulateOptions(readout=ReadoutOptions(noise=0.0, **readout))


def at_time(detector, places, late, options, seed=1):
    """An event of crossings of one module that are late by some ns on its clock."""
    crossings = crossings_at(
        detector, np.zeros(len(places), dtype=int), places, np.tile([0.3, 0.1], (len(places), 1))
    )
    nominal = np.linalg.norm(detector.center[0]) / 299.792458
    return simulate_event(replace(crossings, time=nominal + late), detector, options, 7, seed)["clusters"][0]


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


def test_shares_in_the_truth_are_of_what_has_been_collected_in_the_end():
    """Slow pixels read an earlier time, in which nothing may have arrived."""
    detector, places = one_module_detector(), grid(200)
    options = clocked(clock="bunch", slow_pixels=0.5, slow_delay=4000.0, threshold=0.0, adc_bits=0)
    clusters = at_time(detector, places, 0.0, options)
    plain = at_time(
        detector, places, 0.0, replace(options, readout=replace(options.readout, slow_pixels=0.0))
    )
    with_truth = [int(ak.sum(ak.num(made["truth"], axis=1) > 0)) for made in (clusters, plain)]
    assert with_truth[0] > 0.9 * with_truth[1] > 0

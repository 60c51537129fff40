"""Whole simulated events: merging, truth, Lorentz correction, reproducibility."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest

from smartpix.beam import BeamSpot
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.simulate import events as simulation
from smartpix.simulate.events import SimulateOptions, header, need_extras, simulate, simulate_crossings
from smartpix.simulate.options import STANDARD_BEAM, STANDARD_READOUT, GenerateOptions, GroupOptions
from smartpix.simulate.readout import ReadoutOptions, noise_pixel_rate
from smartpix.simulate.transport import check_generic
from smartpix.simulate.transport_options import TransportOptions
from tests.helpers import embedded_detector, one_module_detector, part_of
from tests.smartpix.simulate.small_events import at_time, clocked, grid, one_event


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
    with pytest.raises(
        InputError, match=r"pileup, gun, jets, displaced, conversions, beam\.particles are all 0"
    ):
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


def test_another_detector_than_the_generic_one_is_refused_by_fatras_before_the_first_event():
    pytest.importorskip("acts")
    gun = SimulateOptions(generate=GenerateOptions(pileup=0, gun=1), transport=TransportOptions("fatras"))
    with pytest.raises(
        InputError, match=r"module 1 of layer 2 in volume 8 .*\(1 of 1 are not\).*transport.engine=own"
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


def test_our_own_propagator_makes_events_in_any_detector():
    columns = {name: np.array(values) for name, values in embedded_detector().columns.items()}
    barrel = columns["volume_id"] == 8
    shifted = Detector(
        {name: values[barrel] for name, values in columns.items()} | {"cz": columns["cz"][barrel] + 0.1}
    )
    options = SimulateOptions(generate=GenerateOptions(pileup=0, gun=30, max_eta=1.0))
    one, two = (ak.to_list(next(simulate(shifted, options, 1, 5))) for _ in range(2))
    assert one == two
    orders = [t["order"] for c in one[0]["clusters"] for t in c["truth"]]
    assert max(orders) >= 3
    assert len(one[0]["clusters"]) > 4 * 30 * 0.8


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


def test_groups_are_of_single_crossings_alone():
    options = SimulateOptions(
        generate=GenerateOptions(pileup=0, gun=1), groups=GroupOptions((1, 2), (0.1, 1.0))
    )
    with pytest.raises(InputError, match=r"groups.together .* simulate crossings"):
        simulate(embedded_detector(), options, 1, 1)


def test_groups_of_crossings_merge_and_all_their_particles_are_in_the_truth():
    options = SimulateOptions(groups=GroupOptions((2,), (0.05, 0.5)))
    (event,) = simulate_crossings(embedded_detector(), options, 1, 400, 52901)
    clusters = event["clusters"][0]
    made = ak.sum(clusters["truth"]["share"] >= 0.1, axis=1)
    # Half a width apart and less: nearly all pairs are one cluster.
    assert np.sum(ak.to_numpy(made) == 2) > 120
    assert len(event["particles"][0]) == 400


def test_conversions_and_jets_with_a_core_are_transported_with_the_collisions():
    pytest.importorskip("acts")
    generate = GenerateOptions(
        pileup=0, jets=1, jet_particles=(4, 6), jet_pt=(100.0,), conversions=3, max_eta=1.0
    )
    (event,) = simulate(embedded_detector(), SimulateOptions(generate=generate), 1, 52902)
    ids = np.abs(ak.to_numpy(event["particles"][0]["pdg_id"]))
    assert np.sum(ids == 11) == 6
    assert 4 <= np.sum(ids == 211) <= 6
    assert set(np.unique(ak.to_numpy(ak.flatten(event["clusters"][0]["truth"]["particle_id"])))) <= set(
        range(1, 13)
    )


def test_options_that_would_be_dropped_without_a_word_are_refused():
    with pytest.raises(InputError, match="jet_pt is given and there are no jets"):
        GenerateOptions(jet_pt=(500.0, 2000.0))
    with pytest.raises(InputError, match=r"groups\.distance is given and each crossing is alone"):
        SimulateOptions(groups=GroupOptions(distance=(0.1, 1.0)))
    assert SimulateOptions(groups=GroupOptions((2,), (0.1, 1.0))).groups.together == (2,)

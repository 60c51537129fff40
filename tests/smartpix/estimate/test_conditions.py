"""Conditions of a file against those of the estimates' training: when nothing is said, when warned, when refused."""

import dataclasses
import json

import pytest

from smartpix.beam import BeamSpot
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.conditions import (
    CONDITIONS,
    RANDOMISED,
    conditions,
    readout_untold,
    training_differs,
)
from smartpix.estimate.options import EstimateWeights
from smartpix.io.events import Header
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import InputError
from smartpix.simulate.dataset_options import DatasetOptions, sensor_of_type
from smartpix.simulate.events import header as header_of
from smartpix.simulate.options import ReadoutOptions, SimulateOptions
from tests.helpers import embedded_detector, part_of

IDEAL = SimulateOptions(beam_spot=BeamSpot(), readout=ReadoutOptions())
SLICES = (0, 2, 19)
"""Those of all shipped estimates, whichever point they were trained at."""
KINDS = ("mdn", "shape", "quantised")


def readout(base=None, **changes):
    """A file of the ideal readout, or of another one, but for the changes."""
    return Header(embedded_detector(), 3.8, SLICES, made_by(base, **changes))


def made_by(base=None, **changes):
    """What a file says of its simulation, with the changes wherever they belong."""
    said = json.loads(json.dumps(base or header_of(embedded_detector(), IDEAL, 1, 1).made_by))
    options = said["options"]
    later = {"clock": "readout", "phase": "readout", "jitter": "readout", "common_mode": "readout",
             "threshold_scale": "readout", "sigma_t": "beam_spot"}  # fmt: skip
    for key, value in changes.items():
        if key in later:
            options[later[key]][key] = value
        elif key in options["readout"]:
            options["readout"][key] = value
        else:
            options[key] = value
    return said


@pytest.fixture(scope="module")
def shipped():
    """One estimator of each kind, as if trained at the single values of the ideal readout."""
    return {kind: trained_in(choose_estimator(unsaid(), kind)) for kind in KINDS}


def unsaid():
    """A file that says nothing of its conditions."""
    return Header(embedded_detector(), 3.8, SLICES, {})


def trained_in(estimator, **changes):
    """The estimator as if it had been trained in these conditions, else those of the ideal readout."""
    return with_data(estimator, made_by(**changes))


def with_data(estimator, data, calibrated_on=None):
    """The estimator as if it had been trained on such data, and calibrated on others."""
    descriptions = {
        region: {**description, "data": data, "calibrated_on": calibrated_on or {}}
        for region, description in estimator.descriptions.items()
    }
    if hasattr(estimator, "networks"):
        networks = {
            region: dataclasses.replace(network, description=descriptions[region])
            for region, network in estimator.networks.items()
        }
        return dataclasses.replace(estimator, networks=networks)
    return dataclasses.replace(estimator, descriptions=descriptions)


def test_a_file_in_the_conditions_of_the_calibration_is_taken_without_a_word(shipped):
    estimator = with_data(shipped["mdn"], made_by(noise=50.0), calibrated_on=made_by(noise=80.0))
    assert training_differs(readout(noise=80.0), estimator) == []
    assert len(training_differs(readout(noise=80.0, bias=150.0), estimator)) == 2
    assert len(training_differs(readout(noise=120.0), estimator)) == 2


@pytest.mark.parametrize("kind", ["mdn", "shape", "quantised"])
@pytest.mark.parametrize(
    ("changes", "trained", "found"),
    [
        ({"noise": 200.0}, "noise 50 e", "noise 200 e"),
        (
            {"noise": 0.0, "bias": 150.0},
            "noise 50 e, bias 100 V for 100 um",
            "noise 0 e, bias 150 V for 100 um",
        ),
        (
            {"temperature": 293.0, "depletion": 20.0},
            "depletion 7.7 V for 100 um, 263 K",
            "depletion 20 V for 100 um, 293 K",
        ),
        ({"threshold_dispersion": 60.0}, "its dispersion 0 e", "its dispersion 60 e"),
    ],
)
def test_another_readout_or_sensor_condition_than_in_training_is_told_with_the_numbers(
    shipped, kind, changes, trained, found
):
    header = readout(**changes)
    lines = training_differs(header, shipped[kind])
    names = {
        "mdn": ["mdn-barrel", "mdn-endcap"],
        "shape": ["shape-50x12.5x100"],
        "quantised": ["fixed-barrel", "fixed-endcap"],
    }
    of = " (barrel and endcap)" if kind == "shape" else ""
    assert [line.split()[0] for line in lines] == names[kind]
    for line in lines:
        assert line.partition(" was ")[2].startswith(f"trained with {trained}; the file has {found} (")
        assert line.endswith(of)


@pytest.mark.parametrize(
    ("changes", "trained", "found"),
    [
        ({"adc_bits": 2}, "ADC of 4 bits (0: analogue)", "ADC of 2 bits (0: analogue)"),
        ({"adc_bits": 0, "adc_max": 9e3}, "ADC of 4 bits (0: analogue)", "ADC of 0 bits (0: analogue)"),
        (
            {"threshold": 900.0, "adc_max": 8e3},
            "threshold 300 e, ADC up to 16000 e",
            "threshold 900 e, ADC up to 8000 e",
        ),
    ],
)
def test_another_adc_than_a_float_networks_is_told_and_a_quantised_one_refuses_it_with_its_name(
    shipped, changes, trained, found
):
    header = readout(**changes)
    lines = training_differs(header, shipped["mdn"])
    assert lines[0] == f"mdn-barrel was trained with {trained}; the file has {found} (barrel)"
    if changes.get("adc_bits", 4):
        with pytest.raises(InputError, match="fixed-barrel: the charges were digitised with the edges"):
            choose_estimator(header, "quantised")
    else:
        chosen = choose_estimator(header, "quantised", conditions="ignore")
        assert training_differs(header, trained_in(chosen)) == []


def test_a_file_that_is_alike_or_does_not_say_differs_in_nothing(shipped):
    for header in (readout(), readout(noise=50.5), Header(embedded_detector(), 3.8, SLICES, {"options": 3})):
        for kind in ("mdn", "shape", "quantised"):
            assert training_differs(header, shipped[kind]) == []


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"options": 5}, "'made_by.options'"), ({"options": "-o x"}, "'made_by.options'"),
        ({"readout": [1]}, "'made_by.readout'"),
        ({"options": {"sensor": 1, "readout": "x"}}, "'made_by.options.sensor', 'made_by.options.readout'"),
        ({"options": {"readout": {"noise": "50"}}}, "'made_by.options.readout.noise'"),
        ({"readout": {"threshold": float("nan"), "adc_max": True}}, "'made_by.readout.threshold', 'made_by.readout.adc_max'"),
    ],
)  # fmt: skip
def test_a_readout_that_cannot_be_read_is_told(shipped, said, names):
    header = Header(embedded_detector(), 3.8, SLICES, said)
    (line,) = readout_untold(header)
    assert line.startswith(f"the file does not tell its readout: in its metadata {names} cannot be read. ")
    for kind in ("mdn", "shape", "quantised"):
        assert training_differs(header, shipped[kind]) == []


def test_a_readout_that_is_told_or_not_there_is_none_that_cannot_be_read():
    for header in (
        readout(),
        *(Header(embedded_detector(), 3.8, SLICES, told) for told in ({}, {"readout": None})),
    ):
        assert readout_untold(header) == []


def test_a_region_that_the_file_does_not_have_is_not_told_of(shipped):
    header = readout(noise=0.0)
    barrel = Header(part_of(header.detector, header.detector.barrel), 3.8, SLICES, header.made_by)
    assert [line.split()[0] for line in training_differs(barrel, shipped["mdn"])] == ["mdn-barrel"]


def test_weights_trained_on_a_data_set_as_it_is_were_without_noise_and_threshold(tmp_path):
    arrays, description = load_weights("mdn-barrel", "mdn-columns")
    data = {"command": "smartpix simulate clusters", "options": {"sensor": {"bias": 100.0}}, "readout": None}
    save_weights(tmp_path / "w.safetensors", arrays, {**description, "data": data, "calibrated_on": {}})
    estimator = choose_estimator(
        readout(bias=120.0), "mdn", EstimateWeights(str(tmp_path / "w.safetensors")), conditions="ignore"
    )
    told = "noise 0 e, threshold 0 e, ADC of 0 bits (0: analogue), bias 100 V for 100 um"
    found = "noise 50 e, threshold 300 e, ADC of 4 bits (0: analogue), bias 120 V for 100 um"
    lines = training_differs(readout(bias=120.0), estimator)
    assert lines[0] == f"{tmp_path / 'w.safetensors'} was trained with {told}; the file has {found} (barrel)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [50.0, 150.0])
def test_half_the_bias_of_the_training_more_or_less_is_refused_and_can_be_ignored(kind, bias):
    """Of the shipped estimates, in whatever conditions these were trained."""
    data = next(iter(choose_estimator(unsaid(), kind).descriptions.values()))["data"]
    header = readout(data, bias=bias, randomise={})
    choose_estimator(readout(data, randomise={}), kind)
    with pytest.raises(InputError) as error:
        choose_estimator(header, kind)
    message = str(error.value)
    trained = CONDITIONS["bias"].told(*conditions(data)["bias"])
    assert f"was trained with {trained}; the file has bias {bias:g} V" in message
    assert message.endswith("set conditions=ignore")
    assert "\n" not in message
    choose_estimator(header, kind, conditions="ignore")
    with pytest.raises(InputError, match="conditions must be check or ignore and is 'no'"):
        choose_estimator(header, kind, conditions="no")


@pytest.mark.parametrize(
    "name",
    ["bias", "depletion", "temperature", "charge_scale", "lorentz_scale", "threshold", "threshold_scale", "adc_max"],
)  # fmt: skip
def test_without_ranges_a_mistake_of_10_percent_is_warned_of_and_one_of_50_refused(shipped, name):
    options = made_by()["options"]
    nominal = {**options, **options["readout"]}.get(name, 1.0)
    for factor, told, refused in [
        (0.985, False, False), (1.015, False, False), (0.9, True, False), (1.1, True, False),
        (0.5, True, True), (1.5, True, True),
    ]:  # fmt: skip
        lines = [
            training_differs(readout(**{name: factor * nominal}), shipped["mdn"], least) for least in (1, 2)
        ]
        assert [len(of) for of in lines] == [2 * told, 2 * refused], (name, factor)


HALF = {"bias": 0.12, "temperature": 0.1, "lorentz": 0.15, "charge": 0.12, "noise": 0.4, "threshold": 0.15,
        "sigma_t": 0.3, "phase": 50.0}  # fmt: skip
BUNCH = {"clock": "bunch", "sigma_t": 180.0}


@pytest.mark.parametrize("name", HALF)
def test_the_ends_of_the_trained_range_its_tolerance_and_the_end_of_warnings(shipped, name):
    estimator = trained_in(shipped["mdn"], **BUNCH, randomise=HALF)
    condition = RANDOMISED.get(name, "phase")
    low, high = conditions(made_by(**BUNCH))[condition]
    assert low == high
    half = HALF[name] if name == "phase" else HALF[name] * low
    tolerance = max(0.02 * low, CONDITIONS[condition].tolerance)
    # By how much outside of the range a file may be.
    silent, warned = tolerance, max(half, 0.2 * low - half, 2 * CONDITIONS[condition].tolerance)
    assert 0 < silent < warned
    for outside, told, refused in [
        (-half, 0, 0), (0, 0, 0), (0.999 * silent, 0, 0), (1.001 * silent, 2, 0),
        (0.999 * warned, 2, 0), (1.001 * warned, 2, 2),
    ]:  # fmt: skip
        for sign in (-1, 1):
            value = low + sign * (half + outside)
            changes = {**BUNCH, condition: value}
            if condition == "threshold":
                changes = {**BUNCH, "threshold_scale": value / low}
            lines = [training_differs(readout(**changes), estimator, least) for least in (1, 2)]
            assert [len(of) for of in lines] == [told, refused], (outside, sign)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("fluence", 5e13), ("common_mode", 5.0), ("threshold_dispersion", 10.0), ("jitter", 30.0), ("phase", 20.0), ("sigma_t", 20.0)],
)  # fmt: skip
def test_conditions_that_were_0_in_training_have_absolute_tolerances(shipped, name, tolerance):
    estimator = trained_in(shipped["mdn"], clock="bunch")
    for value, told, refused in [(0.99, 0, 0), (1.01, 2, 0), (1.99, 2, 0), (2.01, 2, 2)]:
        header = readout(clock="bunch", **{name: value * tolerance})
        assert [len(training_differs(header, estimator, least)) for least in (1, 2)] == [told, refused]


def test_ranges_are_told_and_a_file_of_randomised_events_is_one_itself(shipped):
    estimator = trained_in(shipped["mdn"], randomise=HALF)
    (line, _) = training_differs(readout(bias=70.0), estimator)
    assert "bias 88 to 112 V for 100 um; the file has bias 70 V" in line
    assert training_differs(readout(randomise=HALF), estimator) == []
    # The same events are outside of what estimates of one bias know.
    assert "has noise 30 to 70 e" in training_differs(readout(randomise=HALF), shipped["mdn"])[0]


def test_another_clock_is_refused_except_by_estimates_of_the_last_slice_alone(shipped):
    header = readout(**BUNCH)
    (line, _) = training_differs(header, shipped["mdn"], 2)
    # Nothing of the spread, which an ideal clock does not have.
    assert line.endswith("clock 'crossing'; the file has clock 'bunch' (barrel)")
    last = dataclasses.replace(shipped["shape"], slices=(19,))
    assert training_differs(header, last) == []


def test_older_simulations_had_the_defaults_and_others_files_say_nothing(shipped):
    old = made_by()
    options = old["options"]
    for part, names in (
        (options, ("charge_scale", "lorentz_scale", "fluence", "randomise")), (options["beam_spot"], ("sigma_t",)),
        (options["readout"], ("clock", "phase", "jitter", "common_mode", "threshold_scale")),
    ):  # fmt: skip
        for name in names:
            del part[name]
    before = with_data(shipped["mdn"], old)
    assert training_differs(readout(), before) == training_differs(readout(old), shipped["mdn"]) == []
    assert "charge scale 1;" in training_differs(readout(charge_scale=1.3), before, 2)[0]
    assert "0 neq/cm2; the file has 5e+15" in training_differs(readout(fluence=5e15), before, 2)[0]
    # They were ideal, whatever the defaults are now.
    assert "clock 'crossing';" in training_differs(readout(clock="bunch"), before, 2)[0]
    for command in ("smartpix convert acts-csv", "smartpix convert trackml"):
        assert conditions({"command": command, "options": {"field": 3.8}}) == {}
    assert "common_mode" in conditions(old)
    assert "common_mode" not in conditions({**old, "command": "other"})


def test_voltages_of_data_sets_are_compared_for_equal_thickness():
    options = DatasetOptions(sensor=sensor_of_type(7))
    said = {"command": "smartpix simulate clusters", "options": dataclasses.asdict(options)}
    bias, depletion = (conditions(said)[name][0] for name in ("bias", "depletion"))
    assert bias == pytest.approx(175 / 1.5)
    assert depletion == pytest.approx(7.7)


@pytest.mark.parametrize("kind", KINDS)
def test_clusters_of_irradiated_sensors_are_refused_by_the_shipped_estimates(kind):
    data = next(iter(choose_estimator(unsaid(), kind).descriptions.values()))["data"]
    with pytest.raises(InputError, match=r"trained with 0 neq/cm2; the file has 5e\+15 neq/cm2"):
        choose_estimator(readout(data, randomise={}, fluence=5e15), kind)


def test_the_fluence_of_data_sets_is_that_of_their_sensor():
    options = DatasetOptions(sensor=dataclasses.replace(sensor_of_type(2), fluence=2.5e15))
    said = {"command": "smartpix simulate clusters", "options": dataclasses.asdict(options)}
    assert conditions(said)["fluence"] == (2.5e15, 2.5e15)
    del said["options"]["sensor"]["fluence"]
    assert conditions(said)["fluence"] == (0, 0)


def test_quantised_networks_take_analogue_charges(shipped):
    assert training_differs(readout(adc_bits=0), shipped["quantised"]) == []
    data = choose_estimator(unsaid(), "mdn").descriptions["barrel"]["data"]
    with pytest.raises(InputError, match="ADC of 4 bits"):
        choose_estimator(readout(data, randomise={}, adc_bits=0), "mdn")

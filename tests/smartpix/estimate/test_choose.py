"""Which estimates serve which file."""

import dataclasses

import numpy as np
import pytest

from smartpix.chip.fixed_point import adc_codes, evaluate
from smartpix.clusters import flatten, windows
from smartpix.estimate import choose
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator, trained_on_others
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.estimate.options import EstimateWeights
from smartpix.export.clusters import load_fixed
from smartpix.geometry import Detector
from smartpix.io.events import Header, iterate, open_events
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import TARGET_SCALE, InputError
from smartpix.shipped import data_path
from smartpix.simulate.options import SimulateOptions
from tests.helpers import REPOSITORY, SENSOR, embedded_detector, part_of

SAMPLE = REPOSITORY / "data" / "sample.root"
SCALE = np.array(TARGET_SCALE)


def changed(detector, **columns):
    n = len(detector)
    return Detector({**detector.columns, **{name: np.full(n, value) for name, value in columns.items()}})


@pytest.fixture
def pair(mdn_weights, endcap_weights):
    return EstimateWeights(str(mdn_weights["columns"]), str(endcap_weights["conv"]))


@pytest.mark.parametrize("kind", ["auto", "mdn"])
def test_network_serves_the_sensor_it_was_trained_for(pair, kind):
    for chosen in (slice(None), slice(0, 5)):
        for field in (3.8, -3.8):
            estimator = choose_estimator(
                Header(part_of(embedded_detector(), chosen), field, (0, 5, 19)), kind, pair
            )
            assert isinstance(estimator, MdnEstimator)
            assert tuple(estimator.slices) == (0, 19)


@pytest.mark.parametrize(
    ("column", "field", "slices"),
    [({"pitch_u": 0.02}, 3.8, (0, 19)), ({}, 2.5, (0, 19)), ({}, 3.8, (0, 10)), ({}, -2.5, (0, 19))],
)
def test_network_is_not_given_to_another_sensor_field_or_readout(pair, column, field, slices):
    header = Header(changed(embedded_detector(), **column), field, slices)
    with pytest.raises(
        InputError, match=r"no mdn trained for the sensor, .*columns\.safetensors with .*`smartpix train"
    ) as error:
        choose_estimator(header, "mdn", pair)
    assert "{" not in str(error.value)
    assert "for 50 x 12.5 x 100 µm in 3.8 T, slices 0 and 19. Train" in str(error.value)


def test_sensors_and_slices_are_told_in_words():
    two = {"barrel": SENSOR, "endcap": {**SENSOR, "thickness": 0.3, "field": 2.0}}
    assert (
        choose._words(two, [19])
        == "barrel 50 x 12.5 x 100 µm in 3.8 T, endcap 50 x 12.5 x 300 µm in 2 T, slice 19"
    )
    assert (
        choose._words({"barrel": SENSOR}, [0, 5, 19])
        == "barrel 50 x 12.5 x 100 µm in 3.8 T, slices 0, 5 and 19"
    )
    assert (
        choose._words(dict.fromkeys(two, SENSOR), [0, 19]) == "50 x 12.5 x 100 µm in 3.8 T, slices 0 and 19"
    )


@pytest.mark.parametrize("kind", ["mdn", "quantised"])
def test_weights_of_the_other_region_are_refused_and_named(kind):
    header = Header(embedded_detector(), 3.8, (0, 19))
    name = {"mdn": "mdn", "quantised": "fixed"}[kind]
    swapped = EstimateWeights(**{f"{name}_barrel": f"{name}-endcap", f"{name}_endcap": f"{name}-barrel"})
    with pytest.raises(
        InputError, match=f"{name}-endcap: was trained on clusters of the endcap and is given for the barrel"
    ):
        choose_estimator(header, kind, swapped)
    with pytest.raises(
        InputError, match=f"{name}-barrel: was trained on clusters of the barrel and is given for the endcap"
    ):
        choose_estimator(header, kind, EstimateWeights(**{f"{name}_endcap": f"{name}-barrel"}))


def test_shipped_networks_serve_the_embedded_detector():
    for kind in ("auto", "mdn"):
        slices = SimulateOptions().readout.slices
        assert isinstance(choose_estimator(Header(embedded_detector(), 3.8, slices), kind), MdnEstimator)


def test_unknown_kind_of_estimates_is_refused():
    with pytest.raises(InputError, match=r"estimates 'cnn' are unknown.* Use auto, mdn, quantised, shape"):
        choose_estimator(Header(embedded_detector(), 3.8, (0, 19)), "cnn")


def test_quantised_estimates_are_what_the_chip_sends():
    header = open_events(data_path("sample.root")).header
    _, events = next(iterate([data_path("sample.root")], step=1, stop=1))
    clusters = events[0]["clusters"]
    whole, coarse, coarsest = (
        estimate(clusters, header, choose_estimator(header, "quantised", link_bits=bits))
        for bits in (0, 6, 4)
    )
    flat = flatten(clusters, header.slices)
    network, description = load_fixed("fixed-barrel")
    barrel = np.flatnonzero(header.detector.barrel[flat.module])
    images, _ = windows(flat.take(barrel))
    raw = evaluate(network, adc_codes(images, network.edges)) * 2.0 ** -network.outputs["dense3"].fraction
    mean, cholesky = MdnNetwork.load("fixed-barrel").finish(raw, None, flat.take(barrel).truncated)
    np.testing.assert_allclose(whole.mean[barrel, 2:], mean[:, 2:], rtol=1e-12)
    np.testing.assert_allclose(whole.cholesky[barrel], cholesky, rtol=1e-12)
    assert description["region"] == "barrel"
    # Fewer bits on the link: other numbers, mostly within what the network says it does not know.
    off = np.abs(coarse.mean - whole.mean) / whole.sigma()
    assert 0 < np.median(off) < 0.5
    # What is cut off is in the covariance. With 6 bits it is less than what the sigmas themselves are rounded by.
    assert np.all(np.median(coarsest.sigma() / whole.sigma(), axis=0) > 1.03)


def test_link_bits_need_a_chip(pair):
    header = Header(embedded_detector(), 3.8, (0, 19))
    with pytest.raises(InputError, match="which no chip sends; use quantised"):
        choose_estimator(header, "mdn", pair, link_bits=8)
    with pytest.raises(InputError, match="link_bits must be 0, or 2 to 16 and is 40"):
        choose_estimator(header, "quantised", link_bits=40)
    floats = EstimateWeights(fixed_barrel="mdn-barrel", fixed_endcap="mdn-endcap")
    with pytest.raises(InputError, match="mdn-barrel is of floating point"):
        choose_estimator(header, "quantised", floats)
    with pytest.raises(InputError, match="floating-point estimates are not sent"):
        choose_estimator(header, "quantised", floats, link_bits=8)


def test_charges_of_another_adc_are_refused():
    _, description = load_fixed("fixed-barrel")
    readout, slices = description["data"]["options"]["readout"], tuple(description["slices"])
    told = {
        "command": "test",
        "options": {
            "readout": {"threshold": readout["threshold"], "adc_bits": 3, "adc_max": readout["adc_max"]}
        },
    }
    header = Header(embedded_detector(), 3.8, slices, told)
    with pytest.raises(InputError, match="fixed-barrel: the charges were digitised with the edges"):
        choose_estimator(header, "quantised")
    told["options"]["readout"]["adc_bits"] = 0
    assert choose_estimator(header, "quantised").slices == slices


SIMULATED = "smartpix simulate crossings"


@pytest.mark.parametrize(
    ("file", "trained", "others"),
    [
        ("smartpix convert acts-csv", SIMULATED, True),
        ("smartpix convert acts-root", "smartpix train", True),
        ("smartpix convert acts-csv", "smartpix convert acts-root", False),
        ("smartpix simulate events", SIMULATED, False),
        ("smartpix convert trackml", SIMULATED, False),
    ],
)
def test_estimates_trained_on_other_clusters_than_those_of_acts_are_told(tmp_path, file, trained, others):
    arrays, description = load_weights("shape-50x12.5x100", "shape-mlp-v1")
    save_weights(
        tmp_path / "w.safetensors", arrays, {**description, "data": {"command": trained}, "calibrated_on": {}}
    )
    header = dataclasses.replace(open_events(SAMPLE).header, made_by={"command": file})
    estimator = choose_estimator(header, "shape", EstimateWeights(shape=str(tmp_path / "w.safetensors")))
    assert trained_on_others(header, estimator) == others
    simulated = {**estimator.descriptions["endcap"], "data": {"command": SIMULATED}}
    mixed = dataclasses.replace(estimator, descriptions={**estimator.descriptions, "endcap": simulated})
    assert trained_on_others(header, mixed) == ("acts" in file)

"""The simulated data sets: labels against the talk's geometry, spectra, Lorentz shift, all sensors and array
sizes.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from smartpix.io.cluster_set import LABELS
from smartpix.schema import InputError
from smartpix.simulate import datasets
from smartpix.simulate.dataset_options import sensor_of_type
from smartpix.simulate.datasets import (
    SENSOR_TYPES,
    DatasetOptions,
    beta_angle,
    iterate_dataset,
    simulate_dataset,
)  # fmt: skip
from smartpix.simulate.options import GroupOptions

PION = 0.13957


@pytest.fixture(scope="module", params=["2s", "3s", "4s"])
def sample(request):
    return request.param, simulate_dataset(DatasetOptions(request.param, slices=(0, 19)), 1500, 7)


@pytest.fixture(scope="module")
def barrel():
    return simulate_dataset(DatasetOptions("2s", slices=(0, 19)), 3000, 3)


def centroid(clusters, sensor, s=-1):
    """Charge-weighted x and y (um from the origin pixel's centre) of the clusters that the array holds
    whole.
    """
    charge = clusters.charge[:, s].astype(float)
    total = charge.sum(axis=(1, 2))
    held = total > 0.98 * clusters.labels["number_eh_pairs"]
    rows, columns = charge.shape[1:]
    x = (np.arange(columns) - (columns - 1) // 2) * sensor.pitch_x * 1e3
    y = (np.arange(rows) - (rows - 1) // 2) * sensor.pitch_y * 1e3
    return (charge.sum(axis=1) @ x / total)[held], (charge.sum(axis=2) @ y / total)[held], held


# --- labels


def test_labels_are_those_of_the_public_files_and_images_have_their_shape(sample):
    _, clusters = sample
    assert list(clusters.labels) == list(LABELS)
    assert clusters.charge.shape == (1500, 2, 13, 21)
    assert clusters.charge.dtype == np.float32
    assert clusters.slices == (0, 19)
    assert all(v.shape == (1500,) and np.all(np.isfinite(v)) for v in clusters.labels.values())
    # As in the public files, in tenths of an electron.
    np.testing.assert_allclose(clusters.charge, np.round(clusters.charge.astype(float), 1), atol=2e-3)


def test_midplane_follows_from_the_entry_and_lies_on_the_3_by_3_central_pixels(sample):
    _, clusters = sample
    label = clusters.labels
    for axis, cot in (("x", "cotAlpha"), ("y", "cotBeta")):
        wanted = label[f"{axis}-entry"] + label[cot] * (50 - label["z-entry"])
        np.testing.assert_allclose(label[f"{axis}-midplane"], wanted, atol=1e-9)
    for axis, pitch in (("x", 50), ("y", 12.5)):
        place = label[f"{axis}-midplane"] / pitch
        assert np.abs(place).max() <= 1.5
        assert kstest(place, "uniform", (-1.5, 3)).pvalue > 1e-4


def test_momentum_angles_and_pt_agree(sample):
    name, clusters = sample
    label = clusters.labels
    n = np.stack([label["n_x"], label["n_y"], label["n_z"]])
    np.testing.assert_allclose(label["cotAlpha"], n[0] / n[2], rtol=1e-12)
    np.testing.assert_allclose(label["cotBeta"], n[1] / n[2], rtol=1e-12)
    # x runs along the beam in the barrel, outwards in the end-caps; z outwards and along the beam.
    transverse = np.hypot(n[0], n[1]) if name == "4s" else np.hypot(n[1], n[2])
    np.testing.assert_allclose(np.abs(label["pt"]), transverse, rtol=1e-12)
    assert np.mean(label["pt"] > 0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["2s", "3s"])
@pytest.mark.parametrize("from_far_side", [False, True])
def test_angle_beta_is_that_of_the_talk(name, from_far_side):
    """Beta = pi/2 - dphi - atan(y_local / R) with sin(dphi) = 0.3 q B R / (2 pT), exactly, in the columns of
    the file.
    """
    label = simulate_dataset(DatasetOptions(name, slices=(19,), from_far_side=from_far_side), 800, 5).labels
    bend = np.arcsin(0.3 * 3.8 * 0.030 / (2 * label["pt"]))
    beta = np.pi / 2 - bend - np.arctan(label["y-local"] / 30.0)
    np.testing.assert_allclose(label["cotBeta"], 1 / np.tan(beta), rtol=1e-10, atol=1e-12)
    # The array is a whole number of pixels from the middle of a module 16 mm wide.
    np.testing.assert_allclose(label["y-local"] / 0.0125, np.rint(label["y-local"] / 0.0125), atol=1e-9)
    assert 7.5 < np.abs(label["y-local"]).max() <= 8.0


def test_bending_angle_is_17_mrad_over_pt():
    assert np.pi / 2 - beta_angle(np.array([1.0]), np.array([0.0]), 30.0, 3.8)[0] == pytest.approx(
        17.1e-3, rel=1e-3
    )
    pt = np.array([2.0, 10.0, -5.0])
    np.testing.assert_allclose((np.pi / 2 - beta_angle(pt, np.zeros(3), 30.0, 3.8)) * pt, 17.1e-3, rtol=1e-3)
    # Straight tracks: the angle at which the middle of the beam line sees the place.
    np.testing.assert_allclose(
        1 / np.tan(beta_angle(np.array([1e9]), np.array([6.0]), 30.0, 3.8)), 0.2, rtol=1e-6
    )


def test_angle_alpha_covers_what_the_talk_shows(sample):
    name, clusters = sample
    cot = clusters.labels["cotAlpha"]
    if name == "4s":
        assert 0 < cot.min() < 0.15
        assert 0.4 < cot.max() < 0.55
        # |eta| from 1.4 to 3.
        beam = np.hypot(cot, clusters.labels["cotBeta"])
        np.testing.assert_allclose([beam.min(), beam.max()], 1 / np.sinh([3.0, 1.4]), rtol=0.02)
        return
    beta = np.arctan2(1, clusters.labels["cotBeta"])
    eta = np.arcsinh(cot * np.sin(beta))
    assert kstest(eta, "uniform", (-np.arcsinh(8), 2 * np.arcsinh(8))).pvalue > 1e-4


@pytest.mark.parametrize("from_far_side", [False, True])
def test_entry_side(from_far_side):
    label = simulate_dataset(DatasetOptions(slices=(19,), from_far_side=from_far_side), 500, 2).labels
    np.testing.assert_array_equal(label["z-entry"], 0.0 if from_far_side else 100.0)
    assert np.all((label["n_z"] > 0) == from_far_side)
    np.testing.assert_allclose(
        label["y-midplane"], label["y-entry"] + label["cotBeta"] * (50 - label["z-entry"]), atol=1e-9
    )


# --- spectra


def test_flat_data_set_is_flat_in_pt():
    label = simulate_dataset(DatasetOptions("3s", slices=(19,), pt=(0.5, 5.0)), 3000, 1).labels
    assert kstest(np.abs(label["pt"]), "uniform", (0.5, 4.5)).pvalue > 1e-3


@pytest.mark.parametrize("name", ["2s", "4s"])
def test_physical_pt_falls_as_the_tsallis_spectrum_of_pions(name):
    pt = np.abs(simulate_dataset(DatasetOptions(name, slices=(19,)), 3000, 1).labels["pt"])

    def density(x):
        return x * (1 + (np.sqrt(x * x + PION**2) - PION) / (6.6 * 0.13)) ** -6.6

    whole = quad(density, 0.1, 10)[0]
    assert kstest(pt, np.vectorize(lambda x: quad(density, 0.1, x)[0] / whole)).pvalue > 1e-3
    counts = np.histogram(pt, [0.25, 0.5, 1, 2, 4])[0] / np.diff([0.25, 0.5, 1, 2, 4])
    assert np.all(np.diff(counts) < 0)
    # Minimum bias at the LHC has <pT> of half a GeV.
    assert pt.mean() == pytest.approx(0.5, abs=0.1)


# --- charge


def test_charge_is_complete_in_the_last_slice_of_contained_clusters(barrel):
    total = barrel.charge[:, -1].astype(float).sum(axis=(1, 2))
    pairs = barrel.labels["number_eh_pairs"]
    assert np.all(total <= pairs + 0.5)
    assert np.mean(np.abs(total - pairs) < 0.5) > 0.95
    early = barrel.charge[:, 0].astype(float).sum(axis=(1, 2)) / pairs
    assert 0.1 < np.median(early) < 0.3
    assert np.mean(barrel.charge[:, 0].min(axis=(1, 2)) < 0) > 0.95


def test_pairs_per_path_are_those_of_pions(barrel):
    label = barrel.labels
    path = 100 * np.sqrt(1 + label["cotAlpha"] ** 2 + label["cotBeta"] ** 2)
    fast = np.abs(label["n_z"]) > 0.5
    short = fast & (path < 150)
    assert 66 < np.median(label["number_eh_pairs"][short] / path[short]) < 84
    # Slow pions ionise more.
    momentum = np.sqrt(label["n_x"] ** 2 + label["n_y"] ** 2 + label["n_z"] ** 2)
    slow = momentum < 0.2
    per_path = label["number_eh_pairs"] / path
    assert np.median(per_path[slow]) > 1.03 * np.median(per_path[momentum > 0.5])


def test_lorentz_drift_moves_the_barrels_charge_by_16_um_towards_minus_y(barrel):
    x, y, held = centroid(barrel, SENSOR_TYPES[2])
    assert np.median(y - barrel.labels["y-midplane"][held]) == pytest.approx(-16.2, abs=0.8)
    assert np.mean(y - barrel.labels["y-midplane"][held]) == pytest.approx(-16.2, abs=1.0)
    assert np.median(x - barrel.labels["x-midplane"][held]) == pytest.approx(0, abs=2.0)
    # The slope of the charge over the label is 1: nothing is mirrored.
    assert np.polyfit(barrel.labels["y-midplane"][held], y, 1)[0] == pytest.approx(1, abs=0.05)
    assert np.polyfit(barrel.labels["x-midplane"][held], x, 1)[0] == pytest.approx(1, abs=0.05)


def test_lorentz_drift_turns_with_the_field_and_is_absent_in_the_end_caps():
    for name, field, wanted in (("2s", -3.8, 16.2), ("2s", 2.0, -16.2 * 2.0 / 3.8), ("4s", 3.8, 0.0)):
        clusters = simulate_dataset(DatasetOptions(name, field=field, slices=(19,)), 1000, 4)
        _, y, held = centroid(clusters, SENSOR_TYPES[2])
        assert np.median(y - clusters.labels["y-midplane"][held]) == pytest.approx(wanted, abs=0.8)


def test_inclined_tracks_are_seen_first_where_they_are_near_the_pixels(barrel):
    """z runs towards the pixels and cot alpha = dx/dz: early charge lies at larger x for positive cot
    alpha.
    """
    (early, *_), (late, _, held) = (centroid(barrel, SENSOR_TYPES[2], s) for s in (0, -1))
    positive = np.maximum(barrel.charge[:, 0].astype(float), 0)
    x = (np.arange(21) - 10) * 50.0
    early = (positive.sum(axis=1) @ x / positive.sum(axis=(1, 2)))[held]
    assert np.corrcoef(early - late, barrel.labels["cotAlpha"][held])[0, 1] > 0.7


# --- sensors, arrays, seeds


def test_sensor_types_are_those_of_the_talk():
    pitches = [(50, 10), (50, 12.5), (50, 15), (50, 20), (50, 25), (100, 25), (100, 25)]
    assert [(s.pitch_x * 1e3, s.pitch_y * 1e3) for s in (sensor_of_type(k) for k in range(1, 8))] == pitches
    assert [(s.thickness * 1e3, s.bias) for s in SENSOR_TYPES.values()] == 6 * [(100, 100)] + [(150, 175)]
    # The same bulk: depletion voltage over thickness squared.
    assert len({round(s.depletion / s.thickness**2, 6) for s in SENSOR_TYPES.values()}) == 1


@pytest.mark.parametrize("number", sorted(SENSOR_TYPES))
def test_every_sensor_and_array_works(number):
    sensor, n = sensor_of_type(number), 400
    t = sensor.thickness * 1e3
    for n_rows, n_columns in ((13, 21), (16, 16)):
        options = DatasetOptions(
            "3s", sensor, slices=(0, 19), n_rows=n_rows, n_columns=n_columns, max_cot_alpha=2.0
        )
        clusters = simulate_dataset(options, n, 6)
        label = clusters.labels
        assert clusters.charge.shape == (n, 2, n_rows, n_columns)
        _, y, held = centroid(clusters, sensor)
        assert held.mean() > 0.9
        # Mean drift over half of the thickness: tan 0.33 at 1 V/um, 0.30 at 1.17 V/um.
        wanted = -21.8 if number == 7 else -16.2
        assert np.median(y - label["y-midplane"][held]) == pytest.approx(wanted, abs=1.5)
        np.testing.assert_allclose(
            label["x-midplane"], label["x-entry"] + label["cotAlpha"] * (t / 2 - label["z-entry"]), atol=1e-9
        )
        slope = np.sqrt(1 + label["cotAlpha"] ** 2 + label["cotBeta"] ** 2)
        assert np.median(label["number_eh_pairs"] / slope / t) == pytest.approx(82, rel=0.08)


def test_all_slices_are_cumulative_and_the_two_slices_are_two_of_them():
    options = {"dataset": "2s"}
    every, two = (
        simulate_dataset(DatasetOptions(**options), 300, 8),
        simulate_dataset(DatasetOptions(**options, slices=(0, 19)), 300, 8),
    )
    assert every.charge.shape[1] == 20
    np.testing.assert_allclose(every.charge[:, [0, 19]], two.charge, atol=0.06)
    total = every.charge.astype(float).sum(axis=(0, 2, 3))
    assert np.all(np.diff(total) > -1e-3 * total[-1])
    np.testing.assert_allclose(total[13:], total[-1], rtol=1e-4)


def test_seed_decides_everything():
    one, two, other = (simulate_dataset(DatasetOptions(slices=(19,)), 200, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.charge, two.charge)
    for name in LABELS:
        np.testing.assert_array_equal(one.labels[name], two.labels[name])
    assert not np.array_equal(one.labels["pt"], other.labels["pt"])
    assert not np.array_equal(one.charge, other.charge)


def test_a_set_is_its_batches_one_after_the_other(monkeypatch):
    monkeypatch.setattr(datasets, "BATCH", 40)
    options = DatasetOptions(slices=(0, 19))
    whole, parts = simulate_dataset(options, 100, 1), list(iterate_dataset(options, 100, 1))
    assert [len(part) for part in parts] == [40, 40, 20]
    np.testing.assert_array_equal(whole.charge, np.concatenate([part.charge for part in parts]))
    for name in LABELS:
        np.testing.assert_array_equal(
            whole.labels[name], np.concatenate([part.labels[name] for part in parts])
        )
    assert whole.slices == (0, 19)


def test_wider_induction_reaches_more_pixels():
    few, many = (
        simulate_dataset(DatasetOptions(slices=(0, 19), induction=n), 150, 1).charge
        for n in ("pixelav", "full")
    )
    np.testing.assert_allclose(few[:, 1], many[:, 1], atol=0.06)
    assert np.sum(many[:, 0] != 0) > 1.5 * np.sum(few[:, 0] != 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"dataset": "5s"}, "dataset must be one of 2s, 3s, 4s, merged and is '5s'"),
        ({"groups": GroupOptions((2,))}, "groups are given and clusters of 2s are of one track each"),
        ({"pt": (2.0, 1.0)}, "pt must be two rising values"),
        ({"pt": (0.01, 1.0)}, r"above 0\.018 GeV"),
        ({"eta": (3.0, 1.0)}, "eta must be"),
        ({"n_rows": 2}, "n_rows must be at least 3"),
        ({"n_columns": 1}, "n_columns must be at least 3"),
        ({"max_cot_alpha": 0.0}, "max_cot_alpha must be positive"),
        ({"half_width": 0.0}, "half_width must be positive"),
        ({"half_width": float("nan")}, "half_width must be positive"),
        ({"radius": float("inf")}, "radius must be positive"),
        ({"field": float("nan")}, "field must be a number of T from -20 to 20 and is nan"),
        ({"field": 38.0}, "field must be a number of T from -20 to 20 and is 38"),
        ({"pt": (0.1, float("inf"))}, "pt must be two rising values"),
        # On the edge of the module the track's own bend adds to the angle at which it is seen from the beam.
        ({"pt": (0.02, 1.0), "half_width": 20.0}, r"pt must be two rising values above 0\.021 GeV"),
    ],
)
def test_senseless_options_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        DatasetOptions(**options)


def test_tracks_of_the_lowest_pt_cross_the_module_wherever_they_do():
    """The largest bend and the largest atan(y_local / R) together stay below 90 degrees."""
    label = simulate_dataset(
        DatasetOptions("3s", pt=(0.0208, 0.0215), half_width=20.0, slices=(19,)), 300, 1
    ).labels
    assert np.abs(label["cotBeta"]).max() > 3
    bend = np.arcsin(0.3 * 3.8 * 0.030 / (2 * label["pt"]))
    assert np.all(np.abs(bend + np.arctan(label["y-local"] / 30.0)) < np.pi / 2)
    np.testing.assert_array_equal(np.sign(label["cotAlpha"]), np.sign(label["n_x"] / label["n_z"]))


@pytest.mark.parametrize(("n_rows", "n_columns"), [(13, 21), (16, 16), (15, 16)])
def test_crossings_are_centred_on_the_array_and_labels_on_the_origin_pixel(n_rows, n_columns):
    """PixelAV's origin for 13, 16 and 21 pixels is the centre of pixel 6, 7 and 10: ``(n + 1) / 2`` whole,
    less a half.
    """
    label = simulate_dataset(DatasetOptions(slices=(19,), n_rows=n_rows, n_columns=n_columns), 1500, 3).labels
    for axis, n, pitch in (("x", n_columns, 50.0), ("y", n_rows, 12.5)):
        off = n / 2 - ((n + 1) // 2 - 0.5)
        assert off == (0.5 if n == 16 else 0.0)
        assert kstest(label[f"{axis}-midplane"] / pitch, "uniform", (off - 1.5, 3)).pvalue > 1e-4


def test_unknown_sensor_type_and_empty_sample_are_refused():
    with pytest.raises(InputError, match="type 8 is unknown; there are 1: 50 x 10 x 100 um"):
        sensor_of_type(8)
    with pytest.raises(InputError, match="n must be at least 1"):
        simulate_dataset(DatasetOptions(), 0, 1)
    with pytest.raises(InputError, match="seed must be 0 or more"):
        simulate_dataset(DatasetOptions(), 1, -1)

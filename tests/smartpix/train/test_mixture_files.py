"""Networks of several components from files to particles: samples, training, calibration, both regions."""

import json
from dataclasses import asdict

import awkward as ak
import numpy as np
import pytest

from smartpix.clusters import flatten, windows
from smartpix.estimate.base import truth_targets, window_center
from smartpix.estimate.components import Components
from smartpix.estimate.mixture import MIXTURE, SET, MixtureNetwork
from smartpix.io.events import iterate
from smartpix.io.parquet import write_clusters
from smartpix.merged.mixture import ParticleNetworks
from smartpix.merged.samples import true_particles
from smartpix.networks.weights import load_weights
from smartpix.samples import Reading
from smartpix.schema import InputError
from smartpix.simulate.dataset_options import DatasetOptions
from smartpix.simulate.datasets import iterate_dataset
from smartpix.simulate.options import GroupOptions, SimulateOptions
from smartpix.train import components as of_components
from smartpix.train.components import component_samples
from tests.helpers import SENSOR
from tests.smartpix.merged.toys import groups_file
from tracking.cli.main import main

REGIONS = ("barrel", "endcap")
QUICK = [
    "--hidden", "8", "--filters", "2", "--epochs", "2", "--batch-size", "64", "--set", "validation_share=0.4",
    "--set", "min_share=0.8", "--json",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    groups_file(folder / "groups.root", crossings=3000, seed=52910)
    groups_file(folder / "other.root", crossings=3000, seed=52911)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """Weights of pairs by region, through the command line."""
    paths = {region: folder / f"{region}.safetensors" for region in REGIONS}
    for region, path in paths.items():
        command = ["train", "mixture", str(folder / "groups.root"), "-o", str(path), "--region", region]
        assert main([*command, "--particles", "2", *QUICK]) == 0
    return paths


def clusters_of(path):
    opened, events = next(iterate([path]))
    return opened.header, events[0]["clusters"], flatten(events[0]["clusters"], (2, 19))


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("region", REGIONS)
def test_a_sets_clusters_are_of_so_many_particles_and_have_their_truth(folder, region, n):
    header, records, flat = clusters_of(folder / "groups.root")
    detector = header.detector
    count, targets = true_particles(records)
    chosen = np.flatnonzero((detector.barrel[flat.module] == (region == "barrel")) & (count == n))
    found = component_samples(folder / "groups.root", region, SET, n)
    assert len(found) == len(chosen) > 100
    images, origin = windows(flat.take(chosen))
    np.testing.assert_array_equal(found.images[:, -1], images[:, -1])
    wanted = targets[chosen, :n]
    wanted[:, :, :2] -= window_center(origin, flat.module[chosen], detector)[:, None]
    np.testing.assert_allclose(found.targets, wanted, atol=1e-9)
    assert np.all(np.isfinite(found.targets))
    # Of three stands for more, too.
    share = records["truth"]["share"][chosen]
    assert ak.all(ak.sum(share >= 0.1, axis=1) >= n)


@pytest.mark.parametrize("min_share", [0.5, 0.95])
def test_a_mixtures_clusters_are_of_one_particle(folder, min_share):
    header, records, flat = clusters_of(folder / "groups.root")
    _, has = truth_targets(records, min_share)
    found = component_samples(folder / "groups.root", "barrel", MIXTURE, 2, min_share=min_share)
    assert len(found) == np.sum(has & header.detector.barrel[flat.module])


def test_each_cluster_is_answered_by_the_network_of_its_region(folder, trained):
    networks = ParticleNetworks.load(2, *(str(trained[region]) for region in REGIONS))
    header, _, flat = clusters_of(folder / "other.root")
    detector = header.detector
    rows = np.random.default_rng(1).permutation(len(flat))[:200]
    found = networks.components(flat, rows, detector, header.field)
    barrel = detector.barrel[flat.module[rows]]
    assert 20 < barrel.sum() < 180
    for region, here in (("barrel", barrel), ("endcap", ~barrel)):
        network = MixtureNetwork.load(str(trained[region]))
        alone = network.components(flat, rows[here], detector, header.field)
        np.testing.assert_allclose(found.mean[here], alone.mean, atol=1e-9)
        np.testing.assert_allclose(found.cholesky[here], alone.cholesky, atol=1e-9)
        other = MixtureNetwork.load(str(trained["endcap" if region == "barrel" else "barrel"]))
        elsewhere = other.components(flat, rows[here], detector, header.field)
        assert np.abs(found.mean[here] - elsewhere.mean).max() > 1e-3
    with pytest.raises(InputError, match="is for clusters of 2 particles in the endcap and was given for 2"):
        ParticleNetworks.load(2, str(trained["endcap"]), str(trained["barrel"]))


@pytest.mark.parametrize("region", REGIONS)
def test_calibrated_weights_keep_what_is_known_of_them(folder, trained, region, capsys):
    path = folder / f"calibrated-{region}.safetensors"
    capsys.readouterr()
    command = ["calibrate", str(trained[region]), str(folder / "other.root"), "-o", str(path), "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    before, after = (load_weights(p, "set-columns") for p in (trained[region], path))
    for name, values in before[0].items():
        np.testing.assert_array_equal(after[0][name], values)
    new = {"calibration", "truncated_scale", "metrics", "provenance", "calibrated_on", "checksum"}
    assert set(before[1]) <= set(after[1])
    assert {k: v for k, v in after[1].items() if k not in new} == {
        k: v for k, v in before[1].items() if k not in new
    }
    assert after[1]["calibration"] != before[1]["calibration"]
    assert after[1]["calibrated_on"]["seed"] == 52911
    assert told["n_calibration"] > 50
    samples = component_samples(folder / "other.root", region, SET, 2)
    network = MixtureNetwork.load(str(path))
    answer = network.predict_images(samples.images)
    assert isinstance(answer, Components)
    assert np.all(np.isfinite(answer.mean))


def test_too_few_clusters_to_calibrate_with_are_refused(folder, trained, tmp_path):
    few = groups_file(tmp_path / "few.root", crossings=150, seed=52913)
    with pytest.raises(
        InputError, match=r"few\.root: has \d+ barrel clusters .* and 100 are needed; give more"
    ):
        of_components.recalibrate_mixture(trained["barrel"], few, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_another_readout_than_the_trainings_is_told(folder, trained, tmp_path, caplog):
    """Windows have their true charges unless a readout is asked for; the networks know four bits."""
    path = tmp_path / "merged.parquet"
    options = DatasetOptions("merged", slices=(2, 19), groups=GroupOptions((2,), (0.3, 1.0)))
    made_by = {"command": "smartpix simulate clusters", "options": asdict(options)}
    write_clusters(path, list(iterate_dataset(options, 700, 52914)), made_by, SENSOR)
    told = []
    for k, readout in enumerate((None, SimulateOptions().readout)):
        caplog.clear()
        output = tmp_path / f"{k}.safetensors"
        of_components.recalibrate_mixture(trained["barrel"], path, output, Reading(None, readout))
        told.append(caplog.text)
    assert "barrel.safetensors: trained with noise 50 e, threshold 400 e, " in told[0]
    assert "ADC of 4 bits" in told[0]
    assert ", calibrated with noise 0 e, threshold 0 e" in told[0]
    assert "noise" not in told[1]


def test_mixtures_are_calibrated_on_clusters_as_they_were_trained_on(folder, tmp_path, monkeypatch):
    first, second = (str(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    command = ["train", "mixture", str(folder / "groups.root"), "-o", first, "--region", "endcap"]
    assert main([*command, "--components", "2", *QUICK]) == 0
    asked = []

    def samples(*arguments):
        asked.append(arguments[-1])
        return component_samples(*arguments)

    monkeypatch.setattr(of_components, "component_samples", samples)
    of_components.recalibrate_mixture(first, folder / "other.root", second)
    assert asked == [0.8]

"""Training of DeepCore on the embedded sample, whose hardest particles count as jets; and its report."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from smartpix.clusters import flatten
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.cli.main import main
from tracking.finders.deepcore.batches import PT_UNIT, batches, jet_event, jet_events, mirrored_batch
from tracking.finders.deepcore.jets import Jets
from tracking.finders.deepcore.network import DeepCoreNetwork, load_network, trained_with
from tracking.finders.deepcore.options import JetOptions, MapOptions, SeedCuts, TrainDeepCoreOptions
from tracking.finders.deepcore.report import SeedCounts, matched_seeds, seed_report
from tracking.finders.deepcore.seeds import CoreSeeds
from tracking.finders.deepcore.targets import make_targets
from tracking.finders.deepcore.train import train_deepcore
from tracking.finders.deepcore.windows import JetCrossings, MapLayers, jet_windows

SAMPLE = data_path("sample.root")
OPTIONS = TrainDeepCoreOptions(
    epochs=2, batch_size=16, validation_share=0.2, jets=JetOptions(min_pt=3.0, min_members=1)
)


@pytest.fixture(scope="module")
def events():
    train, held = jet_events([SAMPLE], OPTIONS, lambda line: None)
    assert (len(train), len(held)) == (8, 2)
    return train, held


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("deepcore") / "w.safetensors"
    lines = []
    return path, train_deepcore(SAMPLE, path, OPTIONS, lines.append), lines


def test_training_writes_weights_that_load(trained):
    path, metrics, lines = trained
    arrays, description = load_weights(path, "deepcore-v1")
    assert metrics["parameters"] == sum(values.size for values in arrays.values()) == 77_373
    assert metrics["n_train"] > metrics["n_test"] > 5
    assert math.isfinite(metrics["loss"])
    assert description["metrics"]["loss"] == metrics["loss"]
    assert len(lines) == 3
    assert load_network(str(path)).options == MapOptions()
    assert trained_with(str(path))[1] == {2026}
    assert not path.with_suffix(".checkpoint").exists()


def test_an_interrupted_training_ends_the_same(trained, tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"

    def stop(line):
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_deepcore(SAMPLE, path, OPTIONS, stop)
    assert path.with_suffix(".checkpoint").exists()
    with pytest.raises(InputError, match=r"other options \(batch_size\)"):
        train_deepcore(SAMPLE, path, dataclasses.replace(OPTIONS, batch_size=8))
    metrics = train_deepcore(SAMPLE, path, OPTIONS)
    assert metrics["loss"] == trained[1]["loss"]
    assert path.read_bytes() == trained[0].read_bytes()


def test_saved_weights_read_gev(trained, events):
    """The pT map is learned in TeV; what is saved gives the same answers for GeV."""
    network = load_network(str(trained[0]))
    maps = next(batches(events[1], OPTIONS, np.random.default_rng(1), False))[0]
    in_gev = maps.clone()
    in_gev[:, -1] *= PT_UNIT
    other = DeepCoreNetwork()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other.first.weight[:, -1] *= PT_UNIT
    torch.testing.assert_close(network(in_gev)[0], other(maps)[0], rtol=1e-4, atol=1e-5)


def test_the_loss_falls_where_there_is_little_to_learn(events):
    from tracking.finders.deepcore.loss import deepcore_loss

    torch.manual_seed(1)
    network = DeepCoreNetwork()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    maps, target = next(batches(events[0], OPTIONS, np.random.default_rng(1), False))
    losses = []
    for _ in range(40):
        loss = deepcore_loss(network(maps), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_batches_have_every_jet_once(events):
    found = list(batches(events[0], OPTIONS, np.random.default_rng(1), True))
    maps = torch.cat([maps for maps, _ in found])
    # But for those whose smeared axis misses the reference layer.
    n = sum(len(event.jets) for event in events[0])
    assert 0.97 * n <= len(maps) <= n
    assert len(torch.unique(maps[:, -1, 0, 0])) == len(maps)
    assert all(len(maps) <= 16 for maps, _ in found)
    other = torch.cat([maps for maps, _ in batches(events[0], OPTIONS, np.random.default_rng(2), True)])
    assert not torch.equal(other[:10], maps[:10])


def test_the_mirrored_jet_is_the_jet_in_a_mirror(events):
    """Against maps and targets that are made of a mirrored event."""
    event = events[0][0]
    windows = jet_windows(event.clusters, event.jets, event.layers, OPTIONS.maps)
    made = make_targets(windows, event.crossings, OPTIONS.maps, OPTIONS.targets)
    mirrored = mirrored_batch(*(torch.from_numpy(v) for v in (windows.maps, *made)))
    detector = event.layers.detector
    # Its own modules come in no mirrored pairs: those of a row stand off their cylinder in turn.
    turned = Detector({**detector.columns, "cz": -np.asarray(detector.columns["cz"])})
    layers = MapLayers.of(turned, OPTIONS.maps)
    columns = detector.n_columns[event.clusters.module] - 1
    columns = np.repeat(columns, event.clusters.counts) - event.clusters.column
    clusters = dataclasses.replace(event.clusters, column=columns.astype(np.int16))
    jets = dataclasses.replace(event.jets, eta=-event.jets.eta, z=-event.jets.z)
    crossings = dataclasses.replace(
        event.crossings, eta=-event.crossings.eta, point=event.crossings.point * [-1, 1]
    )
    other = jet_windows(clusters, jets, layers, OPTIONS.maps)
    expected = other.maps, *make_targets(other, crossings, OPTIONS.maps, OPTIONS.targets)
    assert len(other) == len(windows) > 5
    for one, two in zip(mirrored, expected, strict=True):
        # A pixel or particle on the border of two cells may be in either.
        for channel in range(one.shape[-3]):
            of_one, of_two = one.numpy()[..., channel, :, :], two[..., channel, :, :]
            filled = (of_one != 0) | (of_two != 0)
            # So soft particles bend out of the window before the outer layers.
            assert filled.any() or channel in (2, 3)
            assert not filled.any() or np.mean(np.isclose(of_one, of_two, atol=1e-3)[filled]) > 0.95


def test_mirrored_disks_are_those_of_the_other_side():
    """Against maps of a mirrored event, on the modules that a mirror puts in the place of the others."""
    maps = MapOptions(layers="all")
    opened, records = next(iter(iterate(SAMPLE, step=1)))
    detector = opened.header.detector
    layers = MapLayers.of(detector, maps)
    flat = flatten(records[0]["clusters"], opened.header.slices[-1:])
    flat = flat.take(np.flatnonzero(layers.maps[flat.module] >= 4))
    # Axes a few cells beside clusters of the nearest disks.
    seen = detector.to_global(flat.module, flat.local)[layers.maps[flat.module] == 4][::5]
    x, y, z = seen.T
    eta, phi = np.arcsinh(z / np.hypot(x, y)) + 0.006, np.arctan2(y, x) + 0.004
    forward = Jets(eta, phi, np.ones(len(x)), np.zeros(len(x)))
    disk = np.flatnonzero(layers.maps >= 4)
    place = {tuple(np.round(detector.center[m], 3)): m for m in disk}
    twin = {m: place[tuple(np.round(detector.center[m] * [1, 1, -1], 3))] for m in disk}
    for m, other in twin.items():
        np.testing.assert_allclose(detector.axes[other, :, 0], detector.axes[m, :, 0] * [1, 1, -1], atol=1e-6)
        np.testing.assert_allclose(
            detector.axes[other, :, 1], -detector.axes[m, :, 1] * [1, 1, -1], atol=1e-6
        )
    rows = np.repeat(detector.n_rows[flat.module] - 1, flat.counts) - flat.row
    clusters = dataclasses.replace(
        flat, row=rows.astype(np.int16), module=np.array([twin[m] for m in flat.module])
    )
    jets = dataclasses.replace(forward, eta=-forward.eta, z=-forward.z)
    # The reference layer's modules come in no mirrored pairs: both must cross it.
    both = [JetCrossings.of(of, layers, maps).reference >= 0 for of in (forward, jets)]
    forward, jets = (of.take(both[0] & both[1]) for of in (forward, jets))
    one, two = (jet_windows(c, j, layers, maps).maps for c, j in ((flat, forward), (clusters, jets)))
    nothing = torch.zeros(len(one), 3, 6, 30, 30)
    mirrored = mirrored_batch(torch.from_numpy(one), nothing, nothing[:, :, :2])[0].numpy()[:, 4:7]
    filled = (mirrored != 0) | (two[:, 4:7] != 0)
    assert filled.sum() > 50
    assert np.mean(np.isclose(mirrored, two[:, 4:7], atol=1e-3)[filled]) > 0.95


def test_clusters_far_from_the_jets_are_left_out_and_none_near(events):
    opened, records = next(iter(iterate(SAMPLE, step=1)))
    layers = MapLayers.of(opened.header.detector, OPTIONS.maps)
    event = jet_event(records[0], opened.header.slices, layers, OPTIONS)
    assert 0 < len(event.clusters) < 0.5 * len(records[0]["clusters"])
    every = flatten(records[0]["clusters"], opened.header.slices[-1:])
    some, all_ = (jet_windows(of, event.jets, layers, OPTIONS.maps).maps for of in (event.clusters, every))
    np.testing.assert_array_equal(some, all_)


def test_widths_of_no_residuals_are_none():
    told = SeedCounts(SeedCuts()).summary()
    assert [told[f"core_{name}"] for name in ("x_um", "y_um", "eta", "phi")] == [None] * 4
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_seeds_are_matched_by_position_and_angles(events):
    crossings = next(event.crossings for event in events[0] if len(event.crossings) > 3)
    n = 3
    seeds = CoreSeeds(
        np.zeros(n, dtype=np.int64), crossings.module[:n], crossings.point[:n].copy(), crossings.eta[:n].copy(),
        crossings.phi[:n].copy(), crossings.pt[:n], np.ones(n), np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    seeds.point[0, 0] += 5.1 * 0.044
    seeds.phi[1] += 5.1 * 0.002
    seeds.point[2] += 4.9 * 0.044
    seeds.eta[2] -= 4.9 * 0.002
    of_seed, found = matched_seeds(seeds, crossings, SeedCuts())
    assert of_seed.tolist() == [-1, -1, 2]
    assert np.flatnonzero(found).tolist() == [2]


class Oracle(DeepCoreNetwork):
    """Answers with the targets, shifted."""

    def answer(self, maps):
        parameters, probability = self.targets.pop(0)
        values = torch.from_numpy(parameters[:, :, :5].copy())
        values[:, :, 0] += 0.3
        values[:, :, 3] -= 0.1
        return values, torch.from_numpy(probability[:, :, 0])


def test_report_of_an_oracle(events):
    oracle = Oracle()
    rng = np.random.default_rng(OPTIONS.seed)
    oracle.targets = []
    from tracking.finders.deepcore.jets import smeared

    for event in events[1]:
        jets = smeared(event.jets, OPTIONS.smear_axis, OPTIONS.smear_pt, rng)
        windows = jet_windows(event.clusters, jets, event.layers, OPTIONS.maps)
        # It is asked twice: for seeds, and for the residuals.
        oracle.targets += 2 * [make_targets(windows, event.crossings, OPTIONS.maps, OPTIONS.targets)]
    report = seed_report(oracle, events[1], OPTIONS)
    assert report["core_x_um"] == pytest.approx(30, rel=1e-3)
    assert report["core_y_um"] == pytest.approx(0, abs=1e-3)
    assert report["core_phi"] == pytest.approx(1e-3, rel=1e-3)
    assert report["seed_efficiency"] > 0.95
    assert report["seed_fake_rate"] == 0


def test_files_without_jets_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 0 jets to train on and 0 to report on, of pT > 100 GeV"):
        train_deepcore(SAMPLE, tmp_path / "w.safetensors", TrainDeepCoreOptions())


def test_the_command_prints_one_json_object(tmp_path, capsys):
    output = tmp_path / "w.safetensors"
    main([
        "train", "deepcore", str(SAMPLE), "-o", str(output), "--epochs", "1", "--json", "--layers", "all",
        "--set", "jets.min_pt=6.0", "--set", "jets.min_members=1",
    ])  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert printed["parameters"] == 84_723
    assert load_network(str(output)).options.layers == "all"
    assert open_events(SAMPLE).header.made_by["seed"] in trained_with(str(output))[1]

"""Training of the networks: schedule, stopping, what is saved, and what seeds and files decide."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from smartpix.chip.options import QuantizedOptions
from smartpix.chip.transfer import to_fixed
from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.io.parquet import write_clusters
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.samples import Reading, Samples, from_clusters
from smartpix.schema import InputError
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train import calibrate
from smartpix.train import epoch as one_pass
from smartpix.train import loop as train
from smartpix.train.inputs import split
from smartpix.train.loop import train_mdn, train_on
from smartpix.train.options import AUGMENTATIONS, TrainMdnOptions
from tests.helpers import SENSOR
from tests.smartpix.test_samples import handmade_file
from tests.smartpix.train.quick_trainings import QUICK, silent, weights_of


@pytest.fixture
def learning_rates(monkeypatch):
    """Learning rate of every step of the trainings that follow."""
    rates = []
    step = torch.optim.Adam.step

    def recorded(self, *arguments, **more):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **more)

    monkeypatch.setattr(torch.optim.Adam, "step", recorded)
    return rates


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warm_up", [1, 10])
def test_learning_rate_follows_its_schedule(tmp_path, few, monkeypatch, learning_rates, schedule, warm_up):
    monkeypatch.setattr(one_pass, "WARM_UP", warm_up)
    options = TrainMdnOptions(epochs=4, batch_size=100, learning_rate=1e-3, schedule=schedule)
    result = train_on(few, "barrel", tmp_path / "w.safetensors", options, silent)
    steps = 4 * (result["n_train"] // 100)
    assert len(learning_rates) == steps
    for k, rate in enumerate(learning_rates):
        falls = 1.0 if schedule == "constant" else 0.002 + 0.998 * (1 + np.cos(np.pi * k / steps)) / 2
        assert rate == pytest.approx(1e-3 * falls * min(1, (k + 1) / warm_up))


def test_early_stopping_keeps_the_best_epoch(tmp_path, few, monkeypatch):
    """Held-out values are given by hand; what is saved must be the weights as they were when the best was
    measured.
    """
    values, seen = [3.0, 2.0, 1.0, 1.5, 1.0001, 9.0], []

    def held_out(model, x, y, losses):
        seen.append({k: v.clone().numpy() for k, v in model.state_dict().items()})
        return values[len(seen) - 1]

    monkeypatch.setattr(train, "held_out_loss", held_out)
    options = TrainMdnOptions(NetworkOptions(batch_norm=True), epochs=50, batch_size=256, patience=3)
    result = train_on(few, "barrel", tmp_path / "w.safetensors", options, silent)
    assert (result["epochs"], result["history"]) == (6, [3.0, 2.0, 1.0, 1.5, 1.0001, 9.0])
    arrays, _ = weights_of(tmp_path / "w.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, seen[2][name])
    assert np.any(seen[5]["dense1.weight"] != seen[2]["dense1.weight"])


def test_without_patience_the_last_epoch_is_kept(tmp_path, few, monkeypatch):
    seen = []

    def held_out(model, x, y, losses):
        seen.append({k: v.clone().numpy() for k, v in model.state_dict().items()})
        return float(len(seen))

    monkeypatch.setattr(train, "held_out_loss", held_out)
    train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent)
    arrays, _ = weights_of(tmp_path / "w.safetensors")
    assert all(np.array_equal(arrays[k], v) for k, v in seen[2].items())


def test_training_that_diverges_is_an_input_error(tmp_path, few, monkeypatch):
    monkeypatch.setattr(train, "held_out_loss", lambda *_: float("nan"))
    with pytest.raises(InputError):
        train_on(few, "barrel", tmp_path / "w.safetensors", dataclasses.replace(QUICK, patience=1), silent)


def test_loss_falls(trained):
    _, _, result, lines = trained
    losses = [float(line.split("nll ")[1].split()[0]) for line in lines]
    held = [float(line.split("held out ")[1].split()[0]) for line in lines]
    assert losses[-1] < losses[0] - 1.5
    assert held[-1] < held[0] - 1
    np.testing.assert_allclose(held, result["history"], atol=1e-3)


def test_description_says_all_there_is_to_know(trained, samples):
    path, options, result, _ = trained
    arrays, description = weights_of(path)
    assert set(description) == {
        "architecture", "network", "region", "sensor", "slices", "options", "data", "start", "teacher",
        "calibration",
        "truncated_scale", "metrics", "threads", "sha256", "commit", "checksum", "provenance",
    }  # fmt: skip
    assert description["architecture"] == "mdn-columns"
    assert NetworkOptions(**description["network"]) == options.network
    assert (description["region"], description["slices"], description["start"]) == ("barrel", [0, 19], None)
    assert description["sensor"] == SENSOR
    assert description["options"] == json.loads(json.dumps(dataclasses.asdict(options)))
    assert description["data"] == json.loads(json.dumps(samples.made_by))
    assert description["data"]["readout"]["threshold"] == 300
    assert description["metrics"] == result
    assert len(description["calibration"]) == 4
    assert len(description["truncated_scale"]) == 4
    assert min(description["truncated_scale"]) >= 1
    assert sum(a.size for a in arrays.values()) == 2178
    assert path.with_suffix(".json").read_text().count("NaN") == 0


def test_metrics_are_those_of_the_test_clusters_with_the_saved_weights(trained, samples):
    path, options, result, _ = trained
    n_held = int(options.validation_share * len(samples))
    train_rows, _, test = split(samples, options.validation_share)
    images, targets, truncated = samples.images[test], samples.targets[test], samples.truncated[test]
    fired = (images != 0).any(axis=1)
    spans = []
    for axis in (1, 2):  # pixels of a column, and of a row, in use
        used = fired.any(axis=axis)
        spans.append(used.shape[1] - used[:, ::-1].argmax(axis=1) - used.argmax(axis=1))
    mean, cholesky = MdnNetwork.load(str(path)).predict_images(images, truncated)
    again = quality(mean, cholesky, targets, truncated, "barrel", np.stack(spans, axis=1))
    assert json.loads(json.dumps(again)) == {k: result[k] for k in again}
    assert len(result["pulls_by"]["columns"]) >= 4
    assert result["n_validation"] == n_held
    assert result["n_train"] == (~samples.truncated[train_rows]).sum()
    assert result["parameters"] == 2178
    assert result["epochs"] == 12


def test_training_on_two_files_holds_out_some_of_both(tmp_path, few, monkeypatch):
    """The second half has targets of its own; the report is on both."""
    seen = []
    monkeypatch.setattr(
        calibrate,
        "quality",
        lambda mean, cholesky, targets, *rest: seen.append(targets) or {"n": len(targets)},
    )
    targets = few.targets.copy()
    targets[1000:, 0] = 0.07
    two = dataclasses.replace(few, targets=targets, parts=(1000, 1000))
    result = train_on(two, "barrel", tmp_path / "w.safetensors", dataclasses.replace(QUICK, epochs=1), silent)
    assert (result["n"], result["n_validation"]) == (200, 400)
    assert np.sum(seen[0][:, 0] == 0.07) == 100


def test_same_seed_same_weights_other_seed_other_weights(tmp_path, few):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(ord(name))
        options = TrainMdnOptions(epochs=1, batch_size=256, seed=seed)
        train_on(few, "barrel", tmp_path / f"{name}.safetensors", options, silent)
    (a, told), (b, told_again), (c, _) = (weights_of(tmp_path / f"{n}.safetensors") for n in "abc")
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert told == told_again
    assert not any(np.array_equal(a[k], c[k]) for k in a)


def test_every_epoch_has_an_order_of_its_own(tmp_path, few, monkeypatch):
    orders = []
    randperm = torch.randperm

    def recorded(*arguments, **more):
        orders.append(tuple(randperm(*arguments, **more).tolist()))
        return torch.tensor(orders[-1])

    monkeypatch.setattr(torch, "randperm", recorded)
    for name in "ab":
        train_on(few, "barrel", tmp_path / f"{name}.safetensors", QUICK, silent)
    assert len(set(orders[:3])) == 3
    assert orders[3:] == orders[:3]
    assert all(sorted(order) == list(range(len(order))) for order in orders)


def test_training_leaves_the_samples_alone(tmp_path, few):
    before = few.images.copy(), few.targets.copy()
    train_on(
        few,
        "endcap",
        tmp_path / "w.safetensors",
        dataclasses.replace(QUICK, augment=AUGMENTATIONS, epochs=1),
        silent,
    )
    np.testing.assert_array_equal(few.images, before[0])
    np.testing.assert_array_equal(few.targets, before[1])


@pytest.mark.parametrize("shape", [(1, 13, 21), (3, 16, 16)])
@pytest.mark.parametrize("kind", ["columns", "conv", "mlp"])
def test_shape_of_the_input_is_taken_from_the_clusters(tmp_path, few, kind, shape):
    images = np.random.default_rng(1).normal(0, 2000, (600, *shape)).astype(np.float32)
    other = Samples(images, few.targets[:600], np.zeros(600, dtype=bool), SENSOR, tuple(range(shape[0])), {})
    path = tmp_path / "w.safetensors"
    train_on(other, "barrel", path, TrainMdnOptions(NetworkOptions(kind), epochs=1, batch_size=128), silent)
    network = weights_of(path)[1]["network"]
    assert (network["n_slices"], network["n_rows"], network["n_columns"]) == shape
    assert np.all(np.isfinite(MdnNetwork.load(str(path)).predict_images(images)[1]))


# From files


def test_training_on_a_data_set_is_training_on_its_clusters(tmp_path, clusters_2s):
    write_clusters(tmp_path / "c.parquet", clusters_2s, {"command": "made"}, SENSOR)
    readout = ReadoutOptions(noise=40.0, threshold=400.0, adc_bits=3)
    options = dataclasses.replace(QUICK, epochs=1)
    one = train_mdn(
        [tmp_path / "c.parquet"],
        "barrel",
        tmp_path / "a.safetensors",
        options,
        silent,
        reading=Reading(readout=readout),
    )
    two = train_on(
        from_clusters(clusters_2s, readout, SENSOR, {}), "barrel", tmp_path / "b.safetensors", options, silent
    )
    assert one == two
    data = weights_of(tmp_path / "a.safetensors")[1]["data"]
    assert (data["command"], data["readout"]["adc_bits"]) == ("made", 3)


def test_event_files_are_trained_on(tmp_path):
    rng = np.random.default_rng(1)
    places = np.stack([rng.integers(1, 1343, 700), rng.integers(1, 1439, 700)], axis=1)
    path = handmade_file(
        tmp_path / "f.root",
        places,
        np.stack([(places[:, 1] + 0.5) * 0.05 - 36, (places[:, 0] + 0.5) * 0.0125 - 8.4], 1),
    )
    result = train_mdn(
        [path],
        "barrel",
        tmp_path / "w.safetensors",
        dataclasses.replace(QUICK, epochs=60, augment=()),
        silent,
    )
    # Every cluster is one pixel, crossed in its centre with the same angles.
    assert result["n_train"] + result["n_validation"] == 700
    assert result["history"][-1] < result["history"][0] - 3


def test_wild_clusters_weigh_less_but_keep_a_gradient():
    raw = torch.zeros((3, 14))
    target = torch.zeros((3, 4))
    target[:, 0] = torch.tensor([0.5, 20.0, 400.0])
    raw.requires_grad_(True)
    plain = one_pass.negative_log_likelihood(raw, target).detach().numpy()
    assert plain[0] < one_pass.LARGE_LOSS < plain[1] < plain[2]
    loss = one_pass.damped(one_pass.cluster_losses(raw, target))
    wanted = [plain[0], *(20 * (1 + np.log(plain[1:] / 20)))]
    np.testing.assert_allclose(loss.detach().numpy(), wanted, rtol=1e-5)
    loss.sum().backward()
    assert torch.all(raw.grad[:, 0] != 0)


def test_best_epoch_of_a_quantised_training_is_one_with_rounding(few, tmp_path, monkeypatch):
    """Held-out values are given by hand; those of the epochs without rounding are lower than any with it can
    be.
    """
    values, seen = [0.1, 0.2, 3.0, 2.0, 2.5], []

    def held_out(model, x, y, losses):
        seen.append(to_fixed(model).weights["dense1"].copy())
        return values[len(seen) - 1]

    monkeypatch.setattr(train, "held_out_loss", held_out)
    options = TrainMdnOptions(QuantizedOptions("mlp", hidden=(6, 5)), epochs=5, batch_size=256, free=0.4)
    train_on(few, "barrel", tmp_path / "w.safetensors", options, silent)
    saved = load_weights(tmp_path / "w.safetensors", "fixed-mlp")[0]["dense1.weight"]
    np.testing.assert_array_equal(saved, seen[3])
    assert not any(np.array_equal(saved, other) for other in (seen[2], seen[4]))

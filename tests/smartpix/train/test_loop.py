"""Training of the networks: resume, schedule, augmentation, what is saved, and what cannot be trained on."""

import dataclasses
import json
import types

import numpy as np
import pytest
import torch

from smartpix.chip.compress import CompressOptions
from smartpix.chip.fixed_point import adc_codes, describe, evaluate, to_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn
from smartpix.chip.transfer import to_fixed
from smartpix.estimate.mdn import TRUNCATED_SCALE, MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.io.parquet import write_clusters
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights, save_weights
from smartpix.samples import Reading, Samples, from_clusters
from smartpix.schema import TARGET_SCALE, InputError
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train import calibrate, inputs
from smartpix.train import epoch as one_pass
from smartpix.train import loop as train
from smartpix.train.calibrate import calibrate_and_test
from smartpix.train.inputs import split
from smartpix.train.loop import train_mdn, train_on
from smartpix.train.options import AUGMENTATIONS, TrainMdnOptions
from tests.helpers import SENSOR
from tests.smartpix.test_samples import handmade_file

QUICK = TrainMdnOptions(epochs=3, batch_size=256)
PIXEL = torch.tensor([0.05 / 0.075, 0.0125 / 0.01875])
"""One pixel along x and y in the networks' scaled units."""


def silent(line):
    pass


def first(samples, n):
    return dataclasses.replace(
        samples, images=samples.images[:n], targets=samples.targets[:n], truncated=samples.truncated[:n]
    )


@pytest.fixture(scope="module")
def few(samples):
    return first(samples, 2000)


def weights_of(path):
    return load_weights(path, "mdn-columns", "mdn-conv", "mdn-mlp")


class PowerCutError(Exception):
    pass


def cut_after(epoch):
    def report(line):
        if line.startswith(f"epoch {epoch}/"):
            raise PowerCutError

    return report


@pytest.mark.parametrize(
    "options",
    [
        QUICK,
        TrainMdnOptions(
            NetworkOptions("conv", batch_norm=True), 3, 256, augment=AUGMENTATIONS, patience=2, seed=5
        ),
        TrainMdnOptions(NetworkOptions("mlp"), 3, 256, schedule="constant", augment=()),
    ],
    ids=["columns", "conv", "mlp"],
)
def test_interrupted_training_ends_with_identical_weights(tmp_path, few, options):
    lines = []
    whole = train_on(few, "endcap", tmp_path / "whole.safetensors", options, lines.append)
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    path = tmp_path / "parts.safetensors"
    for epoch in (1, 2):
        with pytest.raises(PowerCutError):
            train_on(few, "endcap", path, options, cut_after(epoch))
        assert not path.exists()
        assert path.with_suffix(".checkpoint").exists()
        torch.manual_seed(99)
        np.random.seed(99)
    resumed = []
    parts = train_on(few, "endcap", path, options, resumed.append)
    # What was reported is not done again.
    assert [line.split()[1] for line in resumed] == ["3/3"]
    assert [line.rsplit("  ", 1)[0] for line in resumed] == [line.rsplit("  ", 1)[0] for line in lines[2:]]
    one, two = (weights_of(tmp_path / f"{n}.safetensors") for n in ("whole", "parts"))
    for name, array in one[0].items():
        np.testing.assert_array_equal(two[0][name], array)
    assert one[1] == two[1]
    assert parts == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "parts.json",
        "parts.safetensors",
        "whole.json",
        "whole.safetensors",
    ]


@pytest.fixture
def interrupted(tmp_path, few):
    """Path of weights whose training left a checkpoint after the second of three epochs."""
    with pytest.raises(PowerCutError):
        train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, cut_after(2))
    return tmp_path / "w.safetensors"


CHANGES = [
    {"epochs": 4}, {"batch_size": 128}, {"learning_rate": 1e-3}, {"schedule": "constant"}, {"patience": 1},
    {"augment": ()},
    {"seed": 2}, {"validation_share": 0.3}, {"network": NetworkOptions(batch_norm=True)},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_checkpoint_of_other_options_is_refused(interrupted, few, change):
    content = interrupted.with_suffix(".checkpoint").read_bytes()
    with pytest.raises(InputError, match=r"w\.checkpoint: was made with other options"):
        train_on(few, "barrel", interrupted, dataclasses.replace(QUICK, **change), silent)
    assert interrupted.with_suffix(".checkpoint").read_bytes() == content


@pytest.mark.parametrize(
    "change", [{"epochs": 4}, {"network": NetworkOptions(batch_norm=True)}], ids=["epochs", "network"]
)
def test_option_that_differs_from_the_checkpoints_is_named(interrupted, few, change):
    with pytest.raises(InputError) as error:
        train_on(few, "barrel", interrupted, dataclasses.replace(QUICK, **change), silent)
    assert next(iter(change)) in str(error.value).partition("was made with")[2]


def test_checkpoint_of_other_clusters_region_or_start_is_refused(interrupted, samples, few, tmp_path):
    other = dataclasses.replace(few, images=few.images * np.float32(1.01))
    slices = dataclasses.replace(few, slices=(1, 19))
    save_start(tmp_path / "start.safetensors", NetworkOptions())
    for given, region, start, named in ((first(samples, 2100), "barrel", None, "clusters"), (other, "barrel",
    None, "charge"),
                                        (few, "endcap", None, "region"), (slices, "barrel", None, "slices"),
                                        (few, "barrel", tmp_path / "start.safetensors",
                                        "start")):  # fmt: skip
        with pytest.raises(InputError, match=rf"was made with other options \(.*{named}"):
            train_on(given, region, interrupted, QUICK, silent, start)


def test_damaged_checkpoint_is_an_input_error(interrupted, few):
    checkpoint = interrupted.with_suffix(".checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged checkpoint"):
        train_on(few, "barrel", interrupted, QUICK, silent)


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

    def held_out(model, x, y):
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


def test_stopped_training_that_was_interrupted_does_not_go_on(tmp_path, few, monkeypatch):
    values = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(train, "held_out_loss", lambda model, x, y: next(values))
    options = TrainMdnOptions(epochs=50, batch_size=256, patience=2)
    path = tmp_path / "w.safetensors"
    with pytest.raises(PowerCutError):
        train_on(few, "barrel", path, options, cut_after(3))
    assert train_on(few, "barrel", path, options, silent)["epochs"] == 3
    assert path.exists()


def test_without_patience_the_last_epoch_is_kept(tmp_path, few, monkeypatch):
    seen = []

    def held_out(model, x, y):
        seen.append({k: v.clone().numpy() for k, v in model.state_dict().items()})
        return float(len(seen))

    monkeypatch.setattr(train, "held_out_loss", held_out)
    train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent)
    arrays, _ = weights_of(tmp_path / "w.safetensors")
    assert all(np.array_equal(arrays[k], v) for k, v in seen[2].items())


def test_training_that_diverges_is_an_input_error(tmp_path, few, monkeypatch):
    monkeypatch.setattr(train, "held_out_loss", lambda model, x, y: float("nan"))
    with pytest.raises(InputError):
        train_on(few, "barrel", tmp_path / "w.safetensors", dataclasses.replace(QUICK, patience=1), silent)


# Augmentation


class Always:
    """A generator's stand-in of which the chance is decided."""

    def __init__(self, monkeypatch, yes, shift=(0, 0)):
        chance = types.SimpleNamespace(item=lambda: 0.0 if yes else 1.0)
        monkeypatch.setattr(torch, "rand", lambda *size, generator: chance)
        monkeypatch.setattr(torch, "randint", lambda *arguments, generator: torch.tensor(shift))


def some_batch(seed=1, shape=(13, 21)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 2, *shape, generator=generator), torch.randn(5, 4, generator=generator)


@pytest.mark.parametrize("name", ["mirror-x", "mirror-y"])
@pytest.mark.parametrize("shape", [(13, 21), (16, 16)])
def test_mirror_turns_image_and_signs(monkeypatch, name, shape):
    Always(monkeypatch, yes=True)
    image, target = some_batch(shape=shape)
    before = image.clone(), target.clone()
    got, labels = inputs.augment(image, target, PIXEL, (name,), None)
    # About the pixel whose centre is the labels' origin: (6, 10) of 13 x 21, (7, 7) of 16 x 16. What has no
    # counterpart is 0.
    middle = {(13, 21): (6, 10), (16, 16): (7, 7)}[shape]
    for r in range(shape[0]):
        for c in range(shape[1]):
            source = (r, 2 * middle[1] - c) if name == "mirror-x" else (2 * middle[0] - r, c)
            inside = min(source) >= 0
            assert torch.equal(
                got[:, :, r, c], image[:, :, source[0], source[1]] if inside else torch.zeros(5, 2)
            )
    # Along x lie x and cot alpha, along y lie y and cot beta.
    for k, turned in enumerate(
        [True, False, True, False] if name == "mirror-x" else [False, True, False, True]
    ):
        assert torch.equal(labels[:, k], -target[:, k] if turned else target[:, k])
    twice = inputs.augment(got, labels, PIXEL, (name,), None)
    kept = (slice(None), slice(None), slice(2 * middle[0] + 1), slice(2 * middle[1] + 1))
    assert torch.equal(twice[0][kept], image[kept])
    assert torch.equal(twice[1], target)
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("right", [-1, 0, 1])
@pytest.mark.parametrize("down", [-1, 0, 1])
def test_shift_moves_image_and_crossing_by_one_pixel_and_nothing_comes_back(monkeypatch, right, down):
    Always(monkeypatch, yes=True, shift=(right, down))
    image, target = some_batch()
    before = image.clone(), target.clone()
    got, labels = inputs.augment(image, target, PIXEL, ("shift",), None)
    for r in range(13):
        for c in range(21):
            row, column = r - down, c - right
            wanted = image[:, :, row, column] if 0 <= row < 13 and 0 <= column < 21 else torch.zeros(5, 2)
            assert torch.equal(got[:, :, r, c], wanted)
    torch.testing.assert_close(labels[:, 0] * 0.075, target[:, 0] * 0.075 + right * 0.05)
    torch.testing.assert_close(labels[:, 1] * 0.01875, target[:, 1] * 0.01875 + down * 0.0125)
    assert torch.equal(labels[:, 2:], target[:, 2:])
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


def test_augmentations_come_at_random_and_only_those_asked_for():
    image, target = some_batch()
    for how in ((), ("mirror-x",), ("mirror-y",), ("shift",), AUGMENTATIONS):
        generator = torch.Generator().manual_seed(1)
        results = [inputs.augment(image, target, PIXEL, how, generator)[1] for _ in range(600)]
        different = {tuple(labels[0].tolist()) for labels in results}
        assert len(different) == {(): 1, ("shift",): 9}.get(how, 2 if len(how) == 1 else 36)
    # A mirror stands with even chances.
    generator = torch.Generator().manual_seed(2)
    turned = sum(
        float(inputs.augment(image, target, PIXEL, ("mirror-x",), generator)[1][0, 0]) != target[0, 0]
        for _ in range(400)
    )
    assert 150 < turned < 250


@pytest.mark.parametrize("how", AUGMENTATIONS)
def test_augmented_clusters_are_still_those_of_their_labels(samples, how):
    """The charge's centre keeps its distance to the crossing, turned with the mirror."""
    whole = ~samples.truncated & samples.images[:, 1].any(axis=(1, 2))
    image = torch.from_numpy(np.maximum(samples.images[whole], 0))
    target = torch.from_numpy((samples.targets[whole] / np.array(TARGET_SCALE)).astype(np.float32))
    # What is beside the window after a shift would be missing.
    inner = ~(
        image[:, :, [0, -1]].any(dim=1).any(dim=1).any(dim=1)
        | image[:, :, :, [0, -1]].any(dim=1).any(dim=1).any(dim=1)
    )

    def distance(image, target):
        last = image[:, 1]
        total = last.sum(dim=(1, 2))
        x = (last.sum(dim=1) * (torch.arange(21) - 10)).sum(dim=1) / total * 0.05 - target[:, 0] * 0.075
        y = (last.sum(dim=2) * (torch.arange(13) - 6)).sum(dim=1) / total * 0.0125 - target[:, 1] * 0.01875
        return torch.stack([x, y], dim=1)[inner]

    before = distance(image, target)
    generator = torch.Generator().manual_seed(1)
    for _ in range(12):
        new_image, new_target = inputs.augment(image, target, PIXEL, (how,), generator)
        sign = torch.sign(new_target[0, 2:] / target[0, 2:])
        torch.testing.assert_close(distance(new_image, new_target), before * sign, atol=1e-5, rtol=1e-4)


def test_pixel_of_the_sensor_is_the_step_of_the_shift():
    np.testing.assert_allclose(inputs.pixel_steps(SENSOR), PIXEL.numpy(), rtol=1e-6)
    np.testing.assert_allclose(inputs.pixel_steps(SENSOR | {"pitch_y": 0.025}), [2 / 3, 4 / 3])


# What a training gives


@pytest.fixture(scope="module")
def trained(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("trained")
    lines = []
    options = TrainMdnOptions(epochs=12, batch_size=128)
    return (
        folder / "w.safetensors",
        options,
        train_on(samples, "barrel", folder / "w.safetensors", options, lines.append),
        lines,
    )


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


def test_calibration_holds_on_clusters_of_another_simulation(trained):
    clusters = simulate_dataset(DatasetOptions(slices=(0, 19), induction="full"), 6000, 77)
    other = from_clusters(clusters, ReadoutOptions(), SENSOR, {}, seed=5)
    network = MdnNetwork.load(str(trained[0]))
    report = quality(*network.predict_images(other.images, other.truncated), other.targets, other.truncated)
    # Fitted on 600 clusters.
    for name in ("x", "y", "cot_alpha", "cot_beta"):
        assert report["pull_sigma"][name] == pytest.approx(1, abs=0.2)
        assert report["pull_mean"][name] == pytest.approx(0, abs=0.15)
    assert report["coverage68"] == pytest.approx(0.683, abs=0.08)
    for name, value in report["half_width_68"].items():
        assert value == pytest.approx(trained[2]["half_width_68"][name], rel=0.25)
    assert report["nll"] == pytest.approx(trained[2]["nll"], abs=0.4)


def test_truncated_clusters_neither_train_nor_tune_nor_calibrate(tmp_path, few):
    rng = np.random.default_rng(1)
    spoilt = few.targets.copy()
    spoilt[few.truncated] = rng.normal(0, 1e3, (int(few.truncated.sum()), 4))
    assert few.truncated.sum() > 20
    for name, targets in (("a", few.targets), ("b", spoilt)):
        train_on(
            dataclasses.replace(few, targets=targets),
            "barrel",
            tmp_path / f"{name}.safetensors",
            QUICK,
            silent,
        )
    one, two = (weights_of(tmp_path / f"{n}.safetensors") for n in "ab")
    assert all(np.array_equal(one[0][k], two[0][k]) for k in one[0])
    assert one[1]["calibration"] == two[1]["calibration"]
    assert one[1]["metrics"] == two[1]["metrics"]


def test_truncated_clusters_get_sigmas_that_hold_their_errors(tmp_path, samples):
    """Of 240 of the held-out ones, whose errors are made larger by hand, 95 % are within two sigmas."""
    chosen = dataclasses.replace(
        samples, truncated=np.arange(len(samples)) % 5 == 0, targets=samples.targets.copy()
    )
    chosen.targets[chosen.truncated] += (
        np.random.default_rng(1).normal(0, 20, (chosen.truncated.sum(), 1)) * TARGET_SCALE
    )
    path = tmp_path / "w.safetensors"
    train_on(chosen, "barrel", path, QUICK, silent)
    mean, cholesky = MdnNetwork.load(str(path)).predict_images(chosen.images, chosen.truncated)
    held = np.concatenate(split(chosen, QUICK.validation_share)[1:])
    pull = ((chosen.targets - mean) / np.linalg.norm(cholesky, axis=2))[held][chosen.truncated[held]]
    np.testing.assert_allclose((np.abs(pull) < 2).mean(axis=0), 0.9545, atol=0.005)
    assert min(weights_of(path)[1]["truncated_scale"]) > 3


def test_few_truncated_clusters_get_the_scale_that_is_known(tmp_path, few):
    train_on(
        dataclasses.replace(few, truncated=np.arange(2000) % 40 == 0),
        "barrel",
        tmp_path / "w.safetensors",
        QUICK,
        silent,
    )
    assert weights_of(tmp_path / "w.safetensors")[1]["truncated_scale"] == [TRUNCATED_SCALE] * 4


def test_every_file_is_held_out_in_proportion(few):
    parts = (1000, 600, 390, 3, 7)
    train_rows, tuning, test = split(dataclasses.replace(few, parts=parts), 0.2)
    assert sorted([*train_rows, *tuning, *test]) == list(range(2000))
    first = 0
    for n, n_held in zip(parts, (200, 120, 78, 2, 2), strict=True):
        own = [rows[(rows >= first) & (rows < first + n)] - first for rows in (train_rows, tuning, test)]
        assert [len(rows) for rows in own] == [n - n_held, n_held - n_held // 2, n_held // 2]
        assert all(np.all(np.diff(rows) > 0) for rows in own)
        first += n


def test_every_event_of_a_file_is_held_out_in_part(few):
    """Conditions may be drawn event by event: whatever an event has of its own must count in all three."""
    event = np.arange(2000) // 40
    for samples in (few, dataclasses.replace(few, parts=(2000,))):
        train_rows, tuning, test = split(samples, 0.2)
        assert [len(rows) for rows in (train_rows, tuning, test)] == [1600, 200, 200]
        for rows, share in ((train_rows, 0.8), (tuning, 0.1), (test, 0.1)):
            np.testing.assert_array_equal(np.bincount(event[rows], minlength=50), np.full(50, 40 * share))


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


def test_weights_can_be_calibrated_again(trained, samples):
    """On other clusters than before: as if they had been those of the training."""
    path, options, result, _ = trained
    arrays, description = weights_of(path)
    rows = split(samples, options.validation_share)[1:]
    again, report = calibrate_and_test(arrays, description, samples, *rows)
    assert again == {k: v for k, v in description.items() if k != "metrics"}
    assert report == {k: result[k] for k in report}
    wrong = dataclasses.replace(samples, targets=samples.targets + np.array(TARGET_SCALE))
    shifted, report = calibrate_and_test(arrays, description, wrong, *rows)
    assert all(abs(report["pull_mean"][name]) < 0.25 for name in report["pull_mean"])
    assert shifted["calibration"] != description["calibration"]


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


# Starting from weights


def save_start(path, network, seed=1):
    torch.manual_seed(seed)
    arrays = {k: v.numpy() for k, v in build(network).state_dict().items()}
    # All that weights tell, though only the network matters here.
    _, description = load_weights("mdn-barrel", "mdn-columns")
    told = {"architecture": f"mdn-{network.kind}", "network": dataclasses.asdict(network)}
    save_weights(path, arrays, description | told | {"slices": list(range(network.n_slices))})


def test_training_from_weights_goes_on_from_them(tmp_path, few, trained):
    options = TrainMdnOptions(epochs=1, batch_size=256, seed=3)
    scratch = train_on(few, "barrel", tmp_path / "a.safetensors", options, silent)
    tuned = train_on(few, "barrel", tmp_path / "b.safetensors", options, silent, start=trained[0])
    assert tuned["history"][0] < scratch["history"][0] - 1
    assert weights_of(tmp_path / "b.safetensors")[1]["start"] == "w.safetensors"
    assert weights_of(tmp_path / "a.safetensors")[1]["start"] is None


def test_training_from_weights_begins_with_exactly_those(tmp_path, few, monkeypatch):
    monkeypatch.setattr(one_pass, "learning_rate", lambda options, step, steps: 0.0)
    save_start(tmp_path / "start.safetensors", NetworkOptions(), seed=9)
    train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "start.safetensors")
    one, two = (weights_of(tmp_path / f"{n}.safetensors")[0] for n in ("start", "w"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_interrupted_training_from_weights_ends_with_identical_weights(tmp_path, few, trained):
    for name in ("whole", "parts"):
        if name == "parts":
            with pytest.raises(PowerCutError):
                train_on(few, "barrel", tmp_path / "parts.safetensors", QUICK, cut_after(1), start=trained[0])
        train_on(few, "barrel", tmp_path / f"{name}.safetensors", QUICK, silent, start=trained[0])
    one, two = (weights_of(tmp_path / f"{n}.safetensors")[0] for n in ("whole", "parts"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(
    ("network", "message"),
    [(NetworkOptions("conv"), "holds a network with kind conv, and kind columns was asked for"),
     (NetworkOptions(hidden=15, filters=5), "holds a network with hidden 15, filters 5, and hidden 0, filters 4 was asked for"),
     (NetworkOptions(n_slices=3), "n_slices 3"), (NetworkOptions(reference=100.0), "with reference 100.0, and")],
)  # fmt: skip
def test_weights_of_another_network_are_no_start(tmp_path, few, network, message):
    save_start(tmp_path / "start.safetensors", network)
    with pytest.raises(InputError, match=message):
        train_on(
            few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "start.safetensors"
        )


def test_start_that_is_missing_or_damaged_is_refused(tmp_path, few):
    with pytest.raises(InputError, match="no such file"):
        train_on(
            few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "none.safetensors"
        )
    path = tmp_path / "start.safetensors"
    save_start(path, NetworkOptions())
    arrays, description = weights_of(path)
    save_weights(path, {k: v for k, v in arrays.items() if k != "dense2.bias"}, description)
    with pytest.raises(InputError, match=r"start\.safetensors: 'dense2\.bias' is missing, expected \(14,\)"):
        train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=path)


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


def test_unknown_region_is_refused(tmp_path):
    with pytest.raises(InputError, match="region 'forward' is unknown; use barrel or endcap"):
        train_mdn([tmp_path / "none.root"], "forward", tmp_path / "w.safetensors", QUICK, silent)


def test_output_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="no"):
        train_mdn([tmp_path / "none.root"], "barrel", tmp_path / "no" / "w.safetensors", QUICK, silent)


def test_too_few_clusters_are_refused(tmp_path, few):
    with pytest.raises(InputError, match=r"2000 barrel clusters, .* are too few to train on: .* 1601"):
        train_on(few, "barrel", tmp_path / "w.safetensors", TrainMdnOptions(batch_size=1601), silent)


@pytest.mark.parametrize("cut", [0.5, 1.0])
def test_too_few_complete_clusters_are_refused(tmp_path, few, cut):
    """As with noise and without a threshold, which makes every cluster touch the border."""
    given = dataclasses.replace(few, truncated=np.arange(len(few)) < cut * len(few))
    with pytest.raises(InputError, match="too few"):
        train_on(given, "barrel", tmp_path / "w.safetensors", TrainMdnOptions(batch_size=1000), silent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"), ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be between 0 and 1"), ({"learning_rate": 1.0}, "learning_rate"),
        ({"schedule": "step"}, "schedule must be one of cosine, constant"), ({"patience": -1}, "patience must be 0 or more"),
        ({"augment": ("mirror-z",)}, "augment must be of mirror-x, mirror-y, shift"), ({"seed": -1}, "seed must be 0 or more"),
        ({"validation_share": 1.0}, "validation_share must be between 0 and 1"), ({"validation_share": 0.0}, "validation_share"),
        ({"epochs": 10**9}, "epochs must be at least 1 and at most 1000000"),
        ({"batch_size": 10**12}, "batch_size .* at most 10000000"),
        ({"seed": 2**32}, "seed must be 0 or more and at most 4294967295"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TrainMdnOptions(**options)


def test_mirror_y_is_refused_in_the_barrel(tmp_path, few):
    with pytest.raises(InputError, match="mirror-y"):
        train_on(
            few,
            "barrel",
            tmp_path / "w.safetensors",
            dataclasses.replace(QUICK, augment=("mirror-y",)),
            silent,
        )


@pytest.mark.parametrize("name", ["net-0.5", "net"])
def test_output_that_would_be_renamed_is_refused_before_the_files_are_read(tmp_path, name):
    with pytest.raises(
        InputError, match=rf"{name}: the output must end in \.safetensors; name it .*{name}\.safetensors"
    ):
        train_mdn([tmp_path / "missing.parquet"], "barrel", tmp_path / name, QUICK)


def test_wild_clusters_weigh_less_but_keep_a_gradient():
    raw = torch.zeros((3, 14))
    target = torch.zeros((3, 4))
    target[:, 0] = torch.tensor([0.5, 20.0, 400.0])
    raw.requires_grad_(True)
    plain = one_pass.negative_log_likelihood(raw, target).detach().numpy()
    assert plain[0] < one_pass.LARGE_LOSS < plain[1] < plain[2]
    loss = one_pass.cluster_losses(raw, target)
    wanted = [plain[0], *(20 * (1 + np.log(plain[1:] / 20)))]
    np.testing.assert_allclose(loss.detach().numpy(), wanted, rtol=1e-5)
    loss.sum().backward()
    assert torch.all(raw.grad[:, 0] != 0)


def test_length_of_long_clusters_is_learned_where_they_are_known(trained, samples):
    path, _, _, _ = trained
    arrays, description = weights_of(path)
    rows = np.arange(4800, 5400), np.arange(5400, 6000)
    rng = np.random.default_rng(3)
    targets = samples.targets.copy()
    # The last 500 clusters are said to be long ones.
    columns = np.full(len(samples), 5)
    targets[-500:, 2] = rng.choice([-1, 1], 500) * rng.uniform(11, 15, 500)
    cell = samples.sensor["thickness"] / samples.sensor["pitch_x"]
    columns[-500:] = np.round(np.abs(targets[-500:, 2]) * cell + 0.8).astype(int)
    told, _ = calibrate_and_test(
        arrays, description, dataclasses.replace(samples, targets=targets, columns=columns), *rows
    )
    assert told["length"]["offset"] == pytest.approx(0.8, abs=0.15)
    assert told["length"]["sigma"] == pytest.approx(1 / np.sqrt(12) / cell, rel=0.15)
    assert "length" not in calibrate_and_test(arrays, description, samples, *rows)[0]


@pytest.mark.parametrize(
    ("compress", "network"),
    [
        (CompressOptions("mdmm", 0.6), QuantizedOptions("mlp", hidden=(6, 5))),
        (CompressOptions("bits"), QuantizedOptions("mlp", hidden=(6, 5), learn_bits=True)),
        (CompressOptions(), QuantizedOptions("conv")),
    ],
    ids=["mdmm", "bits", "conv"],
)  # fmt: skip
def test_a_quantised_training_is_taken_up_where_it_stopped(samples, tmp_path, monkeypatch, compress, network):
    options = TrainMdnOptions(network, epochs=4, batch_size=256, compress=compress)
    whole = train_on(samples, "barrel", tmp_path / "whole.safetensors", options, lambda line: None)
    rounds = []

    def stopping(line):
        rounds.append(line)
        if len(rounds) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on(samples, "barrel", tmp_path / "two.safetensors", options, stopping)
    again = train_on(samples, "barrel", tmp_path / "two.safetensors", options, rounds.append)
    assert len(rounds) == 4
    assert again == whole
    one, two = (
        load_weights(tmp_path / f"{name}.safetensors", f"fixed-{network.kind}")[0]
        for name in ("whole", "two")
    )
    assert all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compress": CompressOptions("mdmm")}, "left alone for a network of floating point"),
        ({"network": QuantizedOptions(), "compress": CompressOptions("bits")}, "learned bits"),
        ({"network": QuantizedOptions(), "patience": 3}, "patience must be 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        TrainMdnOptions(**change)


@pytest.mark.parametrize(("name", "value"), [("images", np.nan), ("images", np.inf), ("targets", np.nan)])
def test_clusters_that_are_not_finite_are_refused_before_the_first_epoch(tmp_path, few, name, value):
    damaged = getattr(few, name).copy()
    damaged[3].flat[1] = damaged[17].flat[2] = value
    lines = []
    with pytest.raises(
        InputError,
        match="train mdn: 2 of the 2000 barrel clusters have charges or a truth that are not finite",
    ):
        train_on(
            dataclasses.replace(few, **{name: damaged}),
            "barrel",
            tmp_path / "w.safetensors",
            QUICK,
            lines.append,
        )
    assert lines == []
    assert not list(tmp_path.iterdir())


def test_weights_tell_their_threads_and_a_checkpoint_insists_on_them(tmp_path, few, trained):
    threads = torch.get_num_threads()
    assert weights_of(trained[0])[1]["threads"] == threads
    with pytest.raises(PowerCutError):
        train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, cut_after(1))
    torch.set_num_threads(threads + 1)
    try:
        with pytest.raises(InputError, match=r"w\.checkpoint: was made with other options \(threads\)"):
            train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent)
    finally:
        torch.set_num_threads(threads)


def test_best_epoch_of_a_quantised_training_is_one_with_rounding(few, tmp_path, monkeypatch):
    """Held-out values are given by hand; those of the epochs without rounding are lower than any with it can
    be.
    """
    values, seen = [0.1, 0.2, 3.0, 2.0, 2.5], []

    def held_out(model, x, y):
        seen.append(to_fixed(model).weights["dense1"].copy())
        return values[len(seen) - 1]

    monkeypatch.setattr(train, "held_out_loss", held_out)
    options = TrainMdnOptions(QuantizedOptions("mlp", hidden=(6, 5)), epochs=5, batch_size=256, free=0.4)
    train_on(few, "barrel", tmp_path / "w.safetensors", options, silent)
    saved = load_weights(tmp_path / "w.safetensors", "fixed-mlp")[0]["dense1.weight"]
    np.testing.assert_array_equal(saved, seen[3])
    assert not any(np.array_equal(saved, other) for other in (seen[2], seen[4]))


def test_range_on_the_link_holds_all_but_the_rarest_outputs(few):
    """Of 2000 outputs one lies beyond it at either end."""
    model = QuantizedMdn(dataclasses.replace(QuantizedOptions("mlp", hidden=(6, 5))))
    fixed = to_fixed(model)
    description = {
        "architecture": "fixed-mlp", "network": dataclasses.asdict(model.options), "region": "barrel",
        "sensor": dict(SENSOR),
        "slices": [0, 19], "options": {}, "data": {}, "fixed": describe(fixed),
    }  # fmt: skip
    rows = np.arange(2000)
    told, _ = calibrate_and_test(
        to_arrays(fixed),
        description,
        dataclasses.replace(few, truncated=np.zeros(2000, dtype=bool)),
        rows,
        rows,
    )
    outputs = evaluate(fixed, adc_codes(few.images, fixed.edges)) / 2.0 ** fixed.outputs["dense3"].fraction
    ordered = np.sort(outputs, axis=0)
    for k, (low, high) in enumerate(told["output_range"]):
        assert ordered[0, k] <= low <= ordered[1, k]
        assert ordered[-2, k] <= high <= ordered[-1, k]
        assert low == pytest.approx(np.interp(5e-4 * 1999, np.arange(2000), ordered[:, k]))
        assert high == pytest.approx(np.interp((1 - 5e-4) * 1999, np.arange(2000), ordered[:, k]))

"""Training of the network: samples, resume, metrics, and what cannot be trained on."""

import awkward as ak
import numpy as np
import pytest
import torch

from smartpix.clusters import Pixels, Truth, cluster_records, one_event
from smartpix.estimate import MdnEstimator, estimate, truth_targets
from smartpix.io import Header, iterate
from smartpix.schema import InputError
from smartpix.train import TrainMdnOptions, load_samples, train_mdn
from smartpix.weights import load_weights
from smartpix.write import write_events
from tests.helpers import detector_of, module_row, one_module_detector, random_events

QUICK = TrainMdnOptions(epochs=3, batch_size=256)
SILENT = lambda line: None  # noqa: E731


def handmade_file(path, places, truth_at, cots=(0.3, 0.1), detector=None, shares=None):
    """One event; each cluster is the one pixel (row, column) of ``places`` and was crossed at ``truth_at`` (mm)."""
    detector = detector or one_module_detector()
    n = len(places)
    place = np.array(places, dtype=np.int32)
    shares = np.ones(n) if shares is None else np.array(shares)
    pixels = Pixels(np.arange(n), np.zeros(n, dtype=np.int32), place[:, 0], place[:, 1], np.full((n, 2), 900, dtype=np.float32))
    at = np.array(truth_at, dtype=float)
    truth = Truth(
        np.arange(n), np.arange(1, n + 1), shares, np.zeros(n, dtype=np.int32), at[:, 0], at[:, 1], np.full(n, cots[0]),
        np.full(n, cots[1]), np.ones(n),
    )  # fmt: skip
    clusters = cluster_records(detector, pixels, truth, (0, 19), np.full((1, 2), 0.123))
    write_events(path, Header(detector, 3.8, (0, 19)), [one_event(0, clusters, random_events(1, [1])["particles"][0])])
    return path


def pixel_center(row, column):
    return (column + 0.5) * 0.05 - 36.0, (row + 0.5) * 0.0125 - 8.4


def test_track_through_the_centre_of_its_pixel_has_window_coordinates_zero(tmp_path):
    places = [(0, 0), (672, 720), (1343, 1439)]
    path = handmade_file(tmp_path / "f.root", places, [pixel_center(*p) for p in places])
    images, targets, truncated, sensor = load_samples([path], "barrel", (0, 19), 0.95)
    assert not truncated.any()
    np.testing.assert_allclose(targets[:, :2], 0, atol=1e-3)
    np.testing.assert_allclose(targets[:, 2:], np.tile([0.3 / 8, 0.1 / 0.5], (3, 1)), rtol=1e-6)
    assert images.shape == (3, 2, 13, 21)
    assert np.all(images[:, :, 6, 10] == 900)
    assert images.sum() == 3 * 2 * 900
    assert sensor == {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": 0.1, "field": 3.8}


def test_window_coordinates_run_with_x_and_y_in_units_of_the_scale(tmp_path):
    x, y = pixel_center(100, 200)
    path = handmade_file(tmp_path / "f.root", [(100, 200)], [(x + 0.015, y - 0.00375)])
    np.testing.assert_allclose(load_samples([path], "barrel", (0, 19), 0.95)[1][0, :2], [0.2, -0.2], atol=1e-3)


def test_clusters_of_several_particles_and_of_the_other_region_are_left_out(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(1, 1), (50, 50), (90, 90)], np.zeros((3, 2)), shares=[1.0, 0.9, 0.96])
    assert len(load_samples([path], "barrel", (0, 19), 0.95)[0]) == 2
    assert len(load_samples([path], "barrel", (0, 19), 0.0)[0]) == 3


def test_samples_of_several_files_follow_one_another(tmp_path):
    a = handmade_file(tmp_path / "a.root", [(1, 1)], [(0, 0)], cots=(0.8, 0.0))
    b = handmade_file(tmp_path / "b.root", [(1, 1)], [(0, 0)], cots=(1.6, 0.0))
    np.testing.assert_allclose(load_samples([a, b], "barrel", (0, 19), 0.5)[1][:, 2], [0.1, 0.2], rtol=1e-6)


def test_interrupted_training_ends_with_identical_weights(tmp_path, barrel_file):
    lines = []
    whole = train_mdn([barrel_file], "barrel", tmp_path / "whole.safetensors", QUICK, lines.append)
    assert len(lines) == 3

    class PowerCutError(Exception):
        pass

    def cut_after(epoch):
        def report(line):
            if line.startswith(f"epoch {epoch}/"):
                raise PowerCutError

        return report

    path = tmp_path / "parts.safetensors"
    with pytest.raises(PowerCutError):
        train_mdn([barrel_file], "barrel", path, QUICK, cut_after(1))
    with pytest.raises(PowerCutError):
        train_mdn([barrel_file], "barrel", path, QUICK, cut_after(2))
    assert not path.exists()
    torch.manual_seed(99)
    resumed = []
    parts = train_mdn([barrel_file], "barrel", path, QUICK, resumed.append)
    # At least the epochs before the one that was cut are not done again.
    assert len(resumed) <= 2
    assert resumed[-1].startswith("epoch 3/3")
    one, two = (load_weights(tmp_path / f"{n}.safetensors", "mdn-conv-2029") for n in ("whole", "parts"))
    for name, array in one[0].items():
        np.testing.assert_array_equal(two[0][name], array)
    assert one[1] == two[1]
    assert parts == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts.json", "parts.safetensors", "whole.json", "whole.safetensors"]


def test_epoch_that_was_reported_is_not_lost(tmp_path, barrel_file):
    def report(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mdn([barrel_file], "barrel", tmp_path / "w.safetensors", QUICK, report)
    resumed = []
    train_mdn([barrel_file], "barrel", tmp_path / "w.safetensors", QUICK, resumed.append)
    assert [line.split()[1] for line in resumed] == ["2/3", "3/3"]


@pytest.fixture
def interrupted(tmp_path, barrel_file):
    """Path of weights whose training left a checkpoint."""

    def report(line):
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mdn([barrel_file], "barrel", tmp_path / "w.safetensors", QUICK, report)
    return tmp_path / "w.safetensors"


def test_learning_rate_falls_along_a_cosine_over_the_whole_training(interrupted):
    state = torch.load(interrupted.with_suffix(".checkpoint"), weights_only=True)
    assert state["epoch"] == 2
    # The last batch of the second of three epochs comes a little before two thirds of the way.
    upper, lower = (QUICK.learning_rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * part))) for part in (0.5, 2 / 3))
    assert lower < state["optimizer"]["param_groups"][0]["lr"] < upper


def test_checkpoint_of_other_options_is_refused(interrupted, barrel_file):
    with pytest.raises(InputError, match="was made with other options"):
        train_mdn([barrel_file], "barrel", interrupted, TrainMdnOptions(epochs=4, batch_size=256), SILENT)


def test_damaged_checkpoint_is_an_input_error(interrupted, barrel_file):
    checkpoint = interrupted.with_suffix(".checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="checkpoint"):
        train_mdn([barrel_file], "barrel", interrupted, QUICK, SILENT)


def test_training_learns_and_its_metrics_and_calibration_hold_on_other_clusters(tmp_path, barrel_file, mixed_file):
    options = TrainMdnOptions(epochs=12, batch_size=256)
    lines = []
    metrics = train_mdn([barrel_file], "barrel", tmp_path / "w.safetensors", options, lines.append)
    losses = [float(line.split("nll ")[1].split()[0]) for line in lines]
    assert losses[-1] < losses[0] - 2
    assert metrics["parameters"] == 2029
    assert metrics["n_validation"] == int(0.15 * (metrics["n_train"] + metrics["n_validation"]))
    # The same on clusters of another file, through the estimator and in mm.
    _, description = load_weights(tmp_path / "w.safetensors", "mdn-conv-2029")
    assert description["metrics"] == metrics
    assert (description["region"], description["slices"]) == ("barrel", [0, 19])
    estimator = MdnEstimator.load(str(tmp_path / "w.safetensors"), "mdn-endcap")
    opened, events = next(iterate(mixed_file, step=9))
    clusters = ak.flatten(events["clusters"], axis=1)
    target, has = truth_targets(clusters, 0.95)
    chosen = has & opened.header.detector.barrel[ak.to_numpy(clusters["module_index"])]
    result = estimate(clusters, opened.header, estimator)
    residual, sigma = (result.mean - target)[chosen], result.sigma()[chosen]
    half_width = np.percentile(np.abs(residual), 68.27, axis=0)
    np.testing.assert_allclose(half_width, list(metrics["half_width_68"].values()), rtol=0.2)
    np.testing.assert_allclose(np.percentile(np.abs(residual / sigma), 68.27, axis=0), 1, atol=0.15)


def test_same_seed_same_weights_other_seed_other_weights(tmp_path, barrel_file):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(hash(name) % 1000)
        options = TrainMdnOptions(epochs=1, batch_size=512, seed=seed)
        train_mdn([barrel_file], "barrel", tmp_path / f"{name}.safetensors", options, SILENT)
    a, b, c = (load_weights(tmp_path / f"{n}.safetensors", "mdn-conv-2029")[0] for n in "abc")
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["dense1.weight"], c["dense1.weight"])


def test_unknown_region_is_refused(tmp_path, barrel_file):
    with pytest.raises(InputError, match="region 'forward' is unknown; use barrel or endcap"):
        train_mdn([barrel_file], "forward", tmp_path / "w.safetensors", QUICK, SILENT)


def test_region_the_detector_does_not_have_is_refused(tmp_path, barrel_file):
    with pytest.raises(InputError, match="endcap"):
        train_mdn([barrel_file], "endcap", tmp_path / "w.safetensors", QUICK, SILENT)


def test_too_few_clusters_are_refused(tmp_path, barrel_file):
    with pytest.raises(InputError, match=r"barrel clusters are too few to train on \(batch size 100000\)"):
        train_mdn([barrel_file], "barrel", tmp_path / "w.safetensors", TrainMdnOptions(batch_size=100_000), SILENT)


def test_file_without_truth_is_refused(tmp_path):
    write_events(tmp_path / "d.root", Header(one_module_detector(), 3.8, (0, 19), {"truth": False}), [random_events(1, [3])])
    with pytest.raises(InputError, match=r"d\.root: has no truth to train on"):
        load_samples([tmp_path / "d.root"], "barrel", (0, 19), 0.95)


def test_files_of_different_sensors_are_refused(tmp_path):
    row = module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1)
    thick = detector_of([{**row, "module_t": 0.075}])
    a = handmade_file(tmp_path / "a.root", [(1, 1)], [(0, 0)])
    b = handmade_file(tmp_path / "b.root", [(1, 1)], [(0, 0)], detector=thick)
    with pytest.raises(InputError, match=r"b\.root: sensor .* differs"):
        load_samples([a, b], "barrel", (0, 19), 0.95)


def test_file_without_usable_clusters_is_refused(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)], shares=[0.5])
    with pytest.raises(InputError, match="no barrel cluster with truth to train on"):
        load_samples([path], "barrel", (0, 19), 0.95)

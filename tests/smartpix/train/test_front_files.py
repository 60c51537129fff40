"""Training of the front's networks on clusters with truth: what trains, what tests, and weights on disk."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from smartpix.merged import MergedSamples, load_front
from smartpix.merged.front import FrontOptions, sizes
from smartpix.schema import InputError
from smartpix.train import front_files
from smartpix.train.front import front_probabilities
from smartpix.train.front_files import train_front_on_files
from smartpix.train.front_options import TrainFrontOptions
from tests.helpers import SENSOR

QUICK = TrainFrontOptions(FrontOptions("ecal-dnn"), epochs=3, batch_size=50)


def merged(n=900, seed=1, parts=()):
    """Rows of charge; another one above where there are two, a third where there are three. Some are cut."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 4, n)
    images = rng.normal(0, 300, (n, 2, 8, 10)).astype(np.float32)
    for k in (1, 2, 3):
        images[count >= k, :, 2 * k] += rng.normal(500, 400, (int((count >= k).sum()), 2, 10))
    return MergedSamples(
        images, np.full((n, 3, 4), np.nan), rng.random(n) < 0.2, SENSOR, (2, 19), {"command": "test"},
        parts, count=count,
    )  # fmt: skip


@pytest.fixture
def clusters(monkeypatch):
    """What is read in place of files."""
    given = {"samples": merged()}
    monkeypatch.setattr(front_files, "load_merged", lambda files, region, reading: given["samples"])
    return given


def test_weights_give_what_the_metrics_say(clusters, tmp_path):
    samples = clusters["samples"] = merged(parts=(400, 500))
    path = tmp_path / "w.safetensors"
    metrics = train_front_on_files("f.root", "barrel", path, QUICK)
    network = load_front(path)
    assert network.options == FrontOptions("ecal-dnn", 2, 8, 10)
    size = sizes(network.options)
    assert (metrics["parameters"], metrics["moving"]) == (size.trained, size.moving)
    # The last fifth of each file, without those that are cut.
    rows = np.concatenate([np.arange(320, 400), np.arange(800, 900)])
    rows = rows[~samples.truncated[rows]]
    assert metrics["n_test"] == len(rows)
    assert metrics["n_train"] == (~samples.truncated).sum() - len(rows)
    chance, count = front_probabilities(network, samples.images[rows]), samples.count[rows]
    two = count < 3
    assert metrics["auc"] == pytest.approx(roc_auc_score(count[two] == 2, chance[two]))
    assert metrics["auc"] > 0.75
    above = chance[count == 2] > np.quantile(chance[count == 1], 0.95)
    assert metrics["efficiency"] == pytest.approx(above.mean())
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["metrics"] == metrics
    assert told["network"]["n_rows"] == 8


def test_a_training_goes_on_from_weights(clusters, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    short = TrainFrontOptions(QUICK.network, epochs=1, batch_size=300, learning_rate=1e-9)
    train_front_on_files("f.root", "barrel", first, QUICK)
    train_front_on_files("f.root", "barrel", second, short, start=first)
    for a, b in zip(load_front(first).parameters(), load_front(second).parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-7)
    assert json.loads(second.with_suffix(".json").read_text())["start"] == "a.safetensors"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"slices": (0, 9)}, "the slices .2, 19., and these are of .0, 9."),
     ({"sensor": {**SENSOR, "pitch_y": 0.05}}, "the sensor 50 x 12.5 x 100 .*, and these are of 50 x 50 x 100")],
)  # fmt: skip
def test_a_training_goes_on_on_clusters_of_the_same_kind_alone(clusters, tmp_path, changes, words):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_front_on_files("f.root", "barrel", first, QUICK)
    with pytest.raises(InputError, match="the region barrel, and these are of endcap"):
        train_front_on_files("f.root", "endcap", second, QUICK, start=first)
    clusters["samples"] = replace(clusters["samples"], **changes)
    with pytest.raises(InputError, match=words):
        train_front_on_files("f.root", "barrel", second, QUICK, start=first)


def test_bad_input_is_refused(clusters, tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="region 'middle' is unknown; use barrel or endcap"):
        train_front_on_files("f.root", "middle", path, QUICK)
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        train_front_on_files("f.root", "barrel", tmp_path / "w.pt", QUICK)
    clusters["samples"] = samples = merged()
    clusters["samples"] = samples.take(np.flatnonzero(samples.count != 2))
    with pytest.raises(InputError, match="clusters of one particle and 0 of two are left to test with"):
        train_front_on_files("f.root", "barrel", path, QUICK)
    clusters["samples"] = merged()
    train_front_on_files("f.root", "barrel", path, QUICK)
    other = TrainFrontOptions(FrontOptions("ecal-shape"), epochs=1)
    with pytest.raises(InputError, match="go on from"):
        train_front_on_files("f.root", "barrel", tmp_path / "v.safetensors", other, start=path)
    with pytest.raises(InputError, match="holds weights of"):
        load_front("mdn-barrel")

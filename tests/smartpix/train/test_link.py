"""The training of the learned code, and the code that comes out of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from smartpix.clusters import flatten, windows
from smartpix.estimate.base import truth_targets
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.io.parquet import write_clusters
from smartpix.link.codes import coded
from smartpix.link.images import Adc, adc_of
from smartpix.link.learned import load_link, with_tables
from smartpix.link.options import LinkOptions
from smartpix.link.samples import link_clusters
from smartpix.networks.modules import encode
from smartpix.networks.weights import load_weights, save_weights
from smartpix.samples import load_samples
from smartpix.schema import InputError
from smartpix.train.link import train_link
from smartpix.train.link_estimates import host_estimates
from smartpix.train.link_options import TrainLinkOptions
from smartpix.train.loop import train_mdn
from smartpix.train.options import TrainMdnOptions
from tests.helpers import REPOSITORY, SENSOR
from tests.smartpix.clusters import cluster_set

SAMPLE = REPOSITORY / "data" / "sample.root"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights after a short training, what it told, and the clusters as the chip has them."""
    path = tmp_path_factory.mktemp("link") / "link.safetensors"
    options = TrainLinkOptions(
        LinkOptions(latent=4, bits=5, hidden=32), epochs=3, clusters=2500, batch_size=64, rate=0.01
    )
    lines = []
    metrics = train_link(SAMPLE, path, options, lines.append)
    header = open_events(SAMPLE).header
    clusters, _ = link_clusters([SAMPLE], (2, 19), 400)
    return path, metrics, lines, coded(clusters, header.detector, adc_of(header))


def test_the_loss_falls_and_is_told(trained):
    path, metrics, lines, _ = trained
    assert len(lines) == len(metrics["loss_by_epoch"]) == 3
    assert metrics["loss_by_epoch"][-1] < 0.7 * metrics["loss_by_epoch"][0]
    assert metrics["encoder_parameters"] == 8 * 19 + 480 * 4 + 4
    assert metrics["parameters"] - metrics["encoder_parameters"] == 13 * 32 + 32 + 32 * 32 + 32 + 33 * 546
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["metrics"] == metrics
    assert described["options"]["network"]["latent"] == 4


def test_the_code_sends_and_decodes(trained):
    path, _, _, seen = trained
    code = load_link(str(path))
    with pytest.raises(InputError, match="not counted"):
        code(seen)
    sent = with_tables(code, seen)(seen)
    np.testing.assert_array_equal(sent.bits, seen.boxes.bits + 4 * 5)
    assert sent.arithmetic_bits.mean() < sent.bits.mean()
    inside = np.repeat(seen.boxes.mask()[:, None], 2, axis=1)
    assert not sent.charge[~inside].any()
    # So few clusters teach hardly more than that most pixels of the box are empty.
    assert lost(sent, seen) < 0.95


def lost(sent, seen):
    """Share of the clusters' squared charge, on a scale of its logarithm, that is not in the decoded ones."""
    found, true = (np.sign(q) * np.log1p(np.abs(q) / 300) for q in (sent.charge, seen.adc.charge(seen.codes)))
    return np.square(found - true).sum() / np.square(true).sum()


def test_codes_that_ship_keep_the_charge_and_more_bits_more_of_it(trained):
    seen = trained[-1]
    found = {name: lost(with_tables(load_link(name), seen)(seen), seen) for name in ("link-4x6", "link-8x5")}
    assert found["link-8x5"] < found["link-4x6"] < 0.4


def test_clusters_of_another_adc_are_refused(trained):
    path, _, _, seen = trained
    other = Adc(seen.adc.edges * 2, seen.adc.values * 2)
    with pytest.raises(InputError, match="train a code for these"):
        with_tables(load_link(str(path)), replace(seen, adc=other))


def test_weights_without_their_description_are_refused(trained, tmp_path):
    arrays, description = load_weights(trained[0], "link")
    del description["smallest"]
    save_weights(tmp_path / "w.safetensors", arrays, description)
    with pytest.raises(InputError, match="lacks 'smallest'"):
        load_link(str(tmp_path / "w.safetensors"))


def test_the_estimates_behind_the_code_are_the_chains():
    header = open_events(SAMPLE).header
    estimator = choose_estimator(header, "mdn")
    host = host_estimates(estimator, header)
    _, records = next(iter(iterate([SAMPLE], step=1)))
    seen = coded(
        flatten(records[0]["clusters"], estimator.slices).take(np.arange(300)),
        header.detector,
        adc_of(header),
    )
    charge, barrel = (
        encode(torch.from_numpy(seen.adc.charge(seen.codes)), host.input),
        torch.from_numpy(seen.barrel),
    )
    raw = host.raw(charge, barrel)
    for region, rows in (("barrel", seen.barrel), ("endcap", ~seen.barrel)):
        expected = estimator.networks[region].fused.images(seen.adc.charge(seen.codes[rows]))
        np.testing.assert_allclose(raw.numpy()[rows], expected, atol=2e-3)
    # A cluster that is decoded as it was loses nothing, any other does.
    np.testing.assert_allclose(host.losses(charge, barrel, raw).numpy(), 0, atol=1e-4)
    assert float(host.losses(0.9 * charge, barrel, raw).min()) > -1e-4
    assert float(host.losses(0.9 * charge, barrel, raw).mean()) > 0.01


def test_the_same_command_gives_the_same_weights(tmp_path):
    options = TrainLinkOptions(LinkOptions(latent=2, hidden=8), epochs=1, clusters=150, batch_size=64)
    for name in "ab":
        train_link(SAMPLE, tmp_path / f"{name}.safetensors", options, lambda line: None)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint"))
    with pytest.raises(InputError, match="fewer than a batch"):
        train_link(SAMPLE, tmp_path / "c.safetensors", replace(options, clusters=10), lambda line: None)


def test_an_interrupted_training_goes_on_where_it_was(tmp_path):
    options = TrainLinkOptions(
        LinkOptions(latent=2, hidden=8), epochs=3, clusters=150, batch_size=64, validation_share=0.1
    )
    whole = train_link(SAMPLE, tmp_path / "a.safetensors", options, lambda line: None)
    told = []

    def stops(line):
        told.append(line)
        if len(told) == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train_link(SAMPLE, tmp_path / "b.safetensors", options, stops)
    with pytest.raises(InputError, match=r"other options \(charge, options.seed\)"):
        train_link(SAMPLE, tmp_path / "b.safetensors", replace(options, seed=2), stops)
    # Two epochs are done: the last one is all that is told.
    assert train_link(SAMPLE, tmp_path / "b.safetensors", options, told.append) == whole
    assert len(told) == 3
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert not (tmp_path / "b.checkpoint").exists()


def test_estimates_learn_from_what_the_code_brings(trained, tmp_path):
    path, _, _, _ = trained
    plain, decoded = (load_samples(SAMPLE, "barrel", code=code) for code in ("", str(path)))
    np.testing.assert_array_equal(decoded.targets, plain.targets)
    assert "code" not in plain.made_by
    assert decoded.made_by["code"] == "link"
    # The first event's, by hand.
    opened, records = next(iter(iterate([SAMPLE], step=1)))
    clusters = records[0]["clusters"]
    _, has = truth_targets(clusters, 0.95)
    detector = opened.header.detector
    chosen = has & detector.barrel[np.asarray(clusters["module_index"])]
    seen = coded(flatten(clusters[chosen], (2, 19)), detector, adc_of(opened.header))
    expected, _ = windows(load_link(str(path)).decoded(seen))
    np.testing.assert_array_equal(decoded.images[: len(expected)], expected)
    assert not np.array_equal(decoded.images, plain.images)
    quick = TrainMdnOptions(epochs=1, batch_size=256)
    train_mdn(SAMPLE, "barrel", tmp_path / "mdn.safetensors", quick, code=str(path), start="mdn-barrel")
    assert json.loads((tmp_path / "mdn.json").read_text())["data"]["code"] == "link"


def test_codes_are_for_event_files(tmp_path):
    write_clusters(tmp_path / "set.parquet", cluster_set(5, slices=(0, 7), shape=(13, 21)), {}, SENSOR)
    with pytest.raises(InputError, match="codes of the link are for event files"):
        load_samples(tmp_path / "set.parquet", "barrel", code="link-4x6")

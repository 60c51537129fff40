"""Trainings that were interrupted: taken up to the bit, or refused where anything differs."""

import dataclasses

import numpy as np
import pytest
import torch

from smartpix.chip.compress import CompressOptions
from smartpix.chip.options import QuantizedOptions
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.train import loop as train
from smartpix.train.loop import train_on
from smartpix.train.options import AUGMENTATIONS, TrainMdnOptions
from tests.smartpix.train.quick_trainings import (
    QUICK,
    PowerCutError,
    cut_after,
    first,
    save_start,
    silent,
    weights_of,
)


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


def test_stopped_training_that_was_interrupted_does_not_go_on(tmp_path, few, monkeypatch):
    values = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(train, "held_out_loss", lambda *_: next(values))
    options = TrainMdnOptions(epochs=50, batch_size=256, patience=2)
    path = tmp_path / "w.safetensors"
    with pytest.raises(PowerCutError):
        train_on(few, "barrel", path, options, cut_after(3))
    assert train_on(few, "barrel", path, options, silent)["epochs"] == 3
    assert path.exists()


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

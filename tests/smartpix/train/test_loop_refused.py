"""What cannot be trained on."""

import dataclasses

import numpy as np
import pytest

from smartpix.chip.compress import CompressOptions
from smartpix.chip.options import QuantizedOptions
from smartpix.schema import InputError
from smartpix.train.loop import train_mdn, train_on
from smartpix.train.options import TrainMdnOptions
from tests.smartpix.train.quick_trainings import QUICK, silent


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

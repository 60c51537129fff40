"""Clusters to train on, and a training that is done."""

import pytest

from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tests.smartpix.train.quick_trainings import first


@pytest.fixture(scope="package")
def few(samples):
    return first(samples, 2000)


@pytest.fixture(scope="package")
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

"""Which networks read which toys."""

import dataclasses

import pytest

from smartpix.schema import InputError
from tracking.finders.trkx.models import MODELS, check_model, scaled
from tracking.finders.trkx.options import KINDS, toy_options


@pytest.mark.parametrize("name", MODELS)
def test_each_model_reads_the_toys_it_was_published_on(name):
    assert check_model(name, toy_options(MODELS[name].toy)) is MODELS[name]
    assert set(MODELS[name].kinds) <= set(KINDS)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("caption", "3d", "toy.kind must be lines-1 or lines-3 or lines-poisson for caption and is '3d'"),
        ("conv", "2d-conv", "toy.kind must be 3d for conv"),
        ("lstm-variable", "2d-conv", "must be variable for lstm-variable"),
        ("lstm-50", "lines-1", "must be 2d-noise or 2d-tracks or 2d-conv or 3d for lstm-50"),
    ],
)
def test_toys_that_a_model_cannot_read_are_refused(name, kind, words):
    with pytest.raises(InputError, match=words):
        check_model(name, toy_options(kind))


@pytest.mark.parametrize(
    ("name", "kind", "change", "words"),
    [
        (
            "conv-autoencoder-2d",
            "2d-tracks",
            {},
            "toy.width must be a multiple of 16 .* and is 50; set it to 48",
        ),
        (
            "conv-autoencoder-2d",
            "2d-conv",
            {"n_planes": 40},
            "toy.n_planes must be a multiple of 16 .* is 40",
        ),
        ("autoencoder", "3d", {"width": 10}, "toy.width must be a multiple of 32 .* is 10; set it to 32"),
    ],
)
def test_planes_that_cannot_be_halved_are_refused(name, kind, change, words):
    with pytest.raises(InputError, match=words):
        check_model(name, dataclasses.replace(toy_options(kind), **change))


def test_layers_of_narrow_networks_have_at_least_one_unit():
    assert [scaled(1024, 0.25), scaled(8, 0.01), scaled(400, 1.0), scaled(8, 2.0)] == [256, 1, 400, 16]

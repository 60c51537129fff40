"""Options of the training: published values, ranges, and what does not go together."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.training_options import (
    TEST_SEED,
    VALIDATION_SEED,
    TrainTrkxOptions,
    published_options,
)


@pytest.mark.parametrize("name", MODELS)
def test_each_model_has_its_published_toys_and_batches(name):
    options = published_options(name)
    assert options.toy == toy_options(MODELS[name].toy)
    captions = name.startswith("caption")
    assert (options.batch_size, options.learning_rate) == ((256, 1e-3) if captions else (128, 2e-3))
    assert (options.model, options.width, options.samples) == (name, 1.0, 1_024_000)


def test_other_toys_of_a_model():
    assert published_options("lstm-100", "2d-noise").toy == toy_options("2d-noise")
    assert published_options("caption", "lines-poisson").toy.max_tracks == 6


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(1, 10**6), batch=st.integers(1, 10**5))
def test_samples_are_rounded_up_to_whole_batches(samples, batch):
    options = TrainTrkxOptions(samples=samples, batch_size=batch, evaluations=1)
    assert 0 <= options.n_steps * batch - samples < batch


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 199_999))
def test_the_seeds_of_training_curve_and_test_differ(seed):
    """Of any two trainings, too: no seed of one is another purpose's of the other."""
    options = TrainTrkxOptions(seed=seed)
    low, high = 200_000, 400_000
    assert options.seed < low <= options.seed + VALIDATION_SEED < high <= options.seed + TEST_SEED < 700_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "lstm-51"}, "model must be one of .* and is 'lstm-51'.*lstm-50"),
        ({"width": 0.0}, "width must be from 0.01 to 10 and is"),
        ({"samples": 0}, "samples must be from 1"),
        ({"batch_size": 0}, "batch_size must be from 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be from 1e-09 to 1"),
        ({"schedule": "cosine"}, "schedule must be one of falling, constant"),
        ({"precision": "float16"}, "precision must be one of bfloat16, float32"),
        (
            {"samples": 256, "evaluations": 3},
            "evaluations must be at most 2, since .* and is 3; give --evaluations 2, or more --samples",
        ),
        ({"seed": 200_000}, "seed must be from 0 to 199999"),
        ({"start": "caption.safetensors"}, "lstm-50 starts from random weights; leave it out"),
        ({"toy": toy_options("lines-1")}, "toy.kind must be 2d-noise or"),
        ({"test": 1.5}, "test must be of type int"),
    ],
)
def test_options_that_cannot_be_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(TrainTrkxOptions(), **change)


def test_unknown_models_and_toys_are_refused():
    with pytest.raises(InputError, match=r"model must be one of .* and is 'lsm'.*lstm"):
        published_options("lsm")
    with pytest.raises(InputError, match="kind must be one of"):
        published_options("lstm", "4d")

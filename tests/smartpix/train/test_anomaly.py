"""Training of autoencoders: what they learned is usual, and bad input is refused."""

import numpy as np
import pytest
import torch

from smartpix.merged.anomaly import AutoencoderOptions, true_rate
from smartpix.merged.autoencoders import anomaly_scores
from smartpix.schema import InputError
from smartpix.train.anomaly import train_autoencoder
from smartpix.train.anomaly_options import TrainAutoencoderOptions


def spots(n, seed, second=0.0):
    """Charge of 8,000 e in a row of pixels about the origin, of a random length, and another far off."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 2, 13, 21), dtype=np.float32)
    for image in images:
        length = rng.integers(1, 4)
        image[:, 6, 10 - length : 11 + length] = 8000 * rng.uniform(0.5, 1.5) / (2 * length + 1)
        image[:, 2, 15] = second
        image[0] *= 0.5
    return images


@pytest.mark.parametrize(
    ("options", "least"),
    [
        (AutoencoderOptions("dense", variational=False), 0.95),
        (AutoencoderOptions("dense", beta=0.01), 0.95),
        (AutoencoderOptions("conv", beta=0.01), 0.6),
    ],
)
def test_what_was_not_seen_is_unusual(options, least):
    train = TrainAutoencoderOptions(options, epochs=12, batch_size=50)
    network = train_autoencoder(spots(800, 1), train)
    usual, unusual = (anomaly_scores(network, spots(200, 2, second))["mse"] for second in (0.0, 4000.0))
    assert true_rate(usual, unusual, 0.05) > least


def test_same_seed_same_network():
    options = TrainAutoencoderOptions(epochs=1, batch_size=50)
    first, again = (train_autoencoder(spots(100, 1), options) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_bad_input_is_refused():
    images = spots(60, 1)
    with pytest.raises(InputError, match="60 images are fewer than a batch of 512"):
        train_autoencoder(images)
    with pytest.raises(InputError, match=r"diverged in epoch 1; lower the learning rate, now 1\.0"):
        train_autoencoder(images * np.float32(1e33), TrainAutoencoderOptions(
            AutoencoderOptions(beta=0.0), epochs=40, batch_size=2, learning_rate=1.0
        ))  # fmt: skip

"""The encoder in whole numbers is what the training computes, and has the published shapes."""

import numpy as np
import pytest
import torch
from torch import nn

from smartpix.chip.fixed_point import FixedPoint
from smartpix.link.autoencoders import ECON_SHAPES, EconAutoencoder, LinkAutoencoder, fixed_encoder
from smartpix.link.encoder import encode_clusters, encoder_from_arrays
from smartpix.link.losses import resolution_loss
from smartpix.link.options import LinkOptions
from smartpix.schema import InputError
from tests.smartpix.link.clusters import random_coded


@pytest.mark.parametrize(("geometry", "parameters"), [("8x8x1", 2144), ("4x4x3", 2288)])
def test_econ_encoders_have_the_published_parameters(geometry, parameters):
    network = EconAutoencoder(geometry)
    assert sum(p.numel() for p in network.encoder.parameters()) == parameters
    (rows, columns, layers), _ = ECON_SHAPES[geometry]
    images = torch.rand(3, layers, rows, columns, generator=torch.Generator().manual_seed(1))
    assert network.encoder(images).shape == (3, 16)
    found = network(images)
    assert found.shape == images.shape
    assert 0 < found.min() < found.max() < 1
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in network.decoder) == 2
    assert next(m for m in network.decoder if isinstance(m, nn.Linear)).out_features == 128


def test_unknown_geometries_are_refused():
    with pytest.raises(InputError, match="geometry '3x3' is unknown"):
        EconAutoencoder("3x3")


@pytest.mark.parametrize(
    "options", [LinkOptions(), LinkOptions(latent=3, bits=2, filters=2, weight_bits=4, result_bits=5)]
)
def test_whole_numbers_are_those_of_the_training(options):
    torch.manual_seed(2)
    network = LinkAutoencoder(options)
    codes = random_coded(200, 7, 12).codes
    with torch.no_grad():
        network.conv.weight *= 3
        network.dense.weight *= 4
        network.conv.fit_format()
        network.dense.fit_format()
        latent = network.latent(torch.from_numpy(codes)).numpy()
    _, encoder = fixed_encoder(network)
    sent = encode_clusters(encoder, codes)
    np.testing.assert_array_equal(sent * 2.0**-options.sent.fraction, latent)
    assert sent.min() >= options.sent.low
    assert sent.max() <= options.sent.high
    assert len(np.unique(sent)) > 2
    assert encoder.parameters == sum(
        p.numel() for name, p in network.named_parameters() if "decoder" not in name
    )


def test_whole_numbers_are_those_of_a_straight_loop():
    torch.manual_seed(3)
    options = LinkOptions(latent=2, filters=2)
    _, encoder = fixed_encoder(LinkAutoencoder(options))
    image = random_coded(2, 8, 9).codes[1].astype(int)
    hidden = []
    for f in range(2):
        for r in range(0, 11, 2):
            for c in range(0, 19, 2):
                total = int(encoder.conv_bias[f])
                total += sum(
                    int(encoder.conv[f, s, i, j]) * image[s, r + i, c + j]
                    for s in range(2) for i in range(3) for j in range(3)
                )  # fmt: skip
                hidden.append(
                    min(
                        max(total >> (encoder.conv_fraction - options.results.fraction), 0),
                        options.results.high,
                    )
                )
    for k, found in enumerate(encode_clusters(encoder, image[None])[0]):
        total = int(encoder.dense_bias[k]) + sum(
            int(w) * h for w, h in zip(encoder.dense[k], hidden, strict=True)
        )
        shifted = total >> (encoder.dense_fraction - options.sent.fraction)
        assert found == min(max(shifted, options.sent.low), options.sent.high)


def test_damaged_encoders_are_refused():
    options = LinkOptions(latent=2)
    arrays, encoder = fixed_encoder(LinkAutoencoder(options))
    with pytest.raises(InputError, match="takes codes of"):
        encode_clusters(encoder, np.zeros((1, 2, 13, 20), dtype=np.int8))
    with pytest.raises(InputError, match=r"encoder\.dense\.bias' is missing"):
        encoder_from_arrays({k: v for k, v in arrays.items() if k != "encoder.dense.bias"}, options)
    with pytest.raises(InputError, match="expected"):
        encoder_from_arrays(arrays, LinkOptions(latent=3))
    form = FixedPoint(True, *arrays["encoder.conv.format"].tolist())
    arrays["encoder.conv.weight"][0] = form.high + 1
    with pytest.raises(InputError, match="beyond its"):
        encoder_from_arrays(arrays, options)


def test_the_loss_is_that_of_a_straight_loop():
    rng = np.random.default_rng(9)
    true, found = rng.normal(size=(2, 1, 2, 5, 6))
    expected = 0.0
    for size in (1, 2, 4):
        cells = []
        for s in range(2):
            for r in range(0, 5, size):
                for c in range(0, 6, size):
                    one, other = (x[0, s, r : r + size, c : c + size].sum() / size**2 for x in (true, found))
                    cells.append((one - other) ** 2 * max(abs(one), abs(other)))
        expected += np.mean(cells)
    loss = resolution_loss(torch.from_numpy(true), torch.from_numpy(found))
    assert float(loss[0]) == pytest.approx(expected)
    # Charge that moves by a pixel costs less than charge that is lost.
    one = torch.zeros(1, 1, 8, 8)
    one[0, 0, 2, 2] = 1
    moved = torch.roll(one, 1, dims=3)
    assert resolution_loss(one, moved) < 2 * resolution_loss(one, torch.zeros_like(one))

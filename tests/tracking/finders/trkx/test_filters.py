"""What filters look for: against the closed form of the first layer, and what ascent must do."""

import numpy as np
import pytest
import torch

from smartpix.schema import InputError
from tracking.finders.trkx.filters import has_filters, optimal_inputs
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import toy_options


def network_of(model, seed=1):
    torch.manual_seed(seed)
    return make_network(model, toy_options("2d-conv" if "2d" in model else "3d"), 0.5)


def test_the_first_layers_best_input_has_the_pixels_of_positive_weights():
    """The response is linear there: every pixel of the kernel ends at 1 or at 0."""
    network = network_of("conv-2d")
    first = optimal_inputs(network, (48, 48), 40, seed=5)[0]
    weights = network.layers[0].weight.detach().numpy()[:, 0]
    expected = np.zeros((4, 48, 48))
    expected[:, 23:26, 23:26] = weights > 0
    np.testing.assert_array_equal(first.images, expected)
    bias = network.layers[0].bias.detach().numpy()
    np.testing.assert_allclose(first.after, np.clip(weights, 0, None).sum(axis=(1, 2)) + bias, rtol=1e-5)


@pytest.mark.parametrize(("model", "shape"), [("conv-2d", (48, 48)), ("conv", (10, 32, 32))])
def test_responses_grow_and_images_stay_within_what_a_layer_sees(model, shape):
    network = network_of(model)
    layers = optimal_inputs(network, shape, 8, seed=5, n_filters=3)
    assert [layer.layer for layer in layers] == list(range(1, 11))
    for layer in layers:
        assert layer.images.shape == (3, *shape)
        assert np.all(layer.after > layer.before)
        assert layer.images.min() >= 0
        assert layer.images.max() <= 1
        # Kernels of three: each layer sees one pixel more on every side.
        for axis, side in enumerate(shape, 1):
            middle, others = side // 2, tuple({0, 1, 2, 3} & set(range(len(shape) + 1)) - {axis})
            seen = np.flatnonzero(np.any(layer.images > 0, axis=others))
            assert np.all(np.abs(seen - middle) <= layer.layer)
        maps = network.layers[: 2 * layer.layer - 1](torch.from_numpy(layer.images)[:, None]).detach().numpy()
        at = tuple(side // 2 for side in shape)
        np.testing.assert_allclose(layer.after, [maps[(k, k, *at)] for k in range(3)], rtol=1e-5)


@pytest.mark.parametrize("model", ["conv-2d", "conv", "conv-autoencoder-2d", "autoencoder"])
def test_the_field_is_what_changes_the_response(model):
    """Where all weights are positive, a pixel that is turned up shows in the response if the filter sees it."""
    network, shape = network_of(model), (10, 32, 32) if model in ("conv", "autoencoder") else (48, 48)
    middle = [side // 2 for side in shape]
    with torch.no_grad():
        for values in network.layers.parameters():
            values.copy_(values.abs() + 0.01)
    found = optimal_inputs(network, shape, 1, seed=5, n_filters=1)
    places = [
        k for k, layer in enumerate(network.layers) if isinstance(layer, (torch.nn.Conv2d, torch.nn.Conv3d))
    ]
    assert len(found) == len(places) - 1
    for layer, place in zip(found, places, strict=False):
        trunk = network.layers[: place + 1]
        for axis, side in enumerate(shape):
            # All pixels of a row of the image, one after the other, across a place that is surely seen.
            at = [sum(ends) // 2 for ends in layer.field]
            images = torch.zeros(side, *shape)
            for k in range(side):
                images[(k, *at[:axis], k, *at[axis + 1 :])] = 100.0
            with torch.inference_mode():
                maps = trunk(torch.cat((torch.zeros(1, *shape), images))[:, None])
            own = maps[(slice(None), 0, *(n // 2 for n in maps.shape[2:]))]
            seen = np.flatnonzero((own[1:] > own[0]).numpy())
            assert (seen[0], seen[-1]) == layer.field[axis], (layer.layer, axis)
    assert all(low <= place <= high for (low, high), place in zip(found[0].field, middle, strict=True))


def test_the_same_seed_gives_the_same_images_and_another_one_others():
    network = network_of("conv-autoencoder-2d")
    first, again, other = (optimal_inputs(network, (48, 48), 4, seed, n_filters=2) for seed in (1, 1, 2))
    assert len(first) == 8
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.after, b.after)
    assert np.any(first[-1].images != other[-1].images)


def test_the_weights_are_left_alone():
    network = network_of("autoencoder")
    before = {name: values.clone() for name, values in network.state_dict().items()}
    optimal_inputs(network, (10, 32, 32), 2, seed=1, n_filters=1)
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())
    assert all(values.grad is None for values in network.parameters())


def test_a_network_without_convolutions_is_refused():
    network = make_network("lstm", toy_options("3d"), 0.02)
    assert not has_filters(network)
    with pytest.raises(InputError, match="no convolutions"):
        optimal_inputs(network, (10, 32, 32), 2, seed=1)

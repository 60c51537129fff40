"""The networks: as many parameters as published, shapes, and which planes an answer may depend on."""

import dataclasses

import pytest
import torch

from smartpix.schema import InputError
from tracking.finders.training import n_parameters
from tracking.finders.trkx.metrics import images_of
from tracking.finders.trkx.networks import (
    MODELS,
    Autoencoder,
    ConvAutoencoder2d,
    VariableLstm,
    make_network,
)
from tracking.finders.trkx.options import plane_ranges, toy_options
from tracking.finders.trkx.toys import make_toys

PUBLISHED = {
    "lstm": 9_442_304, "deep-lstm": 11_541_504, "bidirectional": 19_933_184, "next-layer": 9_442_304,
    "conv": 16_065, "autoencoder": 324_488, "caption": 9_295_050, "caption-covariance": 18_578_253,
    "lstm-50": 22_750, "lstm-100": 65_450, "conv-autoencoder-2d": 85_633, "conv-2d": 5_409,
}  # fmt: skip
NARROW = 0.02


def small(name):
    """A narrow network, its toys' options, and images of three toys."""
    torch.manual_seed(1)
    toy = toy_options(MODELS[name].toy)
    return make_network(name, toy, NARROW).eval(), toy, images_of(make_toys(toy, 3, seed=7))


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_there_are_as_many_parameters_as_published(name, count):
    with torch.device("meta"):
        network = make_network(name, toy_options(MODELS[name].toy))
    assert n_parameters(network) == count == MODELS[name].parameters


def test_parameters_of_planes_of_all_widths():
    """Of the published code: dense layers of 48 before and behind each plane, an LSTM of 48."""
    widths = [min(48, 2 * int(plane / 1.7 + 1)) for plane in range(1, 49)]
    expected = sum(48 * w + 48 for w in widths) + 4 * 48 * (48 + 48 + 1) + sum(48 * w + w for w in widths)
    network = make_network("lstm-variable", toy_options("variable"))
    assert n_parameters(network) == expected == MODELS["lstm-variable"].parameters
    assert set(MODELS) == {*PUBLISHED, "lstm-variable"}


@pytest.mark.parametrize("name", MODELS)
def test_shapes(name):
    network, toy, images = small(name)
    answer = network(images)
    if toy.has_lines:
        assert answer.shape == (3, toy.max_tracks, 5 if name == "caption-covariance" else 2)
    else:
        n_pixels = images[0, 0].numel()
        assert answer.shape == (3, toy.n_planes - (name == "next-layer"), n_pixels)
    assert bool(torch.isfinite(answer).all())


@pytest.mark.parametrize("name", MODELS)
def test_width_scales_units_and_filters(name):
    toy = toy_options(MODELS[name].toy)
    with torch.device("meta"):
        counts = [n_parameters(make_network(name, toy, width)) for width in (0.5, 1.0, 2.0)]
    assert counts[0] < counts[1] < counts[2]
    # No layer grows faster than by both of its sides.
    assert counts[2] < 4 * counts[1] < 16 * counts[0]


@pytest.mark.parametrize(("name", "knows"), [
    ("lstm-50", "before"), ("lstm", "before"), ("deep-lstm", "before"), ("lstm-variable", "before"),
    ("bidirectional", "all"), ("next-layer", "earlier"), ("conv", "near"),
])  # fmt: skip
def test_which_planes_an_answer_depends_on(name, knows):
    """The gradient of the logits of each plane by the hits of each plane."""
    network, toy, images = small(name)
    # Narrow rectified layers may be dead where few pixels are on: all of them get something.
    images = images + 0.1 * torch.rand(images.shape, generator=torch.Generator().manual_seed(2))
    images = images[:1].requires_grad_()
    answer = network(images)
    n_planes = toy.n_planes
    depends = torch.zeros(answer.shape[1], n_planes, dtype=torch.bool)
    for plane in range(answer.shape[1]):
        (gradient,) = torch.autograd.grad(answer[0, plane].square().sum(), images, retain_graph=True)
        depends[plane] = gradient[0].flatten(1).abs().sum(dim=1) > 0
    rows, columns = torch.arange(n_planes)[:, None], torch.arange(n_planes)
    if knows == "earlier":
        # Row k is of plane k + 1, and knows planes 0 to k alone.
        assert torch.equal(depends, columns <= rows[:-1])
    elif knows == "before":
        assert torch.equal(depends, columns <= rows)
    elif knows == "all":
        assert bool(depends.all())
    else:
        # Eleven kernels of three planes reach all of ten.
        assert bool(depends.any(dim=1).all())


def test_a_network_that_predicts_never_sees_its_target():
    network, _, images = small("next-layer")
    other = images.clone()
    other[:, 6:] = 0
    assert torch.equal(network(images)[:, :6], network(other)[:, :6])
    assert not torch.equal(network(images)[:, 6:], network(other)[:, 6:])


@torch.no_grad()
def test_pixels_that_a_plane_has_not_are_impossible():
    toy = toy_options("variable")
    network = VariableLstm(plane_ranges(toy), 4)
    probability = network(images_of(make_toys(toy, 2, seed=3))).softmax(dim=2)
    for plane, (low, high) in enumerate(plane_ranges(toy)):
        assert float(probability[:, plane, low:high].sum(dim=1).min()) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["2d-conv", "3d"])
def test_convolutions_shift_with_the_image(kind):
    name = "conv-2d" if kind == "2d-conv" else "conv"
    network, toy, _ = small(name)
    images = torch.zeros(1, toy.n_planes, *toy.plane_shape)
    moved = images.clone()
    middle = toy.width // 2
    if kind == "3d":
        images[0, :, middle, middle] = 1
        moved[0, :, middle, middle + 2] = 1
    else:
        images[0, :, middle] = 1
        moved[0, :, middle + 2] = 1
    found, expected = (network(x).reshape(x.shape) for x in (moved, images))
    reach = toy.width // 2 - 11 - 2
    assert reach > 0
    inner = slice(middle - reach, middle + reach)
    torch.testing.assert_close(found[..., middle - reach + 2 : middle + reach + 2], expected[..., inner])


def test_autoencoders_halve_planes_down_to_the_published_sizes():
    sizes = []
    for network, images in (
        (ConvAutoencoder2d(2), torch.rand(1, 48, 48)),
        (Autoencoder(1, 32), torch.rand(1, 10, 32, 32)),
    ):
        for layer in network.layers:
            if isinstance(layer, (torch.nn.MaxPool2d, torch.nn.MaxPool3d)):
                layer.register_forward_hook(lambda *called: sizes.append(tuple(called[2].shape[2:])))
        network(images)
    assert sizes[:4] == [(24, 24), (12, 12), (6, 6), (3, 3)]
    assert sizes[4:] == [(10, n, n) for n in (16, 8, 4, 2, 1)]


@torch.no_grad()
def test_the_even_kernel_pads_at_the_end():
    """One output of the kernel of 2 x 2 pixels against a sum by hand."""
    torch.manual_seed(3)
    network = Autoencoder(1, 32)
    pad, layer = next(
        (network.layers[k], network.layers[k + 1])
        for k in range(len(network.layers))
        if isinstance(network.layers[k], torch.nn.ZeroPad3d)
    )
    x = torch.randn(1, layer.in_channels, 3, 2, 2)
    found = layer(pad(x))
    assert found.shape[2:] == x.shape[2:]
    last = sum(
        float((layer.weight[0, :, k, 0, 0] * x[0, :, k, 1, 1]).sum()) for k in range(3)
    )  # the others are beyond the plane
    assert float(found[0, 0, 1, 1, 1]) == pytest.approx(last + float(layer.bias[0]), abs=1e-5)


def test_models_that_cannot_read_the_toys_are_refused():
    with pytest.raises(InputError, match="multiple of 32"):
        make_network("autoencoder", dataclasses.replace(toy_options("3d"), width=16))

"""Whole numbers against torch, against a straight loop, and what may be done to the vertices."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tracking.finders.garnet.formats import ANSWER, DISTANCE, INPUT, MEAN, OUTPUT, TOLD, WEIGHT, weight_table
from tracking.finders.garnet.network import GarNet
from tracking.finders.garnet.options import GarNetOptions
from tracking.finders.garnet.whole import evaluate, whole_network
from tracking.finders.training import n_parameters

SMALL = GarNetOptions(16, (2, 3), (4, 5), (6,))


def network_of(options=SMALL, seed=0):
    torch.manual_seed(seed)
    network = GarNet(options)
    with torch.no_grad():
        for kernel in network.kernels():
            # So that answers differ from sector to sector.
            kernel.weight.mul_(2)
            kernel.bias.mul_(0.3)
    network.fit_formats()
    network.set_rounding(True)
    return network


def sectors_of(n, vertices, seed=0, share=0.6):
    random = np.random.default_rng(seed)
    codes = random.integers(INPUT.low, INPUT.high + 1, (n, vertices, 4))
    return codes, random.random((n, vertices)) < share


def in_torch(network, codes, mask):
    """Answers of the rounded module, as whole numbers."""
    x = torch.from_numpy(codes).double() * 2.0**-INPUT.fraction
    with torch.no_grad():
        logits = network.double()(x, torch.from_numpy(mask).double())
    return logits.numpy() * 2.0**ANSWER.fraction


def test_the_paper_s_network_has_2976_parameters():
    network = GarNet(GarNetOptions())
    assert n_parameters(network.layers) == 2976
    # Layer by layer: distances, what is told, what comes back.
    layers = [(4, 4, 8), (8, 4, 8), (8, 8, 16)]
    assert sum((n * s + s) + (n * f + f) + (s * f * f + f) for n, s, f in layers) == 2976
    assert n_parameters(network) == 2976 + (16 * 16 + 16) + (16 * 8 + 8) + (8 + 1)


@pytest.mark.parametrize("options", [SMALL, GarNetOptions(), GarNetOptions(1, (1,), (1,), ())])
def test_torch_and_whole_numbers_agree_bit_for_bit(options):
    network = network_of(options)
    codes, mask = sectors_of(40, options.vertices)
    answers = evaluate(whole_network(network), codes, mask)
    np.testing.assert_array_equal(in_torch(network, codes, mask), answers)
    assert len(np.unique(answers)) > 2


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 8, 32]), st.floats(0, 1))
def test_they_agree_whatever_the_network(seed, vertices, share):
    network = network_of(GarNetOptions(vertices, (2, 1), (3, 2), (4,)), seed)
    codes, mask = sectors_of(5, vertices, seed, share)
    answers = evaluate(whole_network(network), codes, mask)
    np.testing.assert_array_equal(in_torch(network, codes, mask), answers)


def in_a_loop(network, codes, mask):
    """One sector, number by number, in Python's own whole numbers."""

    def cut(k, fraction, to):
        step = fraction - to.fraction
        return min(max(k >> step if step >= 0 else k << -step, to.low), to.high)

    def linear(x, weights, given, to):
        rows = zip(weights.weight.tolist(), weights.bias.tolist(), strict=True)
        return [
            cut(sum(a * b for a, b in zip(x, row, strict=True)) + bias, given + weights.fraction, to)
            for row, bias in rows
        ]

    shift = int(math.log2(network.vertices))
    known = [row for row, there in zip(codes.tolist(), mask.tolist(), strict=True) if there]
    for layer in network.layers:
        weight, told = [], []
        for x in known:
            distances = linear(x, layer.distance, INPUT.fraction, DISTANCE)
            weight.append([min(int(math.exp(-((d / 128) ** 2)) * 256), WEIGHT.high) for d in distances])
            told.append(linear(x, layer.tell, INPUT.fraction, TOLD))
        n_a, n_p = len(layer.distance.bias), len(layer.tell.bias)
        mean = [
            [
                cut(
                    sum(w[a] * t[p] for w, t in zip(weight, told, strict=True)),
                    8 + TOLD.fraction + shift,
                    MEAN,
                )
                for p in range(n_p)
            ]
            for a in range(n_a)
        ]
        known = [
            linear(
                [w[a] * mean[a][p] for a in range(n_a) for p in range(n_p)],
                layer.back,
                8 + MEAN.fraction,
                OUTPUT,
            )
            for w in weight
        ]
    n_out = len(network.layers[-1].back.bias)
    x = [cut(sum(v[f] for v in known), OUTPUT.fraction + shift, MEAN) for f in range(n_out)]
    given = MEAN.fraction
    for dense in network.dense[:-1]:
        x = [max(k, 0) for k in linear(x, dense, given, INPUT)]
        given = INPUT.fraction
    return linear(x, network.dense[-1], given, ANSWER)[0]


def test_whole_numbers_are_those_of_a_loop():
    network = whole_network(network_of(seed=3))
    codes, mask = sectors_of(12, 16, seed=4)
    # The hidden layer's positive numbers reach higher than the loop's.
    expected = [in_a_loop(network, c // 4, m) for c, m in zip(codes, mask, strict=True)]
    np.testing.assert_array_equal(evaluate(network, codes // 4, mask), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 16))
def test_order_and_empty_vertices_change_nothing(seed, n):
    network = whole_network(network_of(seed=seed))
    codes, mask = sectors_of(6, n, seed)
    random = np.random.default_rng(seed)
    before = evaluate(network, codes, mask)
    order = random.permutation(n)
    np.testing.assert_array_equal(evaluate(network, codes[:, order], mask[:, order]), before)
    padding = random.integers(INPUT.low, INPUT.high, (6, 16 - n, 4))
    padded = np.concatenate([codes, padding], axis=1), np.pad(mask, ((0, 0), (0, 16 - n)))
    np.testing.assert_array_equal(evaluate(network, *padded), before)


def test_the_table_is_the_exponential_cut_off():
    d = np.arange(DISTANCE.low, DISTANCE.high + 1) / 2**DISTANCE.fraction
    exact = np.exp(-(d**2)) * 2**WEIGHT.fraction
    assert np.all(
        (weight_table() <= exact) & ((exact < weight_table() + 1) | (weight_table() == WEIGHT.high))
    )
    assert weight_table()[-DISTANCE.low] == WEIGHT.high


def test_weights_are_ternary_times_a_power_of_two():
    network = network_of(GarNetOptions())
    for layer in network.layers:
        for kernel in (layer.tell, layer.back):
            units = kernel.rounded() * 2.0**kernel.fraction
            assert set(units.unique().tolist()) <= {-1.0, 0.0, 1.0}
            # No power of two, within one step, is nearer.
            for step in (-1, 1):
                scale = 2.0 ** (kernel.fraction + step)
                other = (kernel.weight * scale).round().clamp(-1, 1) / scale
                errors = ((kernel.weight - w).square().sum(1) for w in (kernel.rounded(), other))
                assert torch.all(next(errors) <= next(errors) + 1e-12)


def test_without_rounding_layers_are_those_of_the_paper():
    network = network_of(GarNetOptions(8, (2,), (3,), ())).double()
    network.set_rounding(False)
    layer, random = network.layers[0], np.random.default_rng(1)
    x, mask = 0.2 * random.normal(size=(1, 8, 4)), np.array([[1.0] * 6 + [0.0] * 2])
    w = {k: v.detach().numpy() for k, v in layer.state_dict().items()}
    weight = np.exp(-((x[0] @ w["distance.weight"].T + w["distance.bias"]) ** 2)) * mask.T
    told = x[0] @ w["tell.weight"].T + w["tell.bias"]
    mean = weight.T @ told / 8
    back = np.stack([(weight[v][:, None] * mean).ravel() for v in range(8)])
    expected = back @ w["back.weight"].T + w["back.bias"]
    found = layer(torch.from_numpy(x), torch.from_numpy(mask)).detach().numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_gradients_reach_every_weight():
    network = network_of()
    codes, mask = sectors_of(30, 16)
    x = torch.from_numpy(codes // 4).float() * 2.0**-INPUT.fraction
    network(x, torch.from_numpy(mask).float()).square().sum().backward()
    for name, values in network.named_parameters():
        assert torch.all(torch.isfinite(values.grad)), name
        assert torch.any(values.grad != 0), name


def test_what_does_not_fit_is_refused():
    network = whole_network(network_of())
    codes, mask = sectors_of(2, 17)
    with pytest.raises(InputError, match="16 vertices"):
        evaluate(network, codes, mask)
    with pytest.raises(InputError, match="mask"):
        evaluate(network, codes[:, :16, :3], mask[:, :16])
    with pytest.raises(InputError, match="power of two"):
        GarNetOptions(vertices=100)
    with pytest.raises(InputError, match="filters"):
        GarNetOptions(filters=(8, 8))

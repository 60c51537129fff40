"""hls4ml's C simulation of the perceptrons: bit for bit with accumulators that hold all; and what goes wrong with
one type for all numbers.
"""

import numpy as np
import pytest

from smartpix.chip.fixed_point import FixedPoint
from smartpix.export.hls import HlsOptions, write_layers
from smartpix.export.hls_layers import HlsLayer, input_layer
from tests.left_out import needs
from tests.tracking.finders.trigger.graphs import random_graphs, random_model
from tracking.finders.trigger.logic import write_perceptrons
from tracking.finders.trigger.shape import InteractionBits, InteractionShape
from tracking.finders.trigger.whole import align, flow, perceptron, to_whole, whole_data

pytest.importorskip("hls4ml")

ONE = FixedPoint(True, 14, 7)


@needs("g++")
def test_perceptrons_are_bit_exact(tmp_path):
    shape = InteractionShape(2, 2, 2)
    # Messages that are finer than the data, and formats of several widths.
    network = to_whole(random_model(shape, InteractionBits(6, (5,), (7, 6, 11, 5, 6, 7, 8, 6, 9)), seed=3))
    graphs = random_graphs(shape, 30, 5, 7, 2)
    graphs = (*whole_data(network, *graphs[:2]), *graphs[2:])
    reports = write_perceptrons(network, tmp_path / "hls", graphs)
    assert {name: report["csim_mismatches"] for name, report in reports.items()} == {"r1": 0, "o": 0, "r2": 0}
    assert reports["o"]["n_inputs"] == 30 * 5
    assert reports["r1"]["n_inputs"] == graphs[4].sum()
    seen = flow(network, *graphs).inputs["o"]
    bench = np.loadtxt(tmp_path / "hls" / "o" / "tb_data" / "tb_input_features.dat")
    finest = network.input_fraction("o_0")
    assert np.array_equal(bench * 2.0**finest, align(network, "o", seen).reshape(150, -1))
    expected = np.loadtxt(tmp_path / "hls" / "o" / "tb_data" / "tb_output_predictions.dat")
    assert np.array_equal(
        expected * 2.0**network.effect.fraction, perceptron(network, "o", seen).reshape(150, -1)
    )


def one_type(inputs, weights, biases, product):
    """A perceptron of ReLUs whose numbers all have 7 fractional bits; ``product`` cuts a product."""
    x = inputs
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        # Wrapped around, as AP_WRAP does.
        x = (product(x[:, None, :] * weight).sum(axis=2) + bias + ONE.high + 1) % (1 << ONE.bits) + ONE.low
        x = np.maximum(x, 0) if layer < len(weights) - 1 else x
    return x


@needs("g++")
def test_one_type_for_all_cuts_every_product(tmp_path):
    rng = np.random.default_rng(4)
    widths = (10, 8, 8, 4)
    weights = [rng.integers(-250, 250, (b, a)) for a, b in zip(widths, widths[1:], strict=False)]
    biases = [rng.integers(-60, 60, len(weight)) for weight in weights]
    inputs = rng.integers(-128, 128, (500, 10))
    layers = [input_layer("x", (10,), ONE)]
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        n_out, n_in = weight.shape
        precision = dict.fromkeys(("weight", "bias", "accum"), ONE)
        numbers = {"weight_data": weight.T / 128.0, "bias_data": bias / 128.0}
        before = (layers[-1].name,)
        layers.append(
            HlsLayer("Dense", f"dense{k}", before, (n_out,), ONE, ONE.low, ONE.high, precision,
                     {"n_in": n_in, "n_out": n_out, **numbers})
        )  # fmt: skip
        if k < len(weights) - 1:
            layers.append(
                HlsLayer("Activation", f"relu{k}", (f"dense{k}",), (n_out,), ONE, 0, ONE.high, {},
                         {"activation": "relu", "n_in": n_out})
            )  # fmt: skip
    # To the bit, this is what hls4ml computes.
    cut = one_type(inputs, weights, biases, lambda p: p >> 7)
    assert write_layers(layers, tmp_path / "hls", inputs, cut, HlsOptions(), {})["csim_mismatches"] == 0
    # The same weights and inputs in floating point.
    x = inputs / 128.0
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = x @ (weight.T / 128.0) + bias / 128.0
        x = np.maximum(x, 0) if k < 2 else x
    assert np.abs(x).max() < 64
    errors = {
        "cut": cut / 128.0 - x,
        "rounded": one_type(inputs, weights, biases, lambda p: (p + 64) >> 7) / 128.0 - x,
    }
    # Nothing overflows. Cutting is the cause: rounding alone takes most of it away, and the last layer's part of
    # the shift is half a step for each product.
    assert 0.3 < np.abs(errors["cut"]).max() < 4
    assert errors["cut"].std() > 1.5 * errors["rounded"].std()

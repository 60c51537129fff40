"""hls4ml's C simulation of perceptrons: what goes wrong with one type for all numbers.

With accumulators that hold all bits it is exact: ``test_export.py``.
"""

import numpy as np
import pytest

from smartpix.chip.fixed_point import FixedPoint
from smartpix.export.hls import HlsOptions, write_layers
from smartpix.export.hls_layers import HlsLayer, input_layer
from tests.left_out import needs

pytest.importorskip("hls4ml")

ONE = FixedPoint(True, 14, 7)


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

"""Networks of whole numbers with random weights, and codes that look like clusters."""

import numpy as np

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint
from smartpix.simulate.readout import ReadoutOptions, adc_levels

ACTIVATION = {"tanh": FixedPoint(True, 8, 7), "relu": FixedPoint(False, 8, 6)}


def random_network(
    kind="conv", activation="tanh", seed=1, shape=(2, 13, 21), filters=5, mixed=5, hidden=(16, 16),
    weight_bits=(8, 4),
    density=1.0, n_outputs=14,
):  # fmt: skip
    """Weights over the whole of their formats, of which ``density`` are not zero; fractions that keep the
    sums in range.
    """
    rng = np.random.default_rng(seed)
    s, r, c = shape
    conv = FixedPoint(True, weight_bits[0], weight_bits[0] - 1)
    dense = FixedPoint(True, weight_bits[1], weight_bits[1])
    sizes = {}
    if kind == "conv":
        sizes |= {"depthwise": (s, 3, 3), "pointwise": (filters, s), "mix": (mixed, filters)}
        n_inputs = mixed * ((r - 2) // 3) * ((c - 2) // 3)
    elif kind == "columns":
        sizes["columns"] = (filters, s, r, 3)
        n_inputs = filters * (c - 2) + s * r
    else:
        n_inputs = s * (r + c)
    sizes |= {
        "dense1": (hidden[0], n_inputs),
        "dense2": (hidden[1], hidden[0]),
        "dense3": (n_outputs, hidden[1]),
    }
    formats = {k: dense if k.startswith("dense") else conv for k in sizes}
    weights = {
        k: rng.integers(formats[k].low, formats[k].high + 1, size) * (rng.random(size) < density)
        for k, size in sizes.items()
    }
    outputs = {k: ACTIVATION[activation] for k in sizes if k not in ("depthwise", "dense3")}
    if kind == "conv":
        outputs["pool"] = ACTIVATION[activation]
    outputs["dense3"] = FixedPoint(True, 16, 10)
    edges, _ = adc_levels(ReadoutOptions())
    network = FixedNetwork(
        kind, shape, edges, FixedPoint(True, 5, 3), activation, weights, {}, formats, outputs
    )
    biases = {
        k: rng.integers(-1 << network.sum_fraction(k), 1 << network.sum_fraction(k), len(w))
        for k, w in weights.items()
        if k != "depthwise"
    }
    return FixedNetwork(kind, shape, edges, network.input, activation, weights, biases, formats, outputs)


def random_codes(n, shape=(2, 13, 21), seed=2, share=0.08, low=-4, high=11):
    """Codes (n, S, R, C), a few of them not zero."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(low, high + 1, (n, *shape))
    return (codes * (rng.random((n, *shape)) < share)).astype(np.int8)

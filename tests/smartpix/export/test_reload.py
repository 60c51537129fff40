"""Weights in registers: after each load the simulated Verilog gives what the reference gives for those weights."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.chip.fixed_point import FixedPoint, evaluate
from smartpix.export.reload import load_words, random_weights, refit, reloadable
from smartpix.export.rtl import RtlOptions, simulate, write_rtl
from smartpix.schema import InputError
from tests.left_out import needs
from tests.smartpix.chip.fixed_networks import random_codes, random_network

SHAPE = (2, 5, 8)
CODES = random_codes(100, SHAPE, share=0.4)
SIMULATED = RtlOptions(fpga=False, cells=False, reloadable=True, load_bits=24)


def small(kind="mlp", activation="tanh", seed=1):
    return random_network(
        kind, activation, seed, SHAPE, filters=2, mixed=2, hidden=(3, 2), weight_bits=(3, 3), density=0.7
    )


def coarser(network):
    """Other weights, in formats with a bit less behind the point."""
    formats = {k: FixedPoint(True, f.bits - 1, f.fraction - 1) for k, f in network.formats.items()}
    weights = {k: np.where(w != 0, np.where(w < 0, -1, 1), 0) for k, w in network.weights.items()}
    return replace(network, weights=weights, formats=formats)


@needs("verilator", "g++")
@pytest.mark.parametrize(("kind", "activation"), [("conv", "tanh"), ("columns", "relu")])
def test_each_load_is_right(tmp_path, kind, activation):
    network = small(kind, activation)
    others = [random_weights(network, 3), coarser(network)]
    facts = write_rtl(network, tmp_path / "rtl", CODES, SIMULATED, reload=others)
    assert (facts["rtl_mismatches"], facts["loads"], facts["da4ml_luts"]) == (0, 3, None)
    expected = (tmp_path / "rtl" / "expected.hex").read_text().split()
    assert len(expected) == 3 * len(CODES)
    # The weights matter: no load's results are those of another.
    first, second, third = (expected[k * len(CODES) : (k + 1) * len(CODES)] for k in range(3))
    assert first != second != third != first
    # A bit of the second load's weights makes its results wrong, and no others.
    words = (tmp_path / "rtl" / "weights.hex").read_text().splitlines()
    at = facts["load_cycles"]
    words[at] = f"{int(words[at], 16) ^ 6:06x}"
    (tmp_path / "rtl" / "weights.hex").write_text("\n".join(words) + "\n")
    assert 0 < simulate(tmp_path / "rtl") <= len(CODES)


@pytest.mark.parametrize("load_bits", [1, 24, 1024])
def test_words_hold_the_numbers(load_bits):
    network = small()
    design = reloadable(network, 5, load_bits)
    words = load_words(design, network)
    assert len(words) == design.load_cycles == -(-design.weight_bits // load_bits)
    chain = sum(word << (k * load_bits) for k, word in enumerate(words))
    found = {"weights": {}, "biases": {}}
    for register in design.registers:
        value = chain & ((1 << register.bits) - 1)
        chain >>= register.bits
        value -= (value >> (register.bits - 1)) << register.bits
        found["biases" if register.bias else "weights"][register.layer, register.index] = value
    assert chain == 0
    for layer, weight in network.weights.items():
        assert [found["weights"].get((layer, i), 0) for i in range(weight.size)] == weight.ravel().tolist()
        bias = network.biases[layer]
        assert [found["biases"][layer, i] for i in range(bias.size)] == bias.tolist()


def test_size_follows_from_the_network():
    network = small("columns")
    design = reloadable(network, 5, 32)
    # Each weight that is not zero is multiplied at each of its places.
    counts = [
        np.count_nonzero(network.weights[layer.name]) * layer.positions for layer in network.plan.layers
    ]
    assert design.multipliers == sum(counts)
    widths = [network.formats[k].bits * np.count_nonzero(w) for k, w in network.weights.items()]
    biases = [register.bits for register in design.registers if register.bias]
    assert design.weight_bits == sum(widths) + sum(biases)
    assert len(biases) == sum(bias.size for bias in network.biases.values())


def test_refitted_network_is_the_same():
    network = small("conv")
    other = coarser(network)
    fitted = refit(other, network)
    assert fitted.formats == network.formats
    assert np.array_equal(evaluate(fitted, CODES), evaluate(other, CODES))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n: replace(n, outputs=dict(n.outputs) | {"dense1": FixedPoint(True, 7, 6)}), "of other results"),
        (lambda n: replace(n, formats=dict(n.formats) | {"dense2": FixedPoint(True, 9, 8)}), "'dense2' have 8"),
        (lambda n: small("columns"), "another kind"),
    ],
)  # fmt: skip
def test_refused_to_refit(change, words):
    network = small()
    with pytest.raises(InputError, match=words):
        refit(change(network), network)


def test_refused_to_load():
    network = small()
    design = reloadable(network, 5, 32)
    full = {layer: np.where(weight == 0, 1, weight) for layer, weight in network.weights.items()}
    with pytest.raises(InputError, match="not zero where the design has zeros"):
        load_words(design, replace(network, weights=full))
    wide = {layer: 9 * weight for layer, weight in network.weights.items()}
    with pytest.raises(InputError, match="its register has 3 bits"):
        load_words(design, replace(network, weights=wide))
    nothing = {layer: 0 * weight for layer, weight in network.weights.items()}
    with pytest.raises(InputError, match="no weights"):
        reloadable(replace(network, weights=nothing), 5, 32)
    with pytest.raises(InputError, match="set reloadable"):
        write_rtl(network, "rtl", CODES, replace(SIMULATED, reloadable=False), reload=[network])

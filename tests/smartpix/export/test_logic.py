"""The traced adders give what the plain reference gives, number for number."""

import sys

import numpy as np
import pytest

from smartpix.chip.fixed_point import evaluate
from smartpix.export.clusters import load_fixed
from smartpix.export.logic import code_range, estimate_luts, trace
from smartpix.schema import InputError
from tests.smartpix.chip.fixed_networks import random_codes, random_network

pytest.importorskip("da4ml")


def small(kind, activation, seed):
    rng = np.random.default_rng(seed)
    shape = (2, int(rng.integers(5, 14)), int(rng.integers(8, 22)))
    filters, mixed, *hidden = (int(k) for k in rng.integers(2, 6, 4))
    return random_network(
        kind, activation, seed, shape, filters, mixed, hidden, density=float(rng.choice([1.0, 0.6]))
    )


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_trace_is_evaluate(kind, activation):
    for seed in (2, 8):
        network = small(kind, activation, seed)
        logic = trace(network)
        codes = random_codes(400, network.shape, seed, share=0.4)
        # Every pixel at either end of its range, too.
        codes[0], codes[1] = code_range(network)
        assert np.array_equal(
            logic.predict(codes.reshape(len(codes), -1).astype(float)), evaluate(network, codes)
        )


@pytest.mark.parametrize("n_outputs", [3, 29])
def test_trace_of_any_number_of_outputs(n_outputs):
    network = random_network("mlp", shape=(2, 5, 8), hidden=(4, 4), n_outputs=n_outputs)
    codes = random_codes(200, network.shape, share=0.4)
    got = trace(network).predict(codes.reshape(len(codes), -1).astype(float))
    assert np.array_equal(got, evaluate(network, codes))


def test_registers_do_not_change_the_numbers():
    network = small("conv", "tanh", 0)
    codes = random_codes(200, network.shape, share=0.4)
    got = trace(network, adders_per_stage=4).predict(codes.reshape(len(codes), -1).astype(float))
    assert np.array_equal(got, evaluate(network, codes))


def test_a_filter_of_zeros():
    network = random_network("columns", shape=(2, 5, 8), filters=3, hidden=(3, 2))
    network.weights["columns"][1] = 0
    network.weights["dense2"][:, 0] = 0
    codes = random_codes(200, network.shape, share=0.4)
    got = trace(network).predict(codes.reshape(len(codes), -1).astype(float))
    assert np.array_equal(got, evaluate(network, codes))


def test_estimate_grows_with_the_weights():
    sparse, dense = (random_network("mlp", shape=(2, 5, 8), hidden=(4, 4), density=d) for d in (0.3, 1.0))
    assert 0 < estimate_luts(sparse) < estimate_luts(dense)
    # The solver's choices do not change from one call to the next.
    assert estimate_luts(dense) == estimate_luts(dense) == round(trace(dense).cost)


def test_the_smallest_shipped_network_is_exact_and_as_small_as_it_is_said_to_be():
    network, _ = load_fixed("fixed-2s-sums")
    logic = trace(network)
    assert round(logic.cost) <= 15_000
    codes = random_codes(300, network.shape, share=0.05, low=0, high=15)
    got = logic.predict(codes.reshape(len(codes), -1).astype(np.float64))
    assert np.array_equal(got, evaluate(network, codes))


def test_nothing_left():
    network = random_network("mlp", shape=(2, 5, 8), hidden=(4, 4))
    network.weights["dense3"][:] = 0
    assert estimate_luts(network) == 0
    with pytest.raises(InputError, match="no output depends on the input"):
        trace(network)


def test_da4ml_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "da4ml.trace", None)
    with pytest.raises(InputError, match=r"pip install 'smartpix\[hls\]'"):
        estimate_luts(random_network("mlp", shape=(2, 5, 8), hidden=(4, 4)))

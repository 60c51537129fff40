import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.chip.fixed_point import evaluate
from smartpix.chip.shrink import shrink
from tests.smartpix.chip.fixed_networks import random_codes, random_network

KINDS = ["conv", "mlp", "columns"]


def widths(network):
    return network.plan.filters, network.plan.hidden


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    activation=st.sampled_from(["tanh", "relu"]),
    seed=st.integers(0, 10_000),
    density=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
)
def test_the_outputs_stay_the_same_bit_for_bit(kind, activation, seed, density):
    network = random_network(kind, activation, seed, (2, 8, 11), 4, 3, (7, 6), density=density)
    codes = random_codes(40, (2, 8, 11), seed, 0.3)
    small = shrink(network)
    np.testing.assert_array_equal(evaluate(small, codes), evaluate(network, codes))
    assert small.parameters <= network.parameters
    assert shrink(small).parameters == small.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_dead_units_go_and_live_ones_stay(kind):
    network = random_network(kind, hidden=(9, 8))
    weights = {k: np.where(v == 0, 1, v) for k, v in network.weights.items()}
    weights["dense1"][2] = 0
    weights["dense2"][:, 4] = 0
    weights["dense2"][3] = 0
    weights["dense3"][:, 5] = 0
    if kind == "conv":
        weights["pointwise"][1] = 0
        weights["mix"][:, 2] = 0
        weights["mix"][3] = 0
    if kind == "columns":
        weights["columns"][1] = 0
        weights["dense1"][:, 19 * 3 : 19 * 4] = 0
    network = dataclasses.replace(network, weights=weights)
    expected = {"conv": (3, 4), "mlp": (0, 0), "columns": (3, 0)}[kind]
    assert widths(shrink(network)) == (expected, (7, 6))
    full = dataclasses.replace(network, weights={k: np.where(v == 0, 1, v) for k, v in weights.items()})
    assert widths(shrink(full)) == widths(full)


def test_a_network_of_zeros_keeps_one_of_each():
    network = random_network("conv", density=0.0)
    assert widths(shrink(network)) == ((1, 1), (1, 1))

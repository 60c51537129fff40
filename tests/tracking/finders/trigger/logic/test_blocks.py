"""Latencies of what is between the perceptrons."""

import pytest

from tracking.finders.trigger.logic.blocks import gather, gather_latency, node_sum, node_sum_latency


@pytest.mark.parametrize(("n_values", "latency"), [(2, 1), (16, 1), (17, 2), (28, 2), (256, 2), (257, 3)])
def test_gather_has_a_register_for_sixteen_ways(n_values, latency):
    assert gather_latency(n_values) == latency
    text = gather("pick", n_values, 5, (n_values - 1).bit_length())
    assert len({line.split("picked")[1][0] for line in text.splitlines() if "<= (" in line}) == latency
    # Each value is read once.
    assert all(text.count(f"values[{k * 5} +: 5]") == 1 for k in range(n_values))


@pytest.mark.parametrize(("n_messages", "latency"), [(1, 1), (2, 1), (4, 2), (56, 6)])
def test_node_sum_has_a_register_behind_each_adder(n_messages, latency):
    assert node_sum_latency(n_messages) == latency
    lines = [line.split() for line in node_sum(n_messages, 6, 12).splitlines()]
    assert len({line[-1].split("_")[1] for line in lines if line[:1] == ["reg"]}) == latency
    # A tree for each of the four numbers, no adder without a register.
    assert sum(line.count("+") for line in lines if line[:1] == ["always"]) == 4 * (n_messages - 1)

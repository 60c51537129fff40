"""Whole numbers against a straight loop in Python's own, and against the module of quantised training."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tests.tracking.finders.trigger.graphs import random_graphs, random_model
from tracking.finders.trigger.shape import LAYERS, InteractionBits, InteractionShape
from tracking.finders.trigger.whole import describe, evaluate, from_arrays, to_arrays, to_whole, whole_data


def loop(network, nodes, edges, senders, receivers, valid):
    """Logits of one graph, with whole numbers of Python and nothing else."""

    def cut(form, k, fraction):
        k = k >> (fraction - form.fraction) if fraction >= form.fraction else k << (form.fraction - fraction)
        low = -(2 ** (form.bits - 1)) if form.signed else 0
        return max(low, min(2 ** (form.bits - form.signed) - 1, k))

    def perceptron(mlp, parts):
        finest = max(fraction for _, fraction in parts)
        x, unit = [int(k) << (finest - fraction) for k, fraction in parts], finest
        for layer in (f"{mlp}_{i}" for i in range(3)):
            unit += network.formats[layer].fraction
            rows = zip(network.weights[layer].tolist(), network.biases[layer].tolist(), strict=True)
            out = network.outputs[layer]
            x = [cut(out, sum(w * k for w, k in zip(row, x, strict=True)) + b, unit) for row, b in rows]
            unit = out.fraction
        return x, unit

    data = network.data.fraction
    sums = [[0] * 4 for _ in nodes]
    messages = []
    for e, (i, j) in enumerate(zip(receivers, senders, strict=True)):
        found, message_unit = perceptron("r1", [(k, data) for k in [*nodes[i], *nodes[j], *edges[e]]])
        messages.append(found)
        if valid[e]:
            sums[i] = [a + b for a, b in zip(sums[i], found, strict=True)]
    effects = []
    for node, total in zip(nodes, sums, strict=True):
        found, unit = perceptron("o", [(k, data) for k in node] + [(k, message_unit) for k in total])
        effects.append([(k, unit) for k in found])
    lowest = -(2 ** (network.output.bits - 1))
    return [
        perceptron("r2", effects[i] + effects[j] + [(k, message_unit) for k in messages[e]])[0][0]
        if valid[e]
        else lowest
        for e, (i, j) in enumerate(zip(receivers, senders, strict=True))
    ]


BITS = st.integers(3, 14)


@settings(max_examples=15, deadline=None)
@given(
    st.builds(InteractionShape, st.integers(1, 5), st.integers(1, 5), st.integers(1, 6)),
    st.builds(InteractionBits, BITS, st.tuples(BITS), st.tuples(*[BITS] * 9)),
    st.integers(0, 1000),
)
def test_straight_loop_and_module(shape, bits, seed):
    model = random_model(shape, bits, seed).double()
    network = to_whole(model)
    graphs = random_graphs(shape, 4, 5, 7, seed + 1)
    nodes, edges = whole_data(network, *graphs[:2])
    found = evaluate(network, nodes, edges, *graphs[2:])
    assert found.tolist() == [loop(network, *g) for g in zip(nodes, edges, *graphs[2:], strict=True)]
    given_arrays = [torch.from_numpy(a) for a in graphs]
    logits = model(*[a.double() for a in given_arrays[:2]], *given_arrays[2:]).detach().numpy()
    valid = graphs[4]
    assert np.array_equal(logits[valid], found[valid] * 2.0**-network.output.fraction)


def test_order_of_edges_and_padding():
    network = to_whole(random_model())
    graphs = random_graphs(network.shape, 6, 8, 10, 5)
    nodes, edges = whole_data(network, *graphs[:2])
    found = evaluate(network, nodes, edges, *graphs[2:])
    order = np.random.default_rng(2).permutation(10)
    moved = evaluate(network, nodes, *(a[:, order] for a in (edges, *graphs[2:])))
    assert np.array_equal(moved, found[:, order])
    # More of both, filled with other numbers, changes nothing.
    nodes = np.concatenate([nodes, nodes[::-1]], axis=1)
    padded = [np.concatenate([a, a[::-1]], axis=1) for a in (edges, *graphs[2:4])]
    valid = np.concatenate([graphs[4], np.zeros_like(graphs[4])], axis=1)
    assert np.array_equal(evaluate(network, nodes, *padded, valid)[:, :10], found)


def test_saved_and_read():
    network = to_whole(random_model())
    arrays = to_arrays(network)
    again = from_arrays(arrays, describe(network), "w")
    assert describe(again) == describe(network)
    assert again.parameters == 528
    assert all(np.array_equal(v, to_arrays(again)[k]) for k, v in arrays.items())
    for key, value, words in (
        ("r1_0.weight", arrays["r1_0.weight"][:, 1:], "'r1_0.weight' is"),
        ("o_1.weight", arrays["o_1.weight"] + (1 << 20), "beyond its"),
        ("node_scale", arrays["node_scale"] * 3, "powers of two"),
        ("more", np.zeros(1), "has 21 arrays and 20"),
    ):
        with pytest.raises(InputError, match=words):
            from_arrays(arrays | {key: value}, describe(network), "w")
    for layer in LAYERS:
        left = {k: v for k, v in arrays.items() if k != f"{layer}.bias"}
        with pytest.raises(InputError, match=f"w: .*{layer}"):
            from_arrays(left, describe(network), "w")


def test_bad_graphs():
    network = to_whole(random_model())
    graphs = random_graphs(network.shape, 3, 8, 10, 5)
    nodes, edges = whole_data(network, *graphs[:2])
    with pytest.raises(InputError, match=r"edges \(S, M, 4\)"):
        evaluate(network, nodes, edges[:, 1:], *graphs[2:])
    with pytest.raises(InputError, match="'senders' go from .* there are 4 nodes"):
        evaluate(network, nodes[:, :4], edges, *graphs[2:])


def test_bad_bits():
    with pytest.raises(InputError, match="weights"):
        InteractionBits(weights=(8, 8))
    with pytest.raises(InputError, match="activations"):
        InteractionBits(activations=(1,))

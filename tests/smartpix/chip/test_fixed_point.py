import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.chip.fixed_point import (
    FixedPoint,
    LinkFormat,
    adc_codes,
    describe,
    evaluate,
    from_arrays,
    link_format,
    ninth,
    to_arrays,
)
from smartpix.schema import InputError
from smartpix.simulate.readout import ReadoutOptions, adc_levels, digitise
from tests.smartpix.chip.fixed_networks import random_codes, random_network


def loop(network, code):
    """One cluster, number by number, in fractions of Python's unbounded integers."""
    s_, r_, c_ = network.shape
    w = {k: v.tolist() for k, v in network.weights.items()}
    b = {k: v.tolist() for k, v in network.biases.items()}
    code = code.tolist()

    def say(layer, total):
        form = network.outputs[layer]
        whole = math.floor(total * 2.0 ** (form.fraction - network.sum_fraction(layer)))
        return min(max(whole, form.low), form.high)

    inputs = []
    if network.kind == "conv":
        filters, mixed = len(w["pointwise"]), len(w["mix"])
        maps = [[[0] * (c_ - 2) for _ in range(r_ - 2)] for _ in range(mixed)]
        for r in range(r_ - 2):
            for c in range(c_ - 2):
                depth = [
                    sum(code[s][r + i][c + j] * w["depthwise"][s][i][j] for i in range(3) for j in range(3))
                    for s in range(s_)
                ]
                first = [
                    say(
                        "pointwise",
                        b["pointwise"][f] + sum(depth[s] * w["pointwise"][f][s] for s in range(s_)),
                    )
                    for f in range(filters)
                ]
                for g in range(mixed):
                    maps[g][r][c] = say(
                        "mix", b["mix"][g] + sum(first[f] * w["mix"][g][f] for f in range(filters))
                    )
        shift = network.outputs["pool"].fraction - network.outputs["mix"].fraction
        for g in range(mixed):
            for r in range((r_ - 2) // 3):
                for c in range((c_ - 2) // 3):
                    total = sum(maps[g][3 * r + i][3 * c + j] for i in range(3) for j in range(3))
                    inputs.append(math.floor(total * 2**shift / 9 + 1e-9))
    else:
        sums = [sum(code[s][r]) for s in range(s_) for r in range(r_)]
        if network.kind == "mlp":
            inputs = [sum(code[s][r][c] for r in range(r_)) for s in range(s_) for c in range(c_)] + sums
        else:
            finest = network.input_fraction("dense1")
            for f in range(len(w["columns"])):
                for c in range(c_ - 2):
                    total = b["columns"][f] + sum(
                        code[s][r][c + j] * w["columns"][f][s][r][j]
                        for s in range(s_)
                        for r in range(r_)
                        for j in range(3)
                    )
                    inputs.append(say("columns", total) * 2 ** (finest - network.outputs["columns"].fraction))
            inputs += [v * 2 ** (finest - network.input.fraction) for v in sums]
    for layer in ("dense1", "dense2", "dense3"):
        inputs = [
            say(layer, bias + sum(x * v for x, v in zip(inputs, row, strict=True)))
            for row, bias in zip(w[layer], b[layer], strict=True)
        ]
    return inputs


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_a_network_is_what_a_straight_loop_makes_of_it(kind, activation):
    network = random_network(kind, activation, seed=3, shape=(2, 8, 11), filters=3, mixed=2, hidden=(5, 4))
    codes = random_codes(6, (2, 8, 11), share=0.4)
    assert evaluate(network, codes).tolist() == [loop(network, code) for code in codes]


@given(
    st.booleans(), st.integers(2, 12), st.integers(-3, 12), st.integers(-(2**20), 2**20), st.integers(-3, 14)
)
def test_cut_is_the_floor_and_the_nearest_end(signed, bits, fraction, k, given_fraction):
    form = FixedPoint(signed, bits, fraction)
    value = k * 2.0**-given_fraction
    lowest, highest = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    assert form.cut(np.array([k]), given_fraction)[0] == min(
        max(math.floor(value * 2.0**fraction), lowest), highest
    )


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_codes_are_the_levels_of_the_adc(bits):
    options = ReadoutOptions(noise=60.0, threshold=300.0, adc_bits=bits)
    edges, values = adc_levels(options)
    charge = np.random.default_rng(1).uniform(-4000, 20000, (3000, 2)).astype(np.float32)
    read = digitise(charge, options, np.random.default_rng(2))
    codes = adc_codes(read, edges)
    n_negative = int(np.sum(edges < 0))
    by_code = np.concatenate([values[:n_negative], [0.0], values[n_negative:]])
    np.testing.assert_array_equal(by_code[codes + n_negative].astype(np.float32), read)
    assert len(np.unique(codes)) == 2**bits


def test_an_edge_belongs_to_what_lies_beyond_it():
    edges = np.array([-300.1, 300.1, 700.3])
    at = edges.astype(np.float32)
    assert adc_codes(at, edges).tolist() == [-1, 1, 2]
    assert adc_codes(np.nextafter(at, np.float32(0)), edges).tolist() == [0, 0, 1]


@given(st.integers(1, 5000))
def test_a_ninth_by_multiplication(largest):
    multiplier, shift = ninth(largest)
    for k in {-largest, -9, -8, -1, 0, 1, 8, 9, largest}:
        if abs(k) <= largest:
            assert (k * multiplier + multiplier // 2) >> shift == math.floor(k / 9)


@given(st.integers(2, 16), st.floats(-30, 30), st.floats(0.01, 30), st.integers(6, 14))
def test_the_links_format_holds_the_range_with_the_finest_step(bits, low, width, fraction):
    form = link_format(bits, low, low + width, fraction)
    ends = np.floor(np.array([low, low + width]) * 2.0**fraction).astype(np.int64)
    sent = form.send(ends, fraction)
    assert sent[0] == 0
    assert sent[1] <= 2**bits - 1
    assert np.abs(form.receive(sent, fraction) - ends * 2.0**-fraction).max() <= 2.0**-form.fraction
    assert form.fraction == fraction or width * 2.0 ** (form.fraction + 1) > 2**bits - 2


@given(
    st.integers(2, 12),
    st.integers(-40_000, 40_000),
    st.integers(0, 4),
    st.integers(-300, 300),
    st.integers(6, 10),
)
def test_the_link_sends_steps_and_saturates_and_their_middle_arrives(bits, k, coarser, offset, fraction):
    """By plain numbers: whole steps above the offset, of so many bits; what was cut off lies halfway on the
    mean.
    """
    form = LinkFormat(bits, fraction - coarser, offset)
    steps = math.floor(k / 2**coarser) - offset
    wanted = min(max(steps, 0), 2**bits - 1)
    sent = form.send(np.array([k]), fraction)
    assert sent.tolist() == [wanted]
    (arrived,) = form.receive(sent, fraction)
    assert arrived == (wanted + offset + (0.5 if coarser else 0)) / 2.0 ** (fraction - coarser)


@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_arrays_and_description_give_the_network_back(kind):
    network = random_network(kind)
    again = from_arrays(to_arrays(network), describe(network), "w")
    assert describe(again) == describe(network)
    codes = random_codes(50)
    np.testing.assert_array_equal(evaluate(again, codes), evaluate(network, codes))
    assert (again.parameters, again.nonzero_weights) == (network.parameters, network.nonzero_weights)


def test_the_talks_network_has_its_parameters():
    assert random_network("conv").parameters == 2029


def damaged(change):
    network = random_network("conv")
    arrays, told = to_arrays(network), describe(network)
    change(arrays, told)
    return arrays, told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, t: a.pop("mix.weight"), "mix.weight"),
        (lambda a, t: t["formats"].pop("dense1"), "dense1"),
        (lambda a, t: a.update({"mix.bias": np.zeros(3, np.int32)}), r"'mix.bias' is \(3,\), expected \(5,\)"),
        (lambda a, t: a.update({"dense1.weight": np.zeros((16, 7), np.int32)}), r"'dense1.weight' is \(16, 7\)"),
        (lambda a, t: a["dense2.weight"].__setitem__((0, 0), 8), "beyond its 4 bits"),
        (lambda a, t: a.update({"more": np.zeros(1)}), "arrays"),
        (lambda a, t: a.update({"edges": np.array([2.0, 1.0])}), "'edges' of the ADC must ascend"),
        (lambda a, t: a.update({"edges": np.array([-1.0, 0.0])}), "and not be 0"),
        (lambda a, t: t.update({"activation": "gelu"}), "activation 'gelu'"),
        (lambda a, t: t.update({"kind": "cnn"}), "cnn"),
    ],
)  # fmt: skip
def test_damaged_networks_are_named(change, message):
    arrays, told = damaged(change)
    with pytest.raises(InputError, match=message) as error:
        from_arrays(arrays, told, "w.safetensors")
    assert "w.safetensors" in str(error.value)


def test_codes_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"\(2, 13, 21\)"):
        evaluate(random_network(), np.zeros((1, 2, 13, 20), np.int8))


def test_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'conv'"):
        dataclasses.replace(random_network(), kind="convs")

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.chip.fixed_point import FixedPoint, adc_codes, evaluate, link_format
from smartpix.chip.fused import fuse_fixed
from smartpix.clusters import pixel_lists
from smartpix.schema import InputError
from smartpix.simulate.readout import ReadoutOptions, adc_levels
from tests.smartpix.chip.fixed_networks import random_codes, random_network


def charges(codes):
    """Charge in e that has these codes."""
    _, values = adc_levels(ReadoutOptions())
    return np.concatenate([values[:4], [0.0], values[4:]]).astype(np.float32)[codes.astype(int) + 4]


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["conv", "mlp", "columns"]),
    activation=st.sampled_from(["tanh", "relu"]),
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 3), st.integers(5, 14), st.integers(5, 22)),
    filters=st.integers(1, 6),
    mixed=st.integers(1, 6),
    hidden=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    n_outputs=st.sampled_from([1, 3, 14, 29]),
)
def test_the_kernels_give_the_reference_bit_for_bit(
    kind, activation, seed, shape, filters, mixed, hidden, share, n_outputs
):
    network = random_network(
        kind, activation, seed, shape, filters, mixed, hidden, density=0.7, n_outputs=n_outputs
    )
    codes = random_codes(70, shape, seed, share)
    out = fuse_fixed(network).whole(*pixel_lists(charges(codes)))
    np.testing.assert_array_equal(out, evaluate(network, codes))


@pytest.mark.parametrize("fraction", [-2, 0, 9, 14])
def test_results_finer_and_coarser_than_the_sums(fraction):
    network = random_network("mlp", "relu", hidden=(6, 5))
    outputs = dict(network.outputs) | {
        "dense1": FixedPoint(False, 12, fraction),
        "dense3": FixedPoint(True, 18, fraction + 3),
    }
    network = dataclasses.replace(network, outputs=outputs)
    scale = {k: v.copy() for k, v in network.biases.items()}
    network = dataclasses.replace(network, biases=scale)
    codes = random_codes(100)
    np.testing.assert_array_equal(
        fuse_fixed(network).whole(*pixel_lists(charges(codes))), evaluate(network, codes)
    )


@pytest.mark.parametrize("pool", [FixedPoint(True, 6, 4), FixedPoint(True, 10, 9), FixedPoint(True, 5, 7)])
def test_averages_in_any_format(pool):
    network = random_network("conv", "tanh")
    network = dataclasses.replace(network, outputs=dict(network.outputs) | {"pool": pool})
    codes = random_codes(100)
    np.testing.assert_array_equal(
        fuse_fixed(network).whole(*pixel_lists(charges(codes))), evaluate(network, codes)
    )


def test_pixels_outside_the_window_and_below_every_edge_do_not_count():
    network = random_network("columns")
    codes = random_codes(30)
    codes[:, :, 3, 4] = 0
    first, counts, row, column, charge = pixel_lists(charges(codes))
    fused = fuse_fixed(network)
    inside = fused.whole(first, counts, row, column, charge)
    # The same with two more pixels at the end of each list: one outside, one of 299 e.
    n = len(counts)
    place = np.repeat(first + counts, 2)
    more = [np.insert(v, place, np.tile(new, n)) for v, new in ((row, [40, 3]), (column, [3, 4]))]
    extra = np.insert(charge, place, np.tile([[9000.0] * 2, [299.0] * 2], (n, 1)).astype(np.float32), axis=0)
    np.testing.assert_array_equal(fused.whole(first + 2 * np.arange(n), counts + 2, *more, extra), inside)


def test_no_clusters_and_a_cluster_without_pixels():
    network = random_network("conv")
    fused = fuse_fixed(network)
    assert fused.images(np.zeros((0, 2, 13, 21), np.float32)).shape == (0, 14)
    empty = fused.images(np.zeros((1, 2, 13, 21), np.float32))
    np.testing.assert_array_equal(empty, evaluate(network, np.zeros((1, 2, 13, 21), np.int8)) / 2.0**10)


def test_what_arrives_is_within_half_a_step_of_the_link():
    network = random_network("mlp")
    images = charges(random_codes(400))
    whole = fuse_fixed(network).images(images)
    low, high = float(whole.min()), float(whole.max())
    for bits in (3, 8, 12):
        form = link_format(bits, low, high, 10)
        fused = fuse_fixed(network, (form,) * 14)
        sent = fused.images(images)
        step = 2.0**-form.fraction
        assert step <= 2 * (high - low) / (2**bits - 1)
        assert np.abs(sent - whole).max() <= 0.5 * step
        assert len(np.unique(sent)) <= 2**bits
        np.testing.assert_array_equal(fused.link_steps(), step)
    # Beyond the range it saturates; with enough bits nothing is cut off.
    narrow = fuse_fixed(network, (link_format(6, -0.5, 0.25, 10),) * 14).images(images)
    assert -0.52 <= narrow.min() <= narrow.max() <= 0.52
    finer = fuse_fixed(network, (link_format(16, low, high, 10),) * 14)
    np.testing.assert_array_equal(finer.images(images), whole)
    np.testing.assert_array_equal(finer.link_steps(), 0)


def test_wrong_slices_and_shapes_are_named():
    fused = fuse_fixed(random_network("conv"))
    with pytest.raises(InputError, match="takes images of"):
        fused.images(np.zeros((1, 3, 13, 21), np.float32))
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(InputError, match="takes 2 slices and there are 3"):
        fused.pixels(one, one + 1, one, one, np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_large_sums_are_kept_in_double_precision(kind):
    network = random_network(kind)
    assert fuse_fixed(network).dense[0].dtype == np.float32
    biases = dict(network.biases) | {"dense3": network.biases["dense3"] + 2**25 + 1}
    outputs = dict(network.outputs) | {"dense3": FixedPoint(True, 40, network.sum_fraction("dense3"))}
    network = dataclasses.replace(network, biases=biases, outputs=outputs)
    fused = fuse_fixed(network)
    assert fused.dense[0].dtype == np.float64
    codes = random_codes(50)
    np.testing.assert_array_equal(fused.whole(*pixel_lists(charges(codes))), evaluate(network, codes))


@pytest.mark.parametrize("layer", ["dense1", "dense3"])
def test_coarse_weights_beside_a_fine_bias_stay_in_single_precision(layer):
    network = random_network("conv", "tanh")
    shift = np.arange(len(network.weights[layer])) % 14
    formats = dict(network.formats) | {layer: dataclasses.replace(network.formats[layer], bits=30)}
    outputs = dict(network.outputs)
    outputs[layer] = dataclasses.replace(outputs[layer], fraction=outputs[layer].fraction - 10)
    weights = dict(network.weights) | {layer: network.weights[layer] << shift[:, None]}
    biases = dict(network.biases) | {layer: (network.biases[layer] << 9) + 2 * shift + 1}
    network = dataclasses.replace(network, formats=formats, outputs=outputs, weights=weights, biases=biases)
    fused, codes = fuse_fixed(network), random_codes(200)
    assert fused.dense[0].dtype == np.float32
    np.testing.assert_array_equal(fused.whole(*pixel_lists(charges(codes))), evaluate(network, codes))


def test_sums_beyond_whole_numbers_are_refused():
    network = random_network("mlp")
    biases = dict(network.biases) | {"dense1": network.biases["dense1"] + 2**53}
    with pytest.raises(InputError, match="fewer bits"):
        fuse_fixed(dataclasses.replace(network, biases=biases))


def test_sums_that_would_run_over_whole_registers_are_refused_too():
    network = random_network("mlp")
    outputs = dict(network.outputs) | {"dense1": FixedPoint(True, 45, 30)}
    weights = dict(network.weights) | {"dense2": (network.weights["dense2"] << 22) + 1}
    with pytest.raises(InputError, match="fewer bits"):
        fuse_fixed(dataclasses.replace(network, outputs=outputs, weights=weights))


def test_charges_on_an_edge_have_the_references_code():
    network = random_network("mlp")
    edges = network.edges
    images = np.zeros((len(edges), 2, 13, 21), dtype=np.float32)
    images[np.arange(len(edges)), 1, 6, 10] = edges.astype(np.float32)
    images[:, 1, 6, 11] = 5000.0
    np.testing.assert_array_equal(
        fuse_fixed(network).whole(*pixel_lists(images)), evaluate(network, adc_codes(images, edges))
    )

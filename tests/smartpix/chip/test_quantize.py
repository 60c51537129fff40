import dataclasses
import math

import numpy as np
import pytest
import torch

from smartpix.chip.fixed_point import FixedPoint, evaluate
from smartpix.chip.kernel import Kernel, cut, encode_codes
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn, zero_shares
from smartpix.chip.transfer import from_fixed, from_float, to_fixed
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.schema import InputError
from tests.smartpix.chip.fixed_networks import random_codes

KINDS = ["conv", "mlp", "columns"]


def fresh(options, seed=0):
    torch.manual_seed(seed)
    return QuantizedMdn(options)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learn_bits", [False, True], ids=["bits", "learned"])
@pytest.mark.parametrize("bits", [3, 8, 12])
def test_the_module_computes_what_the_chip_will(kind, activation, learn_bits, bits):
    options = QuantizedOptions(kind, activation=activation, activation_bits=bits, learn_bits=learn_bits)
    model = fresh(options)
    if learn_bits:
        with torch.no_grad():
            for kernel in model.kernels().values():
                kernel.learned -= 3 * torch.rand_like(kernel.learned)
                # Large weights on a coarse grid stay within the format.
                kernel.weight[0] *= 3
    network = to_fixed(model)
    for name, whole in network.weights.items():
        assert network.formats[name].low <= whole.min() <= whole.max() <= network.formats[name].high
    codes = random_codes(300)
    with torch.no_grad():
        out = model(encode_codes(torch.from_numpy(codes), options.data))
    np.testing.assert_array_equal(
        out.double().numpy(), evaluate(to_fixed(model), codes) / 2.0**options.output_fraction
    )


def test_parameters_of_the_published_sizes():
    sizes = {"conv": 2029, "mlp": 2219, "columns": 2178}
    assert {kind: to_fixed(fresh(QuantizedOptions(kind))).parameters for kind in KINDS} == sizes


@pytest.mark.parametrize("rounding", [True, False])
def test_gradients_pass_the_rounding_and_stop_at_the_ends(rounding):
    x = torch.tensor([-3.0, -1.0001, -0.9, 0.033, 0.99, 1.2], requires_grad=True)
    out = cut(x, FixedPoint(True, 4, 3), rounding)
    out.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1, 0]
    if rounding:
        assert out.tolist() == [-1, -1, -1, 0, 0.875, 0.875]


def test_a_kernels_format_has_the_smallest_error():
    torch.manual_seed(1)
    kernel = Kernel((50, 40), 4)
    with torch.no_grad():
        kernel.weight.normal_(0, 0.2)
    kernel.fit_format()
    chosen = float((kernel.rounded() - kernel.weight).detach().square().sum())
    for fraction in range(-2, 9):
        k = np.clip(np.round(kernel.weight.detach().numpy() * 2.0**fraction), -8, 7) / 2.0**fraction
        assert chosen <= np.square(k - kernel.weight.detach().numpy()).sum() * (1 + 1e-5)


def test_formats_follow_the_weights_and_are_then_held():
    model = fresh(QuantizedOptions("mlp"))
    model.begin_epoch(0, 10, 3)
    assert not model.rounding
    with torch.no_grad():
        model.dense2.weight *= 4
    before = model.dense2.format.fraction
    model.begin_epoch(4, 10, 3)
    assert model.rounding
    assert model.dense2.format.fraction == before - 2
    with torch.no_grad():
        model.dense2.weight *= 4
    model.begin_epoch(6, 10, 3)
    assert model.dense2.format.fraction == before - 2


def test_formats_follow_the_weights_as_long_as_nothing_is_rounded():
    """Held in the second half, they would else be of weights that were still free to grow."""
    model = fresh(QuantizedOptions("mlp"))
    kernel = model.dense1
    for epoch, followed in ((7, True), (8, False)):
        before = kernel.fraction.clone()
        with torch.no_grad():
            kernel.weight.mul_(4)
        model.begin_epoch(epoch, 10, 8)
        assert torch.equal(kernel.fraction, before - 2 * followed)
        assert model.rounding is not followed


def test_unrounded_outputs_are_the_float_ones_within_the_ends():
    model = fresh(QuantizedOptions("mlp", activation="relu"))
    model.begin_epoch(0, 10, 5)
    x = encode_codes(torch.from_numpy(random_codes(40)), model.options.data)
    flat = torch.cat([x.sum(2).flatten(1), x.sum(3).flatten(1)], dim=1)
    for kernel in (model.dense1, model.dense2):
        flat = torch.nn.functional.linear(flat, kernel.weight, kernel.bias).clamp(0, 4)
    expected = torch.nn.functional.linear(flat, model.dense3.weight, model.dense3.bias)
    torch.testing.assert_close(model(x), expected, atol=2e-3, rtol=0)


def test_learned_bits_have_the_slope_of_the_error():
    kernel = Kernel((1, 64), 8, learn_bits=True)
    with torch.no_grad():
        kernel.weight.uniform_(-0.9, 0.9)
        kernel.fit_format()
        kernel.learned.fill_(3.0)
    out = kernel.rounded()
    error = (out - kernel.weight).detach()
    out = kernel.rounded()
    out.sum().backward()
    # Half the error with each bit more.
    torch.testing.assert_close(kernel.learned.grad, -math.log(2) * error)
    assert float((out * 8 - (out * 8).round()).detach().abs().max()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_whole_numbers_goes_back_into_a_module(kind):
    options = QuantizedOptions(kind)
    network = to_fixed(fresh(options, 5))
    model = fresh(options, 6)
    from_fixed(model, network, "w")
    codes = random_codes(60)
    np.testing.assert_array_equal(evaluate(to_fixed(model), codes), evaluate(network, codes))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_with_common_factors_go_back_as_they_are(kind):
    """As after pruning: the biases keep their unit."""
    options = QuantizedOptions(kind)
    network = to_fixed(fresh(options, 5))
    weights = {k: v // 4 * 4 for k, v in network.weights.items()} | {"dense2": 0 * network.weights["dense2"]}
    network = dataclasses.replace(network, weights=weights)
    model = fresh(options, 6)
    from_fixed(model, network, "w")
    codes = random_codes(60)
    np.testing.assert_array_equal(evaluate(to_fixed(model), codes), evaluate(network, codes))


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "normalised"])
@pytest.mark.parametrize("kind", KINDS)
def test_start_from_a_float_network(kind, batch_norm):
    torch.manual_seed(3)
    floats = build(NetworkOptions(kind, batch_norm=batch_norm)).eval()
    for name, values in floats.named_buffers() if batch_norm else ():
        if "running" in name:
            values.data = (
                0.6 + 0.8 * torch.rand_like(values) if "var" in name else 0.2 * torch.randn_like(values)
            )
    arrays = {k: v.numpy() for k, v in floats.state_dict().items()}
    model = fresh(QuantizedOptions(kind, conv_bits=12, dense_bits=12, activation_bits=12))
    from_float(model, arrays, "w")
    x = 0.1 * encode_codes(torch.from_numpy(random_codes(40)), model.options.data)
    model.begin_epoch(0, 10, 5)
    # tanh is the hard one for small numbers.
    with torch.no_grad():
        torch.testing.assert_close(model(x), floats(x), atol=0.15, rtol=0)


def test_other_sizes_are_named():
    network = to_fixed(fresh(QuantizedOptions("mlp", hidden=(8, 8))))
    with pytest.raises(InputError, match=r"w: 'dense1' is \(8, 68\) and \(21, 68\)"):
        from_fixed(fresh(QuantizedOptions("mlp")), network, "w")


def test_zero_shares_count_exact_zeros_and_zeros_can_be_kept():
    model = fresh(QuantizedOptions("mlp"))
    with torch.no_grad():
        model.dense2.weight[:5] = 0
    shares = zero_shares(model)
    network = to_fixed(model)
    assert shares["dense2"] == pytest.approx(1 - np.count_nonzero(network.weights["dense2"]) / 441)
    n_weights = sum(w.size for w in network.weights.values())
    assert shares["all"] == pytest.approx(1 - network.nonzero_weights / n_weights)
    model.keep_zeros()
    with torch.no_grad():
        model.dense2.weight += 1
    assert zero_shares(model)["dense2"] == shares["dense2"]


def test_learned_edges_code_as_the_chip_and_feel_where_to_go():
    options = QuantizedOptions("mlp", data_bits=2, threshold=340.0, adc_max=3600.0, learn_edges=True)
    model = fresh(options)
    charge = torch.tensor([[0.0, -50.0, 339.0, 341.0, 1000.0, 9000.0]])
    code = model.coded(charge)
    edges = np.array(options.edges)
    np.testing.assert_array_equal(
        (code * 2).detach().numpy()[0], [np.sum(edges <= q) if q > 0 else 0 for q in charge[0].tolist()]
    )
    # A higher edge lowers the codes of the charges near it, and of no others by much.
    code[0, 3].backward()
    gradient = model.log_edges.grad
    assert gradient[0] < -0.5
    assert abs(float(gradient[2])) < 1e-3
    np.testing.assert_allclose(to_fixed(model).edges, edges, atol=0.06)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "con"}, "Did you mean 'conv'"),
        ({"hidden": (-3, 4)}, "hidden must be two whole numbers"),
        ({"hidden": (4, 1001)}, "hidden must be two whole numbers up to 1000"),
        ({"filters": (10**8, 4)}, "filters must be two whole numbers up to 1000"),
        ({"kind": "mlp", "filters": (3, 0)}, "filters must be 0 where the network mlp has none"),
        ({"threshold": float("nan")}, "threshold must be positive"),
        ({"output_fraction": 99}, "output_fraction must be between"),
        ({"activation": "sigmoid"}, "one of tanh, relu"),
        ({"dense_bits": 1}, "dense_bits must be between 2 and 12"),
        ({"edges": (1.0, 2.0)}, "edges must be 15 for the bits"),
        ({"learn_edges": True}, "positive if they are learned"),
    ],
)
def test_options_out_of_range_are_named(change, message):
    with pytest.raises(InputError, match=message):
        QuantizedOptions(**change)


def test_formats_follow_the_options():
    options = QuantizedOptions()
    assert options.data == FixedPoint(True, 5, 3)
    assert options.between == FixedPoint(True, 8, 7)
    two = dataclasses.replace(options, data_bits=2, edges=(), activation="relu")
    assert two.data == FixedPoint(False, 2, 1)
    assert two.between == FixedPoint(False, 8, 6)

"""Networks of the front: printed sizes, their layers against NumPy, and what they see."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.merged.ecal import build_front, front_inputs
from smartpix.merged.front import FRONT_NETWORKS, FrontOptions, sizes
from smartpix.merged.variables import shape_variables
from smartpix.schema import InputError

PRINTED = {"ecal-cnn": 577_820, "tmva-cnn": 226_231, "ecal-dnn": 56_701}
SHAPES = [(1, 16, 16), (2, 16, 16), (2, 13, 21)]


def counted(network):
    """Trained parameters, and averages that are kept."""
    kept = sum(b.numel() for name, b in network.named_buffers() if not name.endswith("num_batches_tracked"))
    return sum(p.numel() for p in network.parameters()), kept


def test_parameters_are_the_printed_ones():
    """The talk's table is Keras's and counts moving averages; TMVA's and the DNN's numbers do not."""
    found = {name: counted(build_front(FrontOptions(name, 1, 16, 16))) for name in PRINTED}
    assert sum(found["ecal-cnn"]) == PRINTED["ecal-cnn"]
    assert found["ecal-cnn"] == (577_800, 20)
    assert found["tmva-cnn"] == (PRINTED["tmva-cnn"], 20)
    assert found["ecal-dnn"] == (PRINTED["ecal-dnn"], 600)


def test_layers_of_the_cnn_are_those_of_the_table():
    layers = [layer for layer in build_front(FrontOptions("ecal-cnn", 1, 16, 16)).layers if counted(layer)[0]]
    assert [sum(counted(layer)) for layer in layers] == [100, 40, 910, 576_256, 514]


@pytest.mark.parametrize("name", FRONT_NETWORKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_are_those_of_the_modules(name, shape):
    options = FrontOptions(name, *shape, hidden=7)
    found = sizes(options)
    assert counted(build_front(options)) == (found.trained, found.moving)
    assert found.all == found.trained + found.moving


@pytest.mark.parametrize("name", FRONT_NETWORKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_clusters_are_answered_alone(name, shape):
    options = FrontOptions(name, *shape)
    images = np.random.default_rng(3).exponential(1000.0, (9, *shape)).astype(np.float32)
    torch.manual_seed(2)
    network = build_front(options).eval()
    inputs = front_inputs(images, options)
    network.standardise(inputs)
    with torch.no_grad():
        out = network(inputs)
        assert out.shape == (9,)
        order = torch.tensor([4, 0, 8, 1])
        torch.testing.assert_close(network(inputs[order]), out[order], rtol=1e-4, atol=1e-5)


def test_shape_network_is_one_hidden_layer_of_standardised_variables():
    options = FrontOptions("ecal-shape", 2, 9, 11, hidden=5, w0=3.0)
    images = np.random.default_rng(1).exponential(1000.0, (50, 2, 9, 11))
    network = build_front(options)
    network.standardise(front_inputs(images, options))
    seen = shape_variables(images, options.variables)
    z = (seen - seen.mean(axis=0)) / seen.std(axis=0, ddof=1)
    first, _, second = network.layers
    w1, b1, w2, b2 = (p.detach().numpy() for layer in (first, second) for p in (layer.weight, layer.bias))
    with torch.no_grad():
        out = network(front_inputs(images, options)).numpy()
    np.testing.assert_allclose(out, np.tanh(z @ w1.T + b1) @ w2[0] + b2, rtol=1e-3, atol=1e-4)


def test_a_variable_that_does_not_change_stays_finite():
    options = FrontOptions("ecal-shape", 1, 5, 5)
    network = build_front(options)
    inputs = front_inputs(np.zeros((4, 1, 5, 5)), options)
    network.standardise(inputs)
    assert torch.isfinite(network(inputs)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_two_outputs_are_answered_as_their_difference(seed):
    """What the softmax of two classes says."""
    torch.manual_seed(seed)
    network = build_front(FrontOptions("ecal-cnn", 1, 6, 7)).eval()
    inputs = torch.randn(3, 1, 6, 7)
    with torch.no_grad():
        wanted = torch.softmax(network.layers(inputs), dim=1)[:, 1]
        torch.testing.assert_close(torch.sigmoid(network(inputs)), wanted, rtol=1e-5, atol=1e-6)


def test_images_are_scaled_as_the_options_say():
    images = np.array([-600.0, 0.0, 300.0, 8700.0]).reshape(4, 1, 1, 1) * np.ones((1, 1, 5, 5))
    seen = front_inputs(images, FrontOptions("ecal-dnn", 1, 5, 5))[:, 0, 0, 0]
    np.testing.assert_allclose(seen, np.array([-np.log2(3), 0, 1, np.log2(30)]) / 3, rtol=1e-6)
    divided = front_inputs(images, FrontOptions("ecal-dnn", 1, 5, 5, unit=100.0))[:, 0, 0, 0]
    assert divided.tolist() == [-6.0, 0.0, 3.0, 87.0]


def test_bad_input_is_refused():
    options = FrontOptions("ecal-dnn", 1, 5, 6)
    with pytest.raises(InputError, match=r"ecal-dnn sees images .*\(1, 5, 6\), and these are \(1, 6, 5\)"):
        front_inputs(np.zeros((2, 1, 6, 5)), options)
    with pytest.raises(InputError, match="not finite"):
        front_inputs(np.full((2, 1, 5, 6), np.nan), options)
    with pytest.raises(InputError, match=r"front: network must be one of .*Did you mean 'ecal-cnn'"):
        FrontOptions("ecal-cn")
    with pytest.raises(InputError, match="n_rows"):
        FrontOptions(n_rows=4)

"""A kind of network is one entry of a table: what runs the three there are runs others, bit for bit."""

import ast
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import smartpix
from smartpix.chip.fixed_point import adc_codes, describe, evaluate, from_arrays, to_arrays
from smartpix.chip.fused import fuse_fixed
from smartpix.chip.kernel import encode_codes
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn
from smartpix.chip.shrink import shrink
from smartpix.chip.transfer import from_float, to_fixed
from smartpix.clusters import pixel_lists
from smartpix.estimate.descriptions import load_network_weights
from smartpix.networks.fused import check_arrays, fuse
from smartpix.networks.modules import build, encode
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import CONV_FILTERS, IMAGE, KINDS, Kind, Plan
from smartpix.schema import InputError
from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tests.left_out import needs
from tests.smartpix.chip.fixed_networks import random_codes

SHAPE = (2, 9, 12)
NEW_KINDS = {
    "lines": Kind("columns", column_sums=True, row_sums=True, filters=(3, 0), width=9),
    "maps": Kind("convolution", True, True, (CONV_FILTERS, CONV_FILTERS), 8),
    "rows": Kind("none", False, True, (0, 0), 7),
    "strips": Kind("columns", False, False, (6, 0), 10),
}


@pytest.fixture(params=NEW_KINDS)
def kind(request, monkeypatch):
    """A fourth kind, for as long as a test runs."""
    monkeypatch.setitem(KINDS, request.param, NEW_KINDS[request.param])
    return request.param


def clusters(n=150, seed=1):
    rng = np.random.default_rng(seed)
    fired = rng.random((n, *SHAPE)) < 0.1
    return (rng.exponential(3000, (n, *SHAPE)) * fired).astype(np.float32)


def floating(kind, **more):
    return NetworkOptions(kind, *SHAPE, filters=max(KINDS[kind].filters[0], 1), **more)


def quantised(kind, seed=1, **more):
    torch.manual_seed(seed)
    return QuantizedMdn(QuantizedOptions(kind, *SHAPE, **more))


def test_parameters_are_those_of_the_modules(kind):
    model = build(floating(kind))
    plan = model.plan
    assert plan.parameters == sum(p.numel() for p in model.parameters())
    assert plan.parameters == to_fixed(quantised(kind)).parameters
    check_arrays({k: v.numpy() for k, v in model.state_dict().items()}, asdict(floating(kind)), "w")


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "norm"])
def test_fused_loops_are_the_torch_module(kind, batch_norm):
    options = floating(kind, batch_norm=batch_norm)
    torch.manual_seed(2)
    model, images = build(options), clusters()
    with torch.no_grad():
        model(encode(torch.from_numpy(images), options))
        wanted = model.eval()(encode(torch.from_numpy(images), options)).numpy()
    fused = fuse({k: v.numpy() for k, v in model.state_dict().items()}, asdict(options))
    np.testing.assert_allclose(fused.images(images), wanted, atol=1e-5)
    assert np.ptp(wanted, axis=0).min() > 0.01


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_training_whole_numbers_and_fused_loops_are_the_same_to_the_bit(kind, activation):
    model = quantised(kind, activation=activation)
    network, images = to_fixed(model), clusters()
    codes = adc_codes(images, network.edges)
    whole = evaluate(network, codes)
    assert len(np.unique(whole)) > 100
    with torch.no_grad():
        trained = model(encode_codes(torch.from_numpy(codes), model.options.data)).double().numpy()
    np.testing.assert_array_equal(trained * 2.0**model.options.output_fraction, whole)
    np.testing.assert_array_equal(fuse_fixed(network).whole(*pixel_lists(images)), whole)
    again = from_arrays(to_arrays(network), describe(network), "w")
    np.testing.assert_array_equal(evaluate(again, codes), whole)


@pytest.mark.parametrize("n_outputs", [1, 3, 29])
@pytest.mark.parametrize("name", ["columns", "conv", "mlp"])
def test_any_number_of_outputs(name, n_outputs):
    """Through all that computes: torch, the fused loops, the quantised training and the whole numbers."""
    options, images = floating(name, n_outputs=n_outputs), clusters()
    torch.manual_seed(2)
    model = build(options)
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    check_arrays(arrays, asdict(options), "w")
    with torch.no_grad():
        wanted = model(encode(torch.from_numpy(images), options)).numpy()
    assert wanted.shape == (len(images), n_outputs)
    np.testing.assert_allclose(fuse(arrays, asdict(options)).images(images), wanted, atol=1e-5)

    chip = quantised(name, n_outputs=n_outputs)
    network = from_arrays(to_arrays(to_fixed(chip)), describe(to_fixed(chip)), "w")
    assert network.plan == chip.plan
    assert network.parameters == chip.plan.parameters
    codes = adc_codes(images, network.edges)
    whole = evaluate(network, codes)
    assert whole.shape == (len(images), n_outputs)
    with torch.no_grad():
        trained = chip(encode_codes(torch.from_numpy(codes), chip.options.data)).double().numpy()
    np.testing.assert_array_equal(trained * 2.0**chip.options.output_fraction, whole)
    np.testing.assert_array_equal(fuse_fixed(network).whole(*pixel_lists(images)), whole)


def test_options_refuse_no_outputs():
    for options in (NetworkOptions, QuantizedOptions):
        assert options().plan.n_outputs == 14
        with pytest.raises(InputError, match="n_outputs"):
            options(n_outputs=0)


def test_weights_of_a_float_network_go_into_the_quantised_one(kind):
    model = quantised(kind)
    torch.manual_seed(5)
    arrays = {k: v.numpy() for k, v in build(floating(kind)).state_dict().items()}
    from_float(model, arrays, "w")
    for name, kernel in model.kernels().items():
        np.testing.assert_array_equal(
            kernel.weight.detach().numpy().ravel(), arrays[f"{name}.weight"].ravel()
        )


def test_what_does_nothing_can_be_taken_out(kind):
    network = to_fixed(quantised(kind))
    for name in network.layers[:-1]:
        network.weights[name][0] = 0
    codes = random_codes(60, SHAPE, share=0.3)
    small = shrink(network)
    assert small.parameters < network.parameters
    np.testing.assert_array_equal(evaluate(small, codes), evaluate(network, codes))


@pytest.mark.parametrize("name", ["lines", "rows", "strips"])
def test_adders_are_the_whole_numbers(monkeypatch, name):
    """Not of a convolution with sums: da4ml's interpreter takes constants for 0 where the unit of a wire is
    2^-34 of the codes', which it is behind so many layers.
    """
    pytest.importorskip("da4ml")
    from smartpix.export.logic import trace

    monkeypatch.setitem(KINDS, name, NEW_KINDS[name])
    filters = (2, 0) if KINDS[name].front == "columns" else (0, 0)
    network = to_fixed(quantised(name, filters=filters, hidden=(3, 3)))
    codes = random_codes(100, SHAPE, share=0.3)
    found = trace(network).predict(codes.reshape(len(codes), -1).astype(float))
    np.testing.assert_array_equal(found, evaluate(network, codes))


@needs("g++")
@pytest.mark.parametrize("name", ["maps", "strips"])
def test_compiled_project_is_the_whole_numbers(tmp_path, monkeypatch, name):
    pytest.importorskip("hls4ml")
    from smartpix.export.hls import HlsOptions, write_project

    monkeypatch.setitem(KINDS, name, NEW_KINDS[name])
    network = to_fixed(quantised(name, hidden=(3, 2)))
    options = HlsOptions("quartus", "parallel", "resource")
    report = write_project(network, tmp_path / "project", random_codes(200, SHAPE, share=0.3), options)
    assert report["csim_mismatches"] == 0


def test_it_trains_and_its_weights_are_read(kind, tmp_path, samples):
    few = {name: getattr(samples, name)[:1200] for name in ("images", "targets", "truncated")}
    samples, shape = replace(samples, **few), samples.images.shape[1:]
    for sort, network in (
        ("mdn", NetworkOptions(kind, *shape, filters=2)),
        ("fixed", QuantizedOptions(kind, *shape)),
    ):
        options = TrainMdnOptions(network, epochs=2, batch_size=64)
        path = tmp_path / f"{sort}.safetensors"
        metrics = train_on(samples, "barrel", path, options, lambda line: None)
        assert metrics["parameters"] == network.plan.parameters
        assert load_network_weights(path, sort)[1]["architecture"] == f"{sort}-{kind}"


def test_codes_that_are_summed_count_as_codes():
    plan = Plan("conv", (2, 13, 21), (5, 5), (16, 16))
    assert [name for name in plan.names if plan.sees_codes(name)] == ["depthwise", "pointwise"]
    assert [plan.listener(name) for name in ("pointwise", "mix", "dense1")] == ["mix", "dense1", "dense2"]
    assert plan.map == (5, 3, 6)
    assert [layer.positions for layer in plan.layers] == [162, 162, 162, 1, 1, 1]
    sums = Plan("mlp", (2, 13, 21), (0, 0), (21, 21))
    assert sums.layer("dense1").inputs == (IMAGE,)
    assert sums.sees_codes("dense1")
    assert not Plan("columns", (2, 13, 21), (4, 0), (14, 14)).sees_codes("dense1")


def test_unknown_kinds_are_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"network 'colums' is unknown\. Did you mean 'columns'\?"):
        NetworkOptions("colums")


def test_the_example_of_the_documentation_runs(capsys):
    page = (Path(smartpix.__file__).parents[1] / "docs" / "chip.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    before = dict(KINDS)
    try:
        exec(code, {})
    finally:
        KINDS.clear()
        KINDS.update(before)
    assert capsys.readouterr().out.startswith("1601 Mdn(")


def test_no_other_module_decides_by_the_kind():
    package = Path(smartpix.__file__).parent
    deciding = []
    for path in sorted(package.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        defaults = {id(node.value) for node in nodes if isinstance(node, ast.AnnAssign)}
        for node in nodes:
            named = isinstance(node, ast.Constant) and node.value in ("conv", "mlp")
            pooled = isinstance(node, ast.BinOp) and ast.unparse(node).endswith("// 3")
            other = path.name in ("plan.py", "anomaly.py") or path.parent.name == "link"
            if not other and (named or pooled) and id(node) not in defaults:
                deciding.append(f"{path.relative_to(package)}:{node.lineno}")
    # Autoencoders have kinds of their own, and the link's encoder has a layer of that name.
    assert deciding == []

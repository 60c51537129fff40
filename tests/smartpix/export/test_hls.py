"""hls4ml projects against the plain reference, bit for bit, through g++."""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest

from smartpix.chip.fixed_point import FixedPoint, evaluate
from smartpix.export.hls import (
    EXPECTED,
    INPUTS,
    REPORT,
    HlsOptions,
    MismatchError,
    check_project,
    write_project,
)
from smartpix.export.hls_layers import hls_layers
from smartpix.schema import InputError
from tests.left_out import needs, require
from tests.smartpix.chip.fixed_networks import random_codes, random_network

pytest.importorskip("hls4ml")
needs_compiler = needs("g++")

SMALL = {"shape": (2, 6, 9), "filters": 3, "mixed": 2, "hidden": (5, 4)}
FAST = HlsOptions(backend="quartus", io="parallel", strategy="resource")
"""The backend that compiles in the shortest time."""


def codes_of(network, n=1000):
    # Many pixels: sums reach the ends of their ranges, and layers saturate.
    return random_codes(n, shape=network.shape, share=0.5)


@needs_compiler
@pytest.mark.parametrize(
    ("kind", "activation", "options", "sizes"),
    [
        ("conv", "tanh", HlsOptions(), {}),
        ("mlp", "relu", HlsOptions(strategy="distributed_arithmetic"), {}),
        ("columns", "tanh", HlsOptions(), {}),
        ("conv", "relu", HlsOptions(io="stream"), {"shape": (1, 8, 7), "seed": 11}),
        ("columns", "relu", HlsOptions(io="stream"), {}),
        (
            "conv",
            "tanh",
            HlsOptions("quartus", "stream", "resource", reuse=3),
            {"density": 0.5, "mixed": 3, "shape": (2, 9, 9), "seed": 11},
        ),
        ("columns", "relu", FAST, {"filters": 1, "hidden": (1, 2)}),
        ("columns", "tanh", FAST, {"n_outputs": 3}),
        ("mlp", "tanh", FAST, {"n_outputs": 29}),
        ("conv", "tanh", HlsOptions("catapult", "stream", reuse=2), {}),
        (
            "conv",
            "relu",
            HlsOptions("vivado", strategy="resource", reuse=4),
            {"filters": 4, "mixed": 1, "seed": 13},
        ),
    ],
)
def test_project_computes_the_same(tmp_path, capfd, kind, activation, options, sizes):
    if options.strategy == "distributed_arithmetic":
        pytest.importorskip("da4ml")
    network = random_network(kind, activation, **(SMALL | sizes))
    codes = codes_of(network)
    expected = evaluate(network, codes)
    assert len(np.unique(expected)) > 100
    report = write_project(network, tmp_path / "project", codes, options)
    assert report["csim_mismatches"] == 0
    assert report["n_clusters"] == 1000
    assert capfd.readouterr().out == ""
    assert np.array_equal(np.loadtxt(tmp_path / "project" / EXPECTED) * 1024, expected)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small network, its codes and its project."""
    require("g++")
    network = random_network("mlp", "tanh", **SMALL)
    folder = tmp_path_factory.mktemp("hls") / "mlp"
    codes = codes_of(network, 50)
    write_project(network, folder, codes, FAST)
    return network, codes, folder


def test_report_says_what_was_made(project):
    network, _, folder = project
    report = json.loads((folder / REPORT).read_text())
    assert (report["backend"], report["io"], report["strategy"], report["reuse"]) == (
        "quartus",
        "parallel",
        "resource",
        1,
    )
    assert report["parameters"] == network.parameters
    assert report["nonzero_weights"] == network.nonzero_weights
    assert report["input"] == "ap_fixed<5,2>"
    assert report["output"] == "ap_fixed<16,6>"
    assert report["layers"]["dense1"]["result"] == "ap_fixed<8,1,AP_TRN,AP_SAT>"
    assert report["layers"]["dense2"]["weight"] == "ap_fixed<4,0>"
    assert "MdnNetwork.finish" in report["after_the_outputs"]


@needs_compiler
def test_report_says_what_the_outputs_are(tmp_path):
    network = random_network("mlp", "tanh", n_outputs=3, **SMALL)
    report = write_project(network, tmp_path / "p", codes_of(network, 5), FAST, finish="Three scores.")
    assert report["after_the_outputs"] == "Three scores."


def test_nothing_points_to_where_it_was_written(project):
    folder = project[2]
    assert [path.name for path in folder.parent.iterdir()] == ["mlp"]
    assert not list(folder.rglob("*.so"))
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and str(folder.parent) in path.read_text(errors="ignore")
    ]
    assert found == []


def test_test_bench_holds_the_clusters(project):
    network, codes, folder = project
    inputs = np.loadtxt(folder / INPUTS).reshape(50, *network.shape[1:], network.shape[0])
    assert np.array_equal(inputs.transpose(0, 3, 1, 2) * 8, codes)
    assert check_project(folder) == 0


def test_a_wrong_output_is_found(project, tmp_path):
    folder = shutil.copytree(project[2], tmp_path / "copy")
    expected = np.loadtxt(folder / EXPECTED)
    expected[7, 3] += 2.0**-10
    np.savetxt(folder / EXPECTED, expected, fmt="%.17g")
    with pytest.raises(MismatchError, match="for 1 of 50 clusters; the first is cluster 7, output 3"):
        check_project(folder)


def test_a_flipped_bit_of_a_weight_is_found(project, tmp_path):
    folder = shutil.copytree(project[2], tmp_path / "copy")
    # The last weight of the last layer.
    header = max((folder / "firmware/weights").glob("w*.h"), key=lambda path: int(path.stem[1:]))
    text = header.read_text()
    start, end = text.rindex("{") + 1, text.rindex("}")
    values = text[start:end].split(",")
    values[-1] = str(((int(float(values[-1]) * 16) + 8) ^ 1) / 16 - 0.5)
    header.write_text(text[:start] + ", ".join(values) + text[end:])
    with pytest.raises(MismatchError, match="of 50 clusters"):
        check_project(folder)


@needs_compiler
def test_hls4mls_own_test_bench_runs(tmp_path):
    # What a vendor's C simulation compiles.
    network = random_network("mlp", "tanh", **(SMALL | {"shape": (3, 6, 9)}))
    codes = codes_of(network)
    write_project(
        network, tmp_path / "project", codes, HlsOptions(io="stream", reuse=2, part="xcu250-figd2104-2L-e")
    )
    folder = tmp_path / "project"
    assert "xcu250-figd2104-2L-e" in (folder / "project.tcl").read_text()
    weights = f'-DWEIGHTS_DIR="{folder}/firmware/weights"'
    sources = ["smartpix_test.cpp", "firmware/smartpix.cpp"]
    subprocess.run(
        ["g++", "-std=c++17", "-Ifirmware/ap_types", weights, *sources, "-o", "bench"], cwd=folder, check=True
    )
    subprocess.run(["./bench"], cwd=folder, check=True, capture_output=True)
    # It prints six digits.
    assert np.allclose(
        np.loadtxt(folder / "tb_data/csim_results.log"), evaluate(network, codes) / 1024, rtol=1e-5, atol=0
    )


def test_a_project_is_replaced_and_nothing_else(project, tmp_path):
    network, codes, _ = project
    folder = shutil.copytree(project[2], tmp_path / "copy")
    write_project(network, folder, codes[:3], FAST)
    assert json.loads((folder / REPORT).read_text())["n_clusters"] == 3
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which smartpix did not write"):
        write_project(network, folder, codes, FAST)
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "report.json").touch()
    with pytest.raises(InputError, match="holds something else, so that it is not overwritten"):
        write_project(network, tmp_path / "thesis", codes, FAST)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        write_project(network, tmp_path / "file", codes, FAST)
    with pytest.raises(InputError, match="does not exist; make it first"):
        write_project(network, tmp_path / "no" / "where", codes, FAST)


@pytest.mark.parametrize("broken", ["hls4ml", "build"])
def test_failure_leaves_nothing_behind(tmp_path, monkeypatch, broken):
    network = random_network("mlp", **SMALL)
    if broken == "hls4ml":
        monkeypatch.setattr("hls4ml.model.graph.ModelGraph.write", lambda self: 1 / 0)
    else:
        (tmp_path / "g++").write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
        (tmp_path / "g++").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(
        InputError, match="hls4ml cannot make" if broken == "hls4ml" else r"(?s)cannot compile.*no space left"
    ):
        write_project(network, out / "project", codes_of(network, 5), FAST)
    assert list(out.iterdir()) == []


def test_missing_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    network = random_network("mlp", **SMALL)
    with pytest.raises(InputError, match=r"g\+\+ is missing.*apt install g\+\+"):
        write_project(network, tmp_path / "project", codes_of(network, 5), FAST)


def test_codes_that_do_not_fit(tmp_path):
    network = random_network("mlp", **SMALL)
    with pytest.raises(InputError, match="no clusters"):
        write_project(network, tmp_path / "a", np.zeros((0, 2, 6, 9), dtype=np.int8), FAST)
    with pytest.raises(InputError, match="takes codes of"):
        write_project(network, tmp_path / "a", np.zeros((1, 2, 9, 6), dtype=np.int8), FAST)
    with pytest.raises(InputError, match="codes must lie from -16 to 15 and go from 0 to 16"):
        write_project(
            network, tmp_path / "a", np.eye(6, 9, dtype=np.int8).reshape(1, 1, 6, 9).repeat(2, 1) * 16, FAST
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "vits"}, "is 'vits'. Did you mean 'vitis'"),
        ({"io": "serial"}, "io must be one of parallel, stream and is 'serial'"),
        ({"strategy": "latent"}, "is 'latent'. Did you mean 'latency'"),
        ({"backend": "quartus"}, "no strategy 'latency' for quartus; it has resource"),
        ({"strategy": "distributed_arithmetic", "reuse": 2}, "reuse must be 1 and is 2"),
        ({"reuse": 0}, "reuse must be at least 1"),
        ({"clock_period": 0.0}, "clock_period must be positive"),
    ],
)
def test_options(options, message):
    with pytest.raises(InputError, match=message):
        HlsOptions(**options)


@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_sums_hold_the_worst_input(kind):
    # Against brute force: the input that drives a sum of the first layer to its ends.
    network = random_network(kind, **SMALL)
    first = next(
        layer for layer in hls_layers(network) if layer.kind == "Conv2D" and layer.inputs == ("clusters",)
    )
    kernel = np.ldexp(first.attributes["weight_data"], first.precision["weight"].fraction).reshape(
        -1, first.shape[2]
    )
    form = network.input
    worst = [np.where(k > 0, form.high, form.low) @ k for k in kernel.T] + [
        np.where(k > 0, form.low, form.high) @ k for k in kernel.T
    ]
    accumulator = first.precision["accum"]
    assert accumulator.low <= min(worst) < max(worst) <= accumulator.high
    narrower = FixedPoint(True, accumulator.bits - 1, accumulator.fraction)
    # With a bias the sum reaches further than the products.
    assert "bias" in first.precision or min(worst) < narrower.low or max(worst) > narrower.high


def test_layers_without_any_weight_are_exact(project, tmp_path):
    network = random_network("conv", "tanh", **SMALL)
    weights = dict(network.weights)
    weights["mix"] = np.zeros_like(weights["mix"])
    weights["dense2"] = np.zeros_like(weights["dense2"])
    network = dataclasses.replace(network, weights=weights)
    assert write_project(network, tmp_path / "project", codes_of(network, 20), FAST)["csim_mismatches"] == 0

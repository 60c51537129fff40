"""``smartpix export WEIGHTS --rtl`` of a tiny trigger network by the command line, from weights to simulated Verilog."""

import json

import numpy as np
import pytest

from smartpix.export import synthesis
from smartpix.networks.weights import save_weights
from smartpix.shipped import data_path
from tests.left_out import needs
from tests.tracking.finders.trigger.graphs import hostile, random_model
from tracking.cli.main import main
from tracking.finders.training import trained_description
from tracking.finders.trigger import whole
from tracking.finders.trigger.logic import bench_graphs
from tracking.finders.trigger.logic import export as logic_export
from tracking.finders.trigger.options import SectorOptions, TrainTriggerOptions, TriggerGraphOptions
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.shape import InteractionBits, InteractionShape
from tracking.finders.trigger.whole import align, flow, perceptron

pytest.importorskip("da4ml")

SAMPLE = data_path("sample.root")
OPTIONS = TrainTriggerOptions(
    hidden=3,
    bits=5,
    graph=TriggerGraphOptions(features="paper"),
    sectors=SectorOptions(n_phi=24, n_eta=8, nodes=5, edges=6),
)

BITS = InteractionBits(5, (5,), (6, 5, 9, 5, 5, 6, 6, 5, 6))
"""Formats of several widths, and messages that are finer than the data."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of three hidden units and few bits, for sectors of five hits and six edges; nobody trained them."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    network = whole.to_whole(random_model(InteractionShape(hidden=3), BITS, seed=83))
    description = trained_description(whole.ARCHITECTURE, OPTIONS, [SAMPLE], {}, calibration=[1.0, 0.0])
    save_weights(path, whole.to_arrays(network), description | whole.describe(network))
    return path


@pytest.fixture
def export(weights, tmp_path, capsys):
    """Exit code, standard output and standard error of the command; the folder is ``tmp_path / "out"``."""

    def run(*flags, name=None):
        folder = ["-o", str(tmp_path / "out"), "--json"]
        code = main(["export", str(name or weights), *map(str, flags), *folder])
        return (code, *capsys.readouterr())

    return run


def assert_perceptrons(reports, folder, network, graphs):
    """hls4ml's C simulation equals the whole numbers, and its test bench has what the perceptron of nodes sees."""
    assert {name: r["csim_mismatches"] for name, r in reports.items()} == {"r1": 0, "o": 0, "r2": 0}
    assert [r["n_inputs"] for r in reports.values()] == [60] * 3
    seen = flow(network, *graphs).inputs["o"].reshape(300, -1)[:60]
    inputs, outputs = (
        np.loadtxt(folder / "o" / "tb_data" / f"tb_{name}.dat")
        for name in ("input_features", "output_predictions")
    )
    assert np.array_equal(inputs * 2.0 ** network.input_fraction("o_0"), align(network, "o", seen))
    assert np.array_equal(outputs * 2.0**network.effect.fraction, perceptron(network, "o", seen))


@needs("verilator", "g++", "yosys")
def test_from_weights_to_simulated_verilog(export, weights, tmp_path, monkeypatch):
    pytest.importorskip("hls4ml")
    asked = []

    def hostile_graphs(network, *given):
        asked.append(hostile(bench_graphs(network, *given), network))
        return asked[0]

    monkeypatch.setattr(logic_export, "bench_graphs", hostile_graphs)
    # Neither the edges nor the nodes come out even over four cycles.
    flags = ("--rtl", "--interval", 4, "--file", SAMPLE, "--clusters", 60)
    fast = ("--backend", "quartus", "--strategy", "resource", "--clock", 4)
    code, out, err = export(*flags, *fast)
    assert code == 0, err
    report = json.loads(out)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert report["weights"] == str(weights)
    assert_perceptrons(
        report["perceptrons"], tmp_path / "out" / "hls", load_trained(str(weights)).network, asked[0]
    )
    rtl, modules = report["rtl"], report["rtl"]["modules"]
    assert (rtl["rtl_mismatches"], rtl["n_sectors"], rtl["ii_cycles"], rtl["missing"]) == (0, 60, 4, {})
    assert [rtl["options"][key] for key in ("nodes", "edges", "clock_ns")] == [5, 6, 4.0]
    assert rtl["latency_ns"] == 4.0 * rtl["latency_cycles"] > 0
    expected = (tmp_path / "out" / "rtl" / "expected.hex").read_text().split()
    assert len(expected) == 60
    # Weights that make something of what comes in.
    assert len(set(expected)) > 40
    # Sizes are the sums of what is there, as often as it is there.
    assert {name: module["copies"] for name, module in modules.items()} == {
        "smartpix": 1, "r1": 2, "o": 2, "r2": 2, "gather_nodes": 4, "gather_effects": 4, "decode": 2, "node_sum": 5,
    }  # fmt: skip
    for name in synthesis.FPGA:
        assert rtl[name] == sum(module[name] * module["copies"] for module in modules.values()) > 0
    # A multiplexer of five takes at least two look-up tables for each bit of the three features.
    assert modules["gather_nodes"]["luts"] >= 2 * 3 * 5
    assert modules["gather_nodes"]["ffs"] == 3 * 5
    assert modules["r1"]["luts"] > 20


def test_tools_that_are_missing_are_named(export, tmp_path, monkeypatch):
    monkeypatch.setattr(logic_export, "write_perceptrons", lambda *_: {})
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, _ = export("--rtl", "--file", SAMPLE, "--clusters", 5)
    rtl = json.loads(out)["rtl"]
    assert code == 0
    assert rtl["missing"] == {
        tool: f"'{tool}' was not found; on Debian: apt install {tool}" for tool in ("verilator", "yosys")
    }
    assert [rtl[key] for key in ("rtl_mismatches", "luts", "ffs")] == [None] * 3


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        (None, ("--rtl", "--interval", 7), "interval must be at most the number of edges and is 7"),
        (None, ("--rtl", "--interval", 0), "interval must be"),
        (None, ("--rtl", "--clusters", 0), "clusters must be at least 1"),
        ("fixed-2s-smallest", ("--rtl", "--interval", 2), "unless the weights are the trigger's"),
        ("gnn", ("--rtl", "--interval", 2), "give the trigger's weights in whole numbers"),
    ],
)
def test_what_cannot_be_is_said_before_an_event_is_simulated(
    export, tmp_path, monkeypatch, name, flags, words
):
    monkeypatch.setattr("tracking.bench.events.simulated", lambda *_: pytest.fail("simulates events"))
    code, out, err = export(*flags, name=name)
    assert (code, out) == (1, "")
    assert words in err
    assert not (tmp_path / "out").exists()

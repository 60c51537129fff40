"""The Verilog, simulated with its clock, gives what the reference gives; sizes and speed come from the tools
or not at all.
"""

import json
import shutil
import sys

import numpy as np
import pytest

from smartpix.chip.fixed_point import evaluate
from smartpix.export import rtl, synthesis
from smartpix.export.rtl import RtlOptions, simulate, write_rtl
from smartpix.schema import InputError
from tests.left_out import needs
from tests.smartpix.chip.fixed_networks import random_codes, random_network

pytest.importorskip("da4ml")

SHAPE = (2, 5, 8)
NETWORK = random_network("conv", shape=SHAPE, filters=1, mixed=1, hidden=(2, 2), weight_bits=(2, 3))
CODES = random_codes(300, SHAPE, share=0.4)
WRITE_ONLY = RtlOptions(simulate=False, fpga=False, cells=False)


@pytest.mark.parametrize("n_outputs", [3, 29])
def test_bench_holds_all_outputs(tmp_path, n_outputs):
    network = random_network("mlp", shape=SHAPE, hidden=(2, 2), n_outputs=n_outputs)
    write_rtl(network, tmp_path / "rtl", CODES, WRITE_ONLY)
    assert np.array_equal(numbers(tmp_path / "rtl" / "expected.hex", 16, n_outputs), evaluate(network, CODES))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rtl") / "conv"
    return folder, write_rtl(NETWORK, folder, CODES, RtlOptions(clock_ns=6.0, adders_per_stage=4))


def numbers(path, bits, n):
    rows = [int(line, 16) for line in path.read_text().split()]
    values = np.array([[(row >> (bits * k)) & ((1 << bits) - 1) for k in range(n)] for row in rows])
    return values - (values >> (bits - 1) << bits)


def test_bench_holds_codes_and_reference(written):
    folder, _ = written
    assert np.array_equal(numbers(folder / "codes.hex", 5, 80), CODES.reshape(len(CODES), -1))
    assert np.array_equal(numbers(folder / "expected.hex", 16, 14), evaluate(NETWORK, CODES))


def test_report(written):
    folder, facts = written
    assert json.loads((folder / "report.json").read_text()) == facts
    assert facts["n_clusters"] == len(CODES)
    assert facts["da4ml_luts"] > 100
    assert (facts["ii_cycles"], facts["clock_ns"]) == (1, 6.0)
    assert facts["latency_ns"] == 6.0 * facts["latency_cycles"]
    # One file per stage.
    assert facts["latency_cycles"] == len(list(folder.glob("network_stage*.v"))) > 3


@needs("verilator", "g++")
def test_simulated(written):
    assert written[1]["rtl_mismatches"] == 0


@needs("yosys")
def test_sizes(written):
    _, facts = written
    # The two counts are of the same order, and every bit of a register is a flip-flop, unless it is constant.
    assert 0.3 < facts["luts"] / facts["da4ml_luts"] < 3
    assert 0.7 * facts["register_bits"] < facts["ffs"] <= facts["register_bits"]
    assert facts["carry"] > 0


@needs("yosys")
def test_narrow_functions_have_no_multiplexers_behind_tables(tmp_path):
    # Of 32 bits one by its number: 8 + 2 tables of four bits each, and one of two, are enough.
    mux = "module smartpix(input [31:0] a, input [4:0] s, output y); assign y = a[s]; endmodule\n"
    (tmp_path / "smartpix.v").write_text(mux)
    found = {}
    for narrow in (False, True):
        counts = synthesis.fpga(tmp_path, "xcup", narrow)
        found[narrow] = counts["luts"], "MUXF7" in (tmp_path / "yosys_fpga.json").read_text()
    assert found[True] == (11, False)
    assert found[False][1]
    assert "no multiplexers" in synthesis.fpga_assumption("xcup", True)
    assert "no multiplexers" not in synthesis.fpga_assumption("xcup")


@needs("yosys", "opensta", "qflow-tech-osu018")
def test_cells(written):
    folder, facts = written
    assert facts["cell_ffs"] == pytest.approx(facts["ffs"], rel=0.1)
    # 24 um2 for a NAND, 96 um2 for a flip-flop.
    gates = facts["cells"] - facts["cell_ffs"]
    assert (
        96 * facts["cell_ffs"] + 16 * gates
        < facts["cell_area_mm2"] * 1e6
        < 96 * facts["cell_ffs"] + 60 * gates
    )
    assert facts["cell_area_mm2_28nm"] == pytest.approx(facts["cell_area_mm2"] * 0.0242, rel=1e-2)
    assert facts["longest_path_ns"] == pytest.approx(6.0 - facts["slack_ns"])
    assert facts["meets_clock"] == (facts["slack_ns"] >= 0)
    assert 1 < facts["longest_path_ns"] < 20
    assert "Error" not in (folder / "sta.log").read_text()
    assert not facts["missing"]
    assert len(facts["assumptions"]) == 4


@needs("verilator", "g++")
def test_flipped_verilog_is_found(written, tmp_path):
    folder = tmp_path / "flipped"
    shutil.copytree(written[0], folder)
    stage = folder / "network_stage0.v"
    # An addition in the first stage becomes a subtraction or the other way round.
    head, found, tail = stage.read_text().partition(") op_")
    stage.write_text(f"{head[:-1]}{1 - int(head[-1])}{found}{tail}")
    assert 0 < simulate(folder) <= len(CODES)


@needs("verilator", "g++")
def test_a_flipped_bit_is_found(tmp_path):
    network = random_network("columns", "relu", shape=SHAPE, filters=2, hidden=(3, 2), density=0.6)
    # Outputs of zeros, of a constant and with zeros at the end have other widths in the packed result.
    network.weights["dense3"][:3] = 0
    network.biases["dense3"][:3] = (
        0,
        -(1 << network.sum_fraction("dense3")),
        1 << network.sum_fraction("dense3"),
    )
    folder = tmp_path / "rtl"
    facts = write_rtl(
        network, folder, CODES, RtlOptions(clock_ns=25.0, simulate=False, fpga=False, cells=False)
    )
    assert facts["latency_cycles"] <= 3
    lines = (folder / "expected.hex").read_text().splitlines()
    lines[7] = lines[7][:-1] + f"{int(lines[7][-1], 16) ^ 1:x}"
    (folder / "expected.hex").write_text("\n".join(lines) + "\n")
    # The one, and no other: another kind of network, with another activation and another depth, is right.
    assert simulate(folder) == 1


def test_missing_tools_leave_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = write_rtl(NETWORK, tmp_path / "rtl", CODES, RtlOptions(liberty=str(tmp_path / "none.lib")))
    # All at once, so that one call of apt brings them.
    packages = {"verilator": "verilator", "yosys": "yosys", "sta": "opensta", "liberty": "qflow-tech-osu018"}
    assert {name: fix.rpartition("apt install ")[2] for name, fix in facts["missing"].items()} == packages
    for name in (
        "rtl_mismatches",
        "luts",
        "ffs",
        "carry",
        "cells",
        "cell_area_mm2",
        "cell_area_mm2_28nm",
        "longest_path_ns",
    ):
        assert facts[name] is None
    assert facts["da4ml_luts"] > 100
    assert facts["assumptions"] == []


@needs("yosys")
def test_missing_liberty(tmp_path):
    options = RtlOptions(simulate=False, fpga=False, liberty=str(tmp_path / "none.lib"))
    facts = write_rtl(NETWORK, tmp_path / "rtl", CODES, options)
    assert "qflow-tech-osu018" in facts["missing"]["liberty"]
    assert facts["cells"] is None


def test_mismatch_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(rtl, "simulate", lambda _: 3)
    monkeypatch.setattr(synthesis, "missing", lambda *_: {})
    monkeypatch.setattr(synthesis, "tool_version", lambda _: "")
    with pytest.raises(InputError, match="3 of 300 clusters"):
        write_rtl(NETWORK, tmp_path / "rtl", CODES, RtlOptions(fpga=False, cells=False))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_tool_is_quoted(tmp_path):
    with pytest.raises(InputError, match=r"failed with code 3(.|\n)*why"):
        synthesis.run(
            [sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"], tmp_path, "log"
        )


def test_bad_codes(tmp_path):
    with pytest.raises(InputError, match=r"needs codes .* \(2, 5, 8\)"):
        write_rtl(NETWORK, tmp_path / "rtl", CODES[:, :, :4], WRITE_ONLY)
    with pytest.raises(InputError, match="edges give -4 to 11"):
        write_rtl(NETWORK, tmp_path / "rtl", CODES + 12, WRITE_ONLY)


def test_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        write_rtl(NETWORK, tmp_path, CODES, WRITE_ONLY)
    write_rtl(NETWORK, tmp_path / "rtl", CODES, WRITE_ONLY)
    # One of ours is replaced.
    assert write_rtl(NETWORK, tmp_path / "rtl", CODES[:9], WRITE_ONLY)["n_clusters"] == 9


def test_bad_options():
    with pytest.raises(InputError, match="clock_ns must be positive"):
        RtlOptions(clock_ns=0.0)

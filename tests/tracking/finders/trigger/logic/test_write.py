"""The Verilog with edges' indices at run time, simulated with its clock, gives the logits of whole numbers.

With an interval and counted by yosys: ``test_export.py``.
"""

import json

import numpy as np
import pytest

from smartpix.export import synthesis
from smartpix.export.verilog import simulate
from smartpix.schema import InputError
from tests.left_out import needs
from tests.tracking.finders.trigger.graphs import hostile, random_graphs, random_model
from tracking.finders.trigger.logic import LogicOptions, blocks, write_logic
from tracking.finders.trigger.logic import write as logic_write
from tracking.finders.trigger.shape import InteractionBits, InteractionShape
from tracking.finders.trigger.whole import evaluate, to_whole, whole_data

pytest.importorskip("da4ml")

SHAPE = InteractionShape(2, 2, 3)
NETWORK = to_whole(random_model(SHAPE, InteractionBits(4, (5,), (5,)), seed=28))
WRITE_ONLY = {"simulate": False, "fpga": False}


def sectors(n, n_nodes, n_edges, seed=1):
    """Random ones, empty and full ones, extreme features; the indices of padding may be anything."""
    graphs = random_graphs(SHAPE, n, n_nodes, n_edges, seed)
    return hostile((*whole_data(NETWORK, *graphs[:2]), *graphs[2:]), NETWORK)


@needs("verilator", "g++")
def test_simulated(tmp_path, monkeypatch):
    # Multiplexers of few ways, so that five nodes need two of them one after the other.
    monkeypatch.setattr(blocks, "WAYS", 4)
    graphs = sectors(100, 5, 3)
    options = LogicOptions(5, 3, adders_per_stage=2, fpga=False)
    # Weights that make something of what comes in.
    assert len(np.unique(evaluate(NETWORK, *graphs)[graphs[4]])) > 6
    found = []

    def simulate_all_but_one(folder, **how):
        # All sectors agree but the one in whose expected logits a bit is wrong. One simulation proves both.
        expected = folder / "expected.hex"
        lines = expected.read_text().splitlines()
        lines[60] = lines[60][:-1] + f"{int(lines[60][-1], 16) ^ 1:x}"
        expected.write_text("\n".join(lines) + "\n")
        found.append(simulate(folder, **how))
        return found[0] - 1

    monkeypatch.setattr(logic_write, "simulate", simulate_all_but_one)
    facts = write_logic(NETWORK, tmp_path / "rtl", graphs, options)
    assert found == [1]
    assert (facts["rtl_mismatches"], facts["n_sectors"]) == (0, 100)
    assert json.loads((tmp_path / "rtl" / "report.json").read_text()) == facts


def test_many_copies_are_simulated_in_blocks(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(logic_write, "simulate", lambda _, blocks: asked.append(blocks) or 0)
    monkeypatch.setattr(synthesis, "missing", lambda *_: {})
    monkeypatch.setattr(synthesis, "tool_version", lambda _: "")
    for interval in (1, 2):
        options = LogicOptions(3, 10, interval, fpga=False)
        write_logic(NETWORK, tmp_path / "rtl", sectors(9, 3, 10), options)
    assert asked == [True, False]
    blocks = {p.stem for p in (tmp_path / "rtl").glob("*.v") if "hier_block" in p.read_text()}
    assert blocks == {"r1", "o", "r2", "gather_nodes", "gather_effects", "decode", "node_sum"}


def test_latency_is_that_of_its_parts(tmp_path):
    facts = {
        interval: write_logic(
            NETWORK, tmp_path / f"rtl{interval}", sectors(3, 5, 6), LogicOptions(5, 6, interval, **WRITE_ONLY)
        )
        for interval in (1, 2)
    }
    stages = [len(list((tmp_path / "rtl1").glob(f"{mlp}_logic_stage*.v"))) for mlp in ("r1", "o", "r2")]
    # Two multiplexers, three adders, and the perceptrons with a register behind the last stage of each; the edge
    # that takes a sector in counts as none.
    assert facts[1]["latency_cycles"] == 2 + 3 + sum(stages) + 3
    # The last lot is waited for before O and behind it, and its logits; a register before O; a level of adders less.
    assert facts[2]["latency_cycles"] == facts[1]["latency_cycles"] + 2 + 2 + 1 + 1 - 1
    assert facts[2]["latency_ns"] == 5.0 * facts[2]["latency_cycles"]


def test_missing_tools(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = write_logic(NETWORK, tmp_path / "rtl", sectors(3, 4, 5), LogicOptions(4, 5))
    assert set(facts["missing"]) == {"verilator", "yosys"}
    assert facts["rtl_mismatches"] is None
    assert facts["luts"] is None


def test_mismatches_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(logic_write, "simulate", lambda *_, **__: 2)
    monkeypatch.setattr(synthesis, "missing", lambda *_: {})
    monkeypatch.setattr(synthesis, "tool_version", lambda _: "")
    with pytest.raises(InputError, match="2 of 3 sectors"):
        write_logic(NETWORK, tmp_path / "rtl", sectors(3, 4, 5), LogicOptions(4, 5, fpga=False))
    assert list(tmp_path.iterdir()) == []


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="needs sectors of 4 nodes and 6 edges, these are 4 and 5"):
        write_logic(NETWORK, tmp_path / "rtl", sectors(3, 4, 5), LogicOptions(4, 6))
    with pytest.raises(InputError, match="interval"):
        LogicOptions(4, 5, 6)
    weights = {name: 0 * weight for name, weight in NETWORK.weights.items()}
    dead = type(NETWORK)(**{**vars(NETWORK), "weights": weights})
    with pytest.raises(InputError, match="perceptron 'r1' gives depends"):
        write_logic(dead, tmp_path / "rtl", sectors(3, 4, 5), LogicOptions(4, 5))

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smartpix.schema import InputError
from tests.tracking.finders.gnn.test_network import random_graph
from tracking.cli.main import main
from tracking.finders.gnn.export import export_network
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.gnn.network import load_network, score


@pytest.fixture(params=[(40, 120), (7, 1), (300, 5000)], ids=str)
def graph(request):
    made = random_graph(*request.param)
    # A graph with edges on both sides of the screen.
    network = load_network("gnn")
    made.x = made.x * network.node_std + network.node_mean
    made.edge_attr = made.edge_attr * network.edge_std + network.edge_mean
    return made


def test_torchscript_gives_the_same_scores(graph, tmp_path):
    told = export_network("gnn", tmp_path / "gnn.pt")
    assert told["features"] == {"x": list(NODE_FEATURES), "edge_attr": list(EDGE_FEATURES)}
    with pytest.warns(DeprecationWarning, match="torch.export"):
        loaded = torch.jit.load(tmp_path / "gnn.pt")
    expected = score(load_network("gnn"), graph)
    np.testing.assert_allclose(
        loaded(graph.x, graph.edge_index, graph.edge_attr).detach().numpy(), expected, atol=1e-5
    )


def test_onnx_gives_the_same_scores(graph, tmp_path, capsys):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    assert main(["export", "gnn", "-o", str(tmp_path / "gnn.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {"scores": ["edges"]}
    session = runtime.InferenceSession(tmp_path / "gnn.onnx", providers=["CPUExecutionProvider"])
    inputs = {
        "x": graph.x.numpy(),
        "edge_index": graph.edge_index.numpy(),
        "edge_attr": graph.edge_attr.numpy(),
    }
    expected = score(load_network("gnn"), graph)
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=1e-5)
    assert (expected == 0).any() or len(expected) < 100


@pytest.mark.parametrize("name", ["gnn.pt", "gnn.onnx"])
def test_an_export_is_written_whole_or_not_at_all(tmp_path, monkeypatch, name):
    """Also where it is interrupted half-way: what was there stays, nothing else is left."""
    if name.endswith(".onnx"):
        pytest.importorskip("onnx")
    export_network("gnn", tmp_path / name)
    before = (tmp_path / name).read_bytes()
    written = []

    def half(*arguments, **more):
        place = next(a for a in arguments if isinstance(a, (str, Path)) and str(a).endswith(name))
        Path(place).write_text("half of it", encoding="utf-8")
        written.append(Path(place))
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "torch.onnx.export" if name.endswith(".onnx") else "tracking.finders.gnn.export.Path.write_bytes",
        half,
    )
    with pytest.raises(KeyboardInterrupt):
        export_network("gnn", tmp_path / name)
    assert written != [tmp_path / name]
    assert (tmp_path / name).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_other_endings_and_other_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.pt or \.onnx"):
        export_network("gnn", tmp_path / "gnn.pth")
    with pytest.raises(InputError, match="interaction-network"):
        export_network("mdn-barrel", tmp_path / "w.pt")
    assert list(tmp_path.iterdir()) == []

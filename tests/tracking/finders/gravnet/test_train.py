"""Training on toys, the pieces of a graph, and the finder behind the door."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.tracking.finders.gnn.test_fused import features_of
from tests.tracking.finders.gravnet.test_network import graph_of, network_of
from tracking import finder_table
from tracking.chain import Chain, gravnet_finder
from tracking.finders.finder import FinderInput, training_seeds
from tracking.finders.gnn.graph import make_graph
from tracking.finders.gnn.options import DegradeOptions
from tracking.finders.gravnet.network import load_gravnet, score_graph
from tracking.finders.gravnet.options import GravNetOptions, TrainGravnetOptions
from tracking.finders.gravnet.train import pieces, train_gravnet
from tracking.options import RunOptions

OPTIONS = TrainGravnetOptions(
    network=GravNetOptions(blocks=1, features=8, passed=4, hidden=8),
    epochs=3, pieces=2, validation_share=0.25, degrade=DegradeOptions(0.0, 0.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    path, lines = tmp_path_factory.mktemp("trained") / "w.safetensors", []
    return path, train_gravnet([files["toy"]], path, OPTIONS, lines.append), lines


def test_training_lowers_the_loss_and_reports_it(files, trained, tmp_path):
    path, result, lines = trained
    assert [line.split("  ")[0] for line in lines[-3:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert described["metrics"] == result
    assert described["options"]["network"]["features"] == 8
    assert result["parameters"] == sum(p.numel() for p in load_gravnet(str(path)).parameters())
    assert not path.with_suffix(".checkpoint").exists()
    longer = dataclasses.replace(OPTIONS, epochs=40, learning_rate=1e-2)
    better = train_gravnet([files["toy"]], tmp_path / "w.safetensors", longer, lines.append)
    assert better["loss"] < 0.9 * result["loss"]
    assert better["auc"] > 0.8
    assert (result["n_train"], result["n_test"]) == (better["n_train"], better["n_test"])


def test_an_interrupted_training_goes_on(files, trained, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(line):
        if line.startswith("epoch 2"):
            raise StoppedError

    path = tmp_path / "w.safetensors"
    with pytest.raises(StoppedError):
        train_gravnet([files["toy"]], path, OPTIONS, stop)
    lines = []
    assert train_gravnet([files["toy"]], path, OPTIONS, lines.append) == trained[1]
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == ["epoch 3/3"]


def test_hits_learn_to_gather(files, tmp_path):
    network = dataclasses.replace(OPTIONS.network, output="condensation", coordinates=2)
    options = dataclasses.replace(OPTIONS, network=network, epochs=1)
    path = tmp_path / "w.safetensors"
    first = train_gravnet([files["toy"]], path, options, [].append)
    better = train_gravnet(
        [files["toy"]], path, dataclasses.replace(options, epochs=25, learning_rate=1e-2), [].append
    )
    assert better["loss"] < 0.8 * first["loss"]
    assert better["loss"] == pytest.approx(
        sum(better[f"loss_{name}"] for name in ("potential", "missing", "noise"))
    )
    assert better["rand_index"] > 0.9
    loaded = load_gravnet(str(path))
    assert loaded.condenses
    assert loaded.condensation == options.condensation


def test_too_few_events_are_refused(files, tmp_path):
    with pytest.raises(InputError, match="too few events"):
        train_gravnet([files["single"]], tmp_path / "w.safetensors", OPTIONS)
    with pytest.raises(InputError, match="validation_share"):
        TrainGravnetOptions(validation_share=1.0)
    with pytest.raises(InputError, match="neighbours"):
        GravNetOptions(neighbours="all")


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 60), st.integers(1, 80), st.integers(1, 9), st.integers(0, 10**6))
def test_pieces_are_whole_components(n, e, n_pieces, seed):
    graph = make_graph(features_of(graph_of(n, e, seed)))
    graph.y, graph.particle = torch.arange(e, dtype=torch.float32), torch.arange(len(graph.x))
    parts = pieces(graph, n_pieces)
    assert 1 <= len(parts) <= n_pieces
    assert torch.equal(torch.cat([part.y for part in parts]), graph.y)
    assert torch.equal(torch.cat([part.particle for part in parts]), graph.particle)
    network = network_of()
    whole = score_graph(network, graph)
    np.testing.assert_allclose(np.concatenate([score_graph(network, p) for p in parts]), whole, atol=1e-6)


def test_the_finder_is_the_chain_with_another_network(files, trained, monkeypatch):
    path, _, _ = trained
    opened, records = next(iter(iterate(files["toy"], step=1)))
    header, clusters = opened.header, records[0]["clusters"]
    result = Chain.for_header(header, RunOptions()).event(0, clusters)
    event = FinderInput(clusters, result.hits, header.detector, header.field)
    finder = gravnet_finder(header, str(path))
    graph_finder = getattr(finder, "finder", finder)
    tracks = graph_finder(event)
    scores = graph_finder.scores(result.hits, result.edges, result.seeds)
    features = graph_finder.search.features(result.hits, result.edges, result.seeds)
    expected = score_graph(load_gravnet(str(path)), make_graph(features))
    np.testing.assert_array_equal(scores[features.rows], expected)
    assert np.all(scores[np.setdiff1d(np.arange(len(result.edges)), features.rows)] == 0)
    assert set(tracks.ms) == {"cone", "seed", "graph", "build"}
    made = dict(header.made_by)
    assert training_seeds(finder) == ({made["seed"]} if "seed" in made else set())
    monkeypatch.setattr("tracking.chain.gravnet_finder", lambda header: finder)
    assert finder_table.make_finder("gravnet", header) is finder

"""Training of the trigger's network on the embedded sample, in floating point and in whole numbers; what it wrote,
as a finder.
"""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from smartpix.io.events import open_events
from smartpix.networks.weights import save_description
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench.events import load_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.cli.main import main
from tracking.finders.trigger import whole
from tracking.finders.trigger.dataset import as_tensors, labelled_events, labelled_sectors
from tracking.finders.trigger.finder import TriggerFinder
from tracking.finders.trigger.options import (
    SectorOptions,
    TrainTriggerOptions,
    TriggerGraphOptions,
    TriggerOptions,
)
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.train import auc_of, train_trigger

SAMPLE = data_path("sample.root")
SECTORS = SectorOptions(n_phi=24, n_eta=8, margin_phi=0.02, margin_eta=0.05)
OPTIONS = TrainTriggerOptions(epochs=25, batch_size=64, learning_rate=0.01, sectors=SECTORS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trigger") / "w.safetensors"
    return path, train_trigger(SAMPLE, path, OPTIONS, lambda line: None)


@pytest.fixture(scope="module")
def quantised(trained):
    path = trained[0].with_name("q.safetensors")
    options = TrainTriggerOptions(
        epochs=4, batch_size=64, learning_rate=2e-3, sectors=SECTORS, bits=10, start=str(trained[0])
    )
    return path, train_trigger(SAMPLE, path, options, lambda line: None), options


@pytest.fixture(scope="module")
def events():
    return labelled_events(SAMPLE, OPTIONS.graph)


def test_training_writes_weights_that_score_sectors(trained, events):
    path, metrics = trained
    found = load_trained(str(path))
    assert (found.graph, found.sectors, found.seeds) == (OPTIONS.graph, SECTORS, {2026})
    assert metrics["parameters"] == 568
    assert metrics["n_train"] > metrics["n_test"] > 50
    sectors, batch, label = labelled_sectors(events[-1], SECTORS)
    scores = found.scores(batch)
    valid = sectors.valid
    assert roc_auc_score(label[valid], scores[valid]) > 0.8
    assert scores[valid].mean() == pytest.approx(label[valid].mean(), abs=0.1)
    assert not path.with_suffix(".checkpoint").exists()
    # The last two of ten events are held out.
    held = as_tensors(events[-2:], SECTORS)
    assert len(held) == metrics["n_test"]
    assert auc_of(found.network, held) == metrics["auc"]


def test_whole_numbers_are_within_of_floating_point_and_load(trained, quantised, events):
    (_, plain), (path, metrics, _) = trained, quantised
    found = load_trained(str(path))
    assert isinstance(found.network, whole.FixedInteraction)
    assert found.network.parameters == metrics["parameters"] == 568
    assert metrics["auc"] > plain["auc"] - 0.05
    held = as_tensors(events[-2:], SECTORS)
    codes = whole.whole_data(found.network, held.node.numpy(), held.edge.numpy())
    logits = whole.evaluate(
        found.network, *codes, held.sender.numpy(), held.receiver.numpy(), held.valid.numpy()
    )
    there = held.valid.numpy()
    assert roc_auc_score(held.label.numpy()[there], logits[there]) == pytest.approx(metrics["auc"], abs=1e-9)


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    few = TrainTriggerOptions(epochs=3, batch_size=64, sectors=SECTORS, graph=OPTIONS.graph)
    whole_run, lines = tmp_path / "a.safetensors", []
    train_trigger(SAMPLE, whole_run, few, lines.append)

    class StopError(Exception):
        pass

    def stop(line):
        if line.startswith("epoch 2"):
            raise StopError

    again = tmp_path / "b.safetensors"
    with pytest.raises(StopError):
        train_trigger(SAMPLE, again, few, stop)
    rest = []
    train_trigger(SAMPLE, again, few, rest.append)
    assert [line[:9] for line in rest[1:]] == ["epoch 3/3"]
    assert again.read_bytes() == whole_run.read_bytes()


def test_weights_to_start_from_must_be_of_the_same_graph(trained, tmp_path):
    for more, name in (
        ({"hidden": 9}, "hidden"),
        ({"graph": TriggerGraphOptions(features="paper")}, "graph"),
    ):
        options = TrainTriggerOptions(epochs=1, sectors=SECTORS, start=str(trained[0]), **more)
        with pytest.raises(InputError, match=f"other options of '{name}'"):
            train_trigger(SAMPLE, tmp_path / "w.safetensors", options, lambda line: None)


def test_the_finder_scores_each_sector_alone(trained):
    sample = load_sample(SAMPLE, 3)
    header = sample.header
    finder = TriggerFinder.for_detector(
        header.detector, header.field, TriggerOptions(weights=str(trained[0]))
    )
    assert finder.training_seeds == {2026}
    event = sample.events[0]
    found = finder.score(event.hits)
    graph = labelled_events(SAMPLE, OPTIONS.graph)[0].graph
    best = np.zeros(len(found.edges), dtype=np.float32)
    network = finder.trained.network
    factor, shift = finder.trained.calibration
    for k in range(len(found.sectors)):
        own = found.sectors.edge[k][found.sectors.edge[k] >= 0]
        hits = sorted({h for e in own for h in (graph.graph.source[e], graph.graph.target[e])})
        place = {h: n for n, h in enumerate(hits)}
        node, edge = graph.node[hits].copy(), graph.edge[own].copy()
        away = (node[:, 1] - found.sectors.phi[k] + np.pi) % (2 * np.pi) - np.pi
        node[:, 1], edge[:, 1] = away * 24 / np.pi, edge[:, 1] * 24 / np.pi
        ends = [
            torch.tensor([[place[h] for h in of[own]]]) for of in (graph.graph.source, graph.graph.target)
        ]
        with torch.no_grad():
            logits = network(
                torch.from_numpy(node)[None].clamp(-8, 8), torch.from_numpy(edge)[None].clamp(-8, 8), *ends,
                torch.ones(1, len(own), dtype=torch.bool),
            )[0].numpy()  # fmt: skip
        rows = graph.rows[own]
        best[rows] = np.maximum(best[rows], 1 / (1 + np.exp(-(factor * logits + shift))))
    assert found.score == pytest.approx(best, abs=1e-5)
    run = run_finder("trigger", finder, sample)
    assert list(run.ms) == ["hits", "cone", "sector", "score", "build", "fit"]
    assert rates(judge(sample.events, run.tracks))["efficiency"] > 0.8


def test_weights_of_geometric_edges_make_no_finder(trained, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(trained[0].read_bytes())
    description = json.loads(trained[0].with_suffix(".json").read_text())
    description["options"]["graph"]["graph"] = "geometric"
    save_description(path, description)
    header = open_events(SAMPLE).header
    with pytest.raises(InputError, match="trained on geometric edges"):
        TriggerFinder.for_detector(header.detector, header.field, TriggerOptions(weights=str(path)))
    description["options"]["sectors"]["width"] = 3
    save_description(path, description)
    with pytest.raises(InputError, match="options are of another version"):
        load_trained(str(path))


@pytest.mark.parametrize(("hidden", "parameters"), [(8, 528), (40, 6448)])
def test_the_command_trains_the_papers_networks(capsys, tmp_path, hidden, parameters):
    path = tmp_path / "w.safetensors"
    command = ["train", "gnn", str(SAMPLE), "--network", "interaction", "--features", "paper"]
    flags = ["--hidden", str(hidden), "--epochs", "1", "--set", "sectors.n_phi=16", "-o", str(path)]
    assert main([*command, *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == parameters
    options = json.loads(path.with_suffix(".json").read_text())["options"]
    assert (options["sectors"]["n_phi"], options["graph"]["features"]) == (16, "paper")


def test_options_of_the_other_network_are_refused(capsys, tmp_path):
    command = ["train", "gnn", str(SAMPLE), "--network", "interaction", "--passes", "2"]
    assert main([*command, "-o", str(tmp_path / "w.safetensors")]) == 1
    assert "passes" in capsys.readouterr().err


@pytest.mark.parametrize("bits", [1, 17, 57])
def test_bits_that_no_network_has_are_told_before_events_are_read(bits):
    with pytest.raises(InputError, match=f"train trigger: bits must be (0 or )?from . to 16 and is {bits}"):
        TrainTriggerOptions(bits=bits)
    assert TrainTriggerOptions(bits=2).bits == 2

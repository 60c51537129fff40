import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits
from torch_geometric.data import Data

from smartpix.io.events import iterate
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import InputError
from tracking import metrics
from tracking.finders.gnn.degrade import DegradeOptions
from tracking.finders.gnn.epochs import mean_loss
from tracking.finders.gnn.evaluate import calibrate
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.gnn.network import InteractionNetwork, load_network, score
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.gnn.train import train_gnn
from tracking.finders.gnn.training_graphs import Graphs, load_graphs

OPTIONS = TrainGnnOptions(
    epochs=3,
    screen_epochs=2,
    hidden=8,
    passes=1,
    screen=8,
    validation_share=0.25,
    degrade=DegradeOptions(0.0, 0.0),
)


@pytest.fixture(scope="module")
def graphs(files):
    loaded = load_graphs(files["toy"], OPTIONS)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (2, 1, 1)
    return loaded.train + loaded.validation + loaded.test


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    lines = []
    return folder, train_gnn([files["toy"]], folder / "w.safetensors", OPTIONS, lines.append), lines


def test_graphs_are_the_events_with_true_labels(files, graphs):
    assert len(graphs) == 4
    for graph, (opened, events) in zip(graphs, iterate(files["toy"], step=1), strict=True):
        clusters = events[0]["clusters"]
        layer = opened.header.detector.layer_index[clusters["module_index"].to_numpy()]
        truth = metrics.event_truth(clusters, events[0]["particles"], layer)
        true = {tuple(e) for e in truth.edges.tolist()}
        assert graph.x.shape == (len(graph.hits), len(NODE_FEATURES))
        assert 0 < len(graph.hits) <= len(clusters)
        assert graph.edge_attr.shape == (len(graph.y), len(EDGE_FEATURES))
        assert graph.y.tolist() == [tuple(e) in true for e in graph.hits[graph.edge_index].T.tolist()]
        assert 0 < graph.y.sum() < len(graph.y)


def test_events_without_edges_are_left_out(files):
    loaded = load_graphs(files["mixed"], OPTIONS)
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 1


def test_graphs_have_the_estimates_asked_for(files, graphs, tmp_path):
    arrays, description = load_weights("mdn-barrel", "mdn-columns")
    calibration = [
        [
            {**table, "log_scale": [v + 0.5 for v in table["log_scale"]]} if k == 0 else table
            for k, table in enumerate(tables)
        ]
        for tables in description["calibration"]
    ]
    wider = tmp_path / "wider.safetensors"
    save_weights(wider, arrays, {**description, "calibration": calibration})
    own = load_graphs(files["toy"], dataclasses.replace(OPTIONS, mdn_barrel=str(wider)))
    barrel = NODE_FEATURES.index("barrel")
    sigma = NODE_FEATURES.index("log10 sigma cot beta")
    # Wider cones have other edges, and these other hits.
    both = np.intersect1d(own.train[0].hits, graphs[0].hits, return_indices=True)[1:]
    of_own, of_first = (graph.x[rows] for graph, rows in zip((own.train[0], graphs[0]), both, strict=True))
    upright = of_first[:, barrel] > 0
    assert 0 < upright.sum() < len(upright)
    assert torch.all(of_own[upright, sigma] > of_first[upright, sigma])
    np.testing.assert_array_equal(of_own[~upright, sigma], of_first[~upright, sigma])
    with pytest.raises(InputError, match="nowhere"):
        load_graphs(
            files["toy"], dataclasses.replace(OPTIONS, mdn_endcap=str(tmp_path / "nowhere.safetensors"))
        )


def test_training_lowers_the_loss_and_reports_it(files, trained, graphs, tmp_path):
    folder, result, lines = trained
    assert result["n_train"] == sum(len(g.y) for g in graphs[:2])
    assert result["n_validation"] == len(graphs[2].y)
    assert result["n_test"] == len(graphs[3].y)
    assert lines[1].startswith("loss: binary cross-entropy")
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "screen 1/2",
        "screen 2/2",
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
    ]
    assert result["epochs"] == 3
    assert 0 < result["screen_kept"] <= 1
    longer = train_gnn(
        [files["toy"]],
        tmp_path / "w.safetensors",
        dataclasses.replace(OPTIONS, epochs=40, learning_rate=1e-2),
        lines.append,
    )
    assert longer["loss"] < 0.9 * result["loss"]
    assert longer["auc"] > 0.8
    network = load_network(str(folder / "w.safetensors"))
    assert sum(p.numel() for p in network.parameters()) == result["parameters"]


def test_saved_weights_are_those_evaluated(trained, graphs):
    folder, result, _ = trained
    p = score(load_network(str(folder / "w.safetensors")), graphs[3]).astype(np.float64)
    y = graphs[3].y.numpy()
    p = np.clip(p, 1e-6, 1 - 1e-6)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    assert result["loss"] == pytest.approx(loss, rel=1e-4)
    above = p[y == 1][:, None] - p[y == 0][None]
    assert result["auc"] == pytest.approx(np.mean((above > 0) + 0.5 * (above == 0)), abs=1e-4)
    described = json.loads((folder / "w.json").read_text())
    assert described["metrics"] == result
    assert described["options"]["hidden"] == 8
    assert not (folder / "w.checkpoint").exists()


def test_scores_are_probabilities_and_the_screen_keeps_its_share(files, trained, graphs, tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=40, learning_rate=1e-2, keep=0.98)
    result = train_gnn([files["toy"]], tmp_path / "w.safetensors", options, lambda line: None)
    assert result["calibration_error"] < 0.1
    network = load_network(str(tmp_path / "w.safetensors"))
    with torch.no_grad():
        kept = torch.cat(
            [(network.screen(g.x, g.edge_index, g.edge_attr) >= network.cut)[g.y > 0] for g in graphs[:2]]
        )
    assert float(kept.float().mean()) == pytest.approx(0.98, abs=1.5 / len(kept))


def test_training_stops_when_it_no_longer_helps(files, tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=400, learning_rate=0.3, patience=2)
    assert train_gnn([files["toy"]], tmp_path / "w.safetensors", options, lambda line: None)["epochs"] < 100


def test_degraded_events_keep_the_labels_of_the_hits_that_stay(files, graphs):
    worse = dataclasses.replace(OPTIONS, degrade=DegradeOptions(0.3, 0.3))
    loaded = load_graphs(files["toy"], worse)
    torch.testing.assert_close(loaded.validation[0].x, graphs[2].x)
    torch.testing.assert_close(loaded.test[0].x, graphs[3].x)
    # A hit is known by its place and its estimate, which a copy has in another place.
    place, both = [0, 1, 3, 4], []
    for poor, whole in zip(loaded.train, graphs[:2], strict=True):
        assert len(poor.x) != len(whole.x)
        known = {tuple(row): k for k, row in enumerate(whole.x[:, place].tolist())}
        was = [known.get(tuple(row), -1) for row in poor.x[:, place].tolist()]
        label = {tuple(e): y for e, y in zip(whole.edge_index.T.tolist(), whole.y.tolist(), strict=True)}
        for (a, b), y in zip(poor.edge_index.T.tolist(), poor.y.tolist(), strict=True):
            # Other hits continue other edges, so that a few are in one graph alone.
            if min(was[a], was[b]) < 0 or (was[a], was[b]) in label:
                assert y == (label[was[a], was[b]] if min(was[a], was[b]) >= 0 else 0)
                both.append(y)
        assert len(both) > 0.9 * len(poor.y)
    assert 0 < sum(both) < len(both)


def test_features_are_standardised_on_the_training_events_alone(trained, graphs):
    arrays = load_file(trained[0] / "w.safetensors")
    x = torch.cat([g.x for g in graphs[:2]]).double().numpy()
    np.testing.assert_allclose(arrays["node_mean"], x.mean(axis=0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        arrays["node_std"], np.maximum(x.std(axis=0, ddof=1), 1e-3), rtol=1e-3, atol=1e-4
    )


class InterruptionError(Exception):
    """Ctrl-C, as far as the test is concerned."""


@pytest.mark.parametrize(
    ("after", "left"),
    [("screen 1/", ["screen 2/2", "epoch 1/3", "epoch 2/3", "epoch 3/3"]), ("epoch 2/", ["epoch 3/3"])],
)
def test_an_interrupted_training_ends_with_the_same_weights(files, trained, tmp_path, after, left):
    def stop(line):
        if line.startswith(after):
            raise InterruptionError

    output = tmp_path / "w.safetensors"
    with pytest.raises(InterruptionError):
        train_gnn([files["toy"]], output, OPTIONS, stop)
    assert not output.exists()
    assert output.with_suffix(".checkpoint").exists()
    lines = []
    result = train_gnn([files["toy"]], output, OPTIONS, lines.append)
    assert [line.split("  ")[0] for line in lines if line.startswith(("screen", "epoch"))] == left
    expected, got = load_file(trained[0] / "w.safetensors"), load_file(output)
    assert expected.keys() == got.keys()
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name])
    assert result == trained[1]
    assert not output.with_suffix(".checkpoint").exists()


def test_another_seed_gives_other_weights(files, trained, tmp_path):
    train_gnn(
        [files["toy"]], tmp_path / "w.safetensors", dataclasses.replace(OPTIONS, seed=2), lambda line: None
    )
    name = "classify.0.weight"
    first, second = load_file(trained[0] / "w.safetensors")[name], load_file(tmp_path / "w.safetensors")[name]
    assert np.max(np.abs(first - second)) > 1e-2


def leave_a_checkpoint(files, output):
    def stop(line):
        if line.startswith("epoch 2/"):
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train_gnn([files["toy"]], output, OPTIONS, stop)


def test_a_checkpoint_of_other_options_is_refused(files, tmp_path):
    leave_a_checkpoint(files, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="other options"):
        train_gnn(
            [files["toy"]],
            tmp_path / "w.safetensors",
            dataclasses.replace(OPTIONS, seed=5),
            lambda line: None,
        )


def test_a_damaged_checkpoint_is_refused(files, tmp_path):
    leave_a_checkpoint(files, tmp_path / "w.safetensors")
    (tmp_path / "w.checkpoint").write_bytes(b"half a checkpoint")
    with pytest.raises(InputError, match=r"w\.checkpoint"):
        train_gnn([files["toy"]], tmp_path / "w.safetensors", OPTIONS, lambda line: None)


@pytest.mark.parametrize(
    ("name", "words"),
    [("bare", "no truth"), ("none", "too few"), ("mixed", "too few"), ("hollow", "too few")],
)
def test_files_that_cannot_train_are_refused(files, tmp_path, name, words):
    with pytest.raises(InputError, match=words):
        train_gnn([files[name]], tmp_path / "w.safetensors", OPTIONS, lambda line: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["train", "stop"])
@pytest.mark.parametrize("kind", [0.0, 1.0])
def test_edges_of_one_kind_are_refused_before_the_first_epoch(
    files, graphs, tmp_path, monkeypatch, part, kind
):
    def one_kind(*arguments):
        kept = [g.clone() for g in graphs]
        for g in kept[:2] if part == "train" else kept[2:3]:
            g.y[:] = kind
        return Graphs(kept[:2], kept[2:3], kept[3:])

    monkeypatch.setattr("tracking.finders.gnn.training_graphs.load_graphs", one_kind)
    n = sum(len(g.y) for g in (graphs[:2] if part == "train" else graphs[2:3]))
    lines = []
    with pytest.raises(
        InputError, match=rf"toy\.root: {int(kind * n)} of the {n} edges to {part} by are true, and edges"
    ):
        train_gnn([files["toy"]], tmp_path / "w.safetensors", OPTIONS, lines.append)
    assert not [line for line in lines if line.startswith(("loss", "screen", "epoch"))]
    assert list(tmp_path.iterdir()) == []


def test_held_out_loss_is_the_mean_of_both_kinds_means():
    """Few true edges weigh as much in all as the many false ones."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 40)
    y = np.arange(40) < 7
    graph = Data(
        x=None, edge_index=None, edge_attr=torch.from_numpy(logits), y=torch.from_numpy(y.astype(float))
    )
    found = mean_loss(InteractionNetwork(4, 1, 4), lambda x, edges, features: features, [graph])
    each = np.where(y, np.logaddexp(0, -logits), np.logaddexp(0, logits))
    assert found == pytest.approx(0.5 * each[y].mean() + 0.5 * each[~y].mean(), rel=1e-6)


def test_calibration_sees_one_thread_whatever_is_set(files, graphs, monkeypatch):
    """Torch's threads are told with the weights, those of scikit-learn's solver are not."""
    used, fit = [], LogisticRegression.fit

    def watched(self, x, y):
        used.append({pool["num_threads"] for pool in threadpool_info()})
        return fit(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", watched)
    torch.manual_seed(1)
    with threadpool_limits(limits=2):
        calibrate(InteractionNetwork(4, 1, 4), graphs[:2])
    assert used == [{1}]


def test_an_output_folder_that_is_missing_is_refused_before_the_training(files, tmp_path):
    lines = []
    with pytest.raises(InputError, match="does not exist"):
        train_gnn([files["toy"]], tmp_path / "missing" / "w.safetensors", OPTIONS, lines.append)
    assert not [line for line in lines if line.startswith("epoch")]


def test_output_that_would_be_renamed_is_refused_before_the_training(files, tmp_path):
    with pytest.raises(InputError, match=r"gnn-0\.5: the output must end in \.safetensors"):
        train_gnn([files["toy"]], tmp_path / "gnn-0.5", OPTIONS, lambda line: pytest.fail("trains"))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("hidden", 1000), ("screen", 1000), ("passes", 20), ("epochs", 10**6), ("screen_epochs", 10**6), ("patience", 10**6),
        ("seed", 2**32 - 1),
    ],
)  # fmt: skip
def test_sizes_that_no_memory_or_time_is_enough_for_are_refused(name, most):
    TrainGnnOptions(**{name: most})
    for value in (most + 1, 10**30, -1):
        with pytest.raises(InputError, match=f"train gnn: {name} must be .* at most {most} and is {value}$"):
            TrainGnnOptions(**{name: value})


def test_graphs_after_a_first_pass_lack_the_hits_of_its_tracks(files, trained, graphs):
    folder, *_ = trained
    options = dataclasses.replace(OPTIONS, after=str(folder / "w.safetensors"))
    loaded = load_graphs(files["toy"], options)
    left = loaded.train + loaded.validation + loaded.test
    # An event of which nothing is left has no graph.
    assert 0 < len(left) <= len(graphs)
    assert 0 < sum(g.x.shape[0] for g in left) < sum(g.x.shape[0] for g in graphs)
    # Labels stay those of the truth, and most true edges are gone with the tracks.
    assert sum(float(g.y.sum()) for g in left) < 0.5 * sum(float(g.y.sum()) for g in graphs)

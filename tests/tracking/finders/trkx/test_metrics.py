"""Accuracies against straight loops over toys."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tracking.finders.trkx.captions import CaptionNetwork, CovarianceNetwork
from tracking.finders.trkx.metrics import (
    ACCURACIES,
    COVERED,
    MULTIPLICITIES,
    by_multiplicity,
    chosen_hits,
    chosen_pixels,
    hit_loss,
    images_of,
    measured,
    there,
)
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.toys import make_toys


class Table(torch.nn.Module):
    """Logits that follow from an image alone, at random; with ``ahead`` none of the first plane."""

    def __init__(self, ahead=0):
        super().__init__()
        self.ahead = ahead

    def forward(self, images):
        flat = images.flatten(2)
        wild = torch.sin(1e3 * (flat.cumsum(dim=2) + 0.37 * torch.arange(flat.shape[2]) ** 1.5))
        return (3 * wild + flat)[:, self.ahead :]


class Oracle(torch.nn.Module):
    """Knows where the wanted track is."""

    def __init__(self, toy, seed):
        super().__init__()
        self.toy, self.seed, self.first = toy, seed, 0

    def forward(self, images):
        wanted = make_toys(self.toy, len(images), self.seed, self.first).wanted
        self.first += len(images)
        return torch.nn.functional.one_hot(torch.from_numpy(wanted), images.flatten(2).shape[2]).float() * 50


@pytest.mark.parametrize(
    ("kind", "ahead", "seed_planes"),
    [("2d-noise", 0, 5), ("3d", 0, 3), ("3d", 1, 3), ("2d-noise", 1, 5), ("3d", 1, 0), ("3d", 1, 1)],
)
def test_accuracies_and_loss_are_those_of_a_loop(kind, ahead, seed_planes):
    toy = dataclasses.replace(toy_options(kind), width=7, n_planes=8, noise=0.3, seed_planes=seed_planes)
    # More than one batch, and a last one that is not full.
    n = 261
    found = measured(Table(ahead), toy, n, seed=3)
    toys = make_toys(toy, n, 3)
    logits = Table(ahead)(images_of(toys)).double().numpy()
    loss, pixels, hits, unseeded = [], [], [], []
    for event in range(n):
        for plane in range(ahead, toy.n_planes):
            scores = logits[event, plane - ahead]
            wanted = toys.wanted[event, plane]
            loss.append(math.log(np.exp(scores).sum()) - scores[wanted])
            if plane >= toy.seed_planes:
                pixels.append(int(np.argmax(scores)) == wanted)
            on = np.flatnonzero(toys.images[event, plane].ravel())
            hits.append(max(on, key=lambda k: scores[k]) == wanted)
            if plane >= toy.seed_planes:
                unseeded.append(hits[-1])
    assert found["loss"] == pytest.approx(np.mean(loss), rel=1e-4)
    assert found["pixel_accuracy"] == pytest.approx(np.mean(pixels), abs=1e-12)
    assert found["hit_accuracy"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert found["hit_accuracy_unseeded"] == pytest.approx(np.mean(unseeded), abs=1e-12)
    assert len(unseeded) == n * (toy.n_planes - max(seed_planes, ahead))
    assert 0 < found["pixel_accuracy"] < found["hit_accuracy"] < 1


def test_an_oracle_is_always_right():
    toy = toy_options("3d")
    found = measured(Oracle(toy, 4), toy, 300, seed=4)
    assert [found[name] for name in ACCURACIES] == [1.0, 1.0, 1.0]
    assert found["loss"] < 1e-6


def test_hits_are_chosen_among_hits_and_pixels_among_all():
    logits = torch.tensor([[[3.0, -2.0, 1.0, -5.0]]])
    images = torch.tensor([[[0.0, 1.0, 0.0, 1.0]]])
    assert int(chosen_pixels(logits)) == 0
    assert int(chosen_hits(logits, images)) == 1


def test_the_loss_of_a_network_that_predicts_is_of_the_last_planes():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    wanted = torch.tensor([[9, 0, 1, 2], [9, 4, 3, 2]])
    parts = [-float(logits[n, p].log_softmax(dim=0)[wanted[n, p + 1]]) for n in range(2) for p in range(3)]
    assert float(hit_loss(logits, wanted)) == pytest.approx(np.mean(parts), rel=1e-5)


def test_each_multiplicity_has_so_many_background_tracks(monkeypatch):
    asked = []

    def kept(toy, n, seed, first=0):
        toys = make_toys(toy, n, seed, first)
        asked.append(set((toys.n_tracks - 1).tolist()))
        return toys

    monkeypatch.setattr("tracking.finders.trkx.metrics.make_toys", kept)
    found = by_multiplicity(Table(), toy_options("3d"), 20, seed=5)
    assert asked == [{k} for k in MULTIPLICITIES]
    assert list(found) == [str(k) for k in MULTIPLICITIES] == ["1", "2", "3", "5", "8", "12"]
    # Noise is the same, so that more tracks leave more hits to choose from.
    assert found["1"]["hit_accuracy"] > found["12"]["hit_accuracy"]


def test_rows_of_lines_that_are_there():
    toys = make_toys(toy_options("lines-poisson"), 200, seed=6)
    rows = there(toys).numpy()
    assert rows.sum(axis=1).tolist() == np.minimum(toys.n_tracks, 6).tolist()
    assert bool(np.all(toys.parameters[~rows] == -1))


def test_what_is_measured_of_captions_is_that_of_a_loop():
    torch.manual_seed(7)
    toy = dataclasses.replace(toy_options("lines-poisson"), width=12, n_planes=10)
    network = CovarianceNetwork(CaptionNetwork((10, 12), 6, 0.02)).eval()
    # Wide ellipses, so that some lines are inside.
    with torch.no_grad():
        network.head.behind.bias.copy_(torch.tensor([3.0, 3.5, 0.2]))
    found = measured(network, toy, 300, seed=8)
    toys = make_toys(toy, 300, 8)
    with torch.no_grad():
        told = network(images_of(toys)).double().numpy()
    error, square, pull, logs = [], [], [], []
    for event in range(300):
        for line in range(6):
            r = toys.parameters[event, line] - told[event, line, :2]
            error += list(r**2)
            if line < toys.n_tracks[event]:
                a, b, c = told[event, line, 2:]
                off = math.tanh(c) * math.exp((a + b) / 2)
                matrix = np.array([[math.exp(a), off], [off, math.exp(b)]])
                square.append(r @ np.linalg.solve(matrix, r))
                logs.append(math.log(np.linalg.det(matrix)))
                pull.append(r / np.sqrt(np.diag(matrix)))
    assert found["loss"] == pytest.approx(np.mean(error), rel=1e-5)
    # Of each image the mean over its six rows of two parameters.
    spread = np.reshape(error, (300, 12)).mean(axis=1).std(ddof=1)
    assert found["loss_error"] == pytest.approx(spread / math.sqrt(300), rel=1e-5)
    assert found["likelihood_loss"] == pytest.approx(np.mean(square) + np.mean(logs), rel=1e-4)
    assert found["distance"] == pytest.approx(np.mean(square), rel=1e-4)
    assert found["pull_means"] == pytest.approx(np.mean(pull, axis=0), rel=1e-4)
    assert found["pull_widths"] == pytest.approx(np.std(pull, axis=0, ddof=1), rel=1e-4)
    # Quantiles of chi square with two degrees of freedom, from tables.
    assert found["coverage_68"] == pytest.approx(np.mean(np.array(square) < 2.27887), abs=1e-9)
    assert found["coverage_95"] == pytest.approx(np.mean(np.array(square) < 5.99146), abs=1e-9)
    assert 0.05 < found["coverage_68"] < found["coverage_95"] < 1
    for name in COVERED:
        draws = np.random.default_rng(2).binomial(len(square), found[name], 100_000) / len(square)
        assert found[f"{name}_error"] == pytest.approx(draws.std(), rel=0.02)


def test_networks_without_covariance_have_none_measured():
    torch.manual_seed(9)
    toy = dataclasses.replace(toy_options("lines-1"), width=12, n_planes=10)
    assert set(measured(CaptionNetwork((10, 12), 1, 0.02), toy, 10, seed=1)) == {"loss", "loss_error"}


def test_what_no_line_tells_is_none():
    torch.manual_seed(10)
    toy = dataclasses.replace(toy_options("lines-1"), width=12, n_planes=10, background=0.0)
    network = CovarianceNetwork(CaptionNetwork((10, 12), 1, 0.02))
    found = measured(network, toy, 5, seed=1)
    assert math.isfinite(found.pop("loss"))
    assert math.isfinite(found.pop("loss_error"))
    names = {"likelihood_loss", "coverage_68", "coverage_95", "distance", "pull_means", "pull_widths"}
    names |= {"coverage_68_error", "coverage_95_error"}
    assert found == dict.fromkeys(names)
    one = measured(network, dataclasses.replace(toy, background=1.0), 1, seed=1)
    assert (one["pull_widths"], one["loss_error"]) == (None, None)
    assert np.isfinite([one["likelihood_loss"], one["distance"], *one["pull_means"]]).all()

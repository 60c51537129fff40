"""Captions on fresh toys: histograms and errors against what the definitions say, one line at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tracking.bench.tiny_trkx import tiny_network
from tracking.bench.trkx_captions import DISTANCE_EDGES, PULL_EDGES, caption_numbers
from tracking.bench.trkx_models import _absent, with_errors
from tracking.bench.trkx_plots import plot_trkx
from tracking.bench.trkx_table import trkx_table
from tracking.finders.trkx.metrics import measured, told_lines
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.toys import make_toys
from tracking.finders.trkx.trained import load_network

N, SEED = 60, 600_201


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("captions")


def test_histograms_of_covariances_hold_every_line_once(folder):
    tiny_network(folder / "c.safetensors", "caption-covariance", "lines-3")
    network, toy = load_network(folder / "c.safetensors")
    with torch.no_grad():
        # So that residuals of some ten pixels are a few standard deviations.
        network.head.behind.bias += torch.tensor([5.0, 5.0, 0.3])
    answers = told_lines(network, toy, N, SEED)
    found = caption_numbers(network, toy, answers, SEED)
    toys = make_toys(toy, N, SEED)
    with torch.no_grad():
        told = network(torch.from_numpy(toys.images).float()).double().numpy()
    pulls, distances = [], []
    for event, true in zip(told, toys.parameters, strict=True):
        for line, wanted in zip(event, true, strict=True):
            sigma, rho = np.exp(0.5 * line[2:4]), np.tanh(line[4])
            covariance = np.outer(sigma, sigma) * np.array([[1, rho], [rho, 1]])
            residual = wanted - line[:2]
            pulls.append(residual / sigma)
            distances.append(residual @ np.linalg.solve(covariance, residual))
    assert found["n_lines"] == 3 * N
    for name, column in zip(("intercept", "slope"), np.transpose(pulls), strict=True):
        own = found["pulls"][name]
        np.testing.assert_array_equal(own["counts"], np.histogram(column, PULL_EDGES)[0])
        assert (own["below"], own["above"]) == (np.sum(column < -5), np.sum(column > 5))
    own = found["distance"]
    np.testing.assert_array_equal(own["counts"], np.histogram(distances, DISTANCE_EDGES)[0])
    assert sum(own["counts"]) + own["above"] == 3 * N
    assert sum(own["counts"]) > 0
    assert "by_lines" not in found


def test_where_the_number_of_lines_varies_each_number_is_measured(folder):
    tiny_network(folder / "p.safetensors", "caption", "lines-poisson")
    network, toy = load_network(folder / "p.safetensors")
    found = caption_numbers(network, toy, told_lines(network, toy, N, SEED), SEED)
    assert list(found["by_lines"]) == ["1", "2", "3", "4", "5", "6"]
    four = replace(toy_options("lines-poisson"), background=4.0, background_exact=True)
    assert found["by_lines"]["4"] == measured(network, four, N // 4, SEED)
    assert "pulls" not in found


def test_images_without_a_line_give_a_table_without_numbers_and_no_figure(folder, tmp_path):
    tiny_network(folder / "none.safetensors", "caption-covariance", "lines-3")
    network, toy = load_network(folder / "none.safetensors")
    toy = replace(toy, background=0.0)
    found = caption_numbers(network, toy, told_lines(network, toy, 4, SEED), SEED)
    assert found["n_lines"] == 0
    numbers = with_errors(measured(network, toy, 4, SEED), 4)
    entry = _absent("caption-covariance") | numbers | {"lines": found, "n_events": 4}
    result = {"models": {"c": entry}, "references": {}, "ramp": None, "next_layer": None}
    assert "ellipses" not in trkx_table(result)
    plot_trkx(tmp_path, result, {})
    assert list(tmp_path.iterdir()) == []
    entry |= {"coverage_68": 1.0, "coverage_95": 1.0, "pull_widths": None}
    assert "pulls - and -" in trkx_table(result)

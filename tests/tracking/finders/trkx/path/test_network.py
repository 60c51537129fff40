"""The network: an untrained one gives the filter's cone; losses against SciPy; weights that are refused."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from tracking.finders.training import n_parameters
from tracking.finders.trkx.path.features import N_HIT, N_TARGET
from tracking.finders.trkx.path.network import (
    ARCHITECTURE,
    WIDEST_LOG,
    PathNetwork,
    crossing_losses,
    load_network,
    trained_with,
)
from tracking.finders.trkx.path.options import FilterOptions, TrainPathOptions

DESCRIPTION = {
    "architecture": ARCHITECTURE,
    "options": {
        "hidden": 6, "head": 5, "seed": 1,
        "filter": {
            "thickness": 0.02, "thickness_disk": 0.01, "curvature_pt": 0.3, "sigma_d0": 0.03, "softest": 0.15,
            "repeats": 2, "outlier": 50.0, "slope_scale": 1.5, "slope_outlier": 9.0,
        },
    },
    "data": [{"seed": 11}, {"command": "another"}],
}  # fmt: skip


@pytest.fixture
def network():
    torch.manual_seed(2)
    made = PathNetwork(6, 5)
    for values in made.parameters():
        torch.nn.init.normal_(values, std=0.5)
    return made.eval()


def saved(folder, network, **changed):
    path = folder / "w.safetensors"
    arrays = {k: v.numpy() for k, v in network.state_dict().items()}
    save_weights(path, arrays, {**DESCRIPTION, **changed})
    return path


def test_an_untrained_network_gives_the_filters_cone():
    made = PathNetwork()
    memory = made.remember(torch.randn(7, N_HIT), made.blank(7))
    assert (made(memory, torch.randn(7, N_TARGET)) == 0).all()
    assert n_parameters(made) == 12_965


def test_paths_of_a_batch_do_not_depend_on_one_another(network):
    hits, target = torch.randn(3, 9, N_HIT), torch.randn(9, N_TARGET)
    rows = torch.randperm(9)
    together, shuffled = network.blank(9), network.blank(9)
    for hit in hits:
        together, shuffled = network.remember(hit, together), network.remember(hit[rows], shuffled)
    torch.testing.assert_close(network(together, target)[rows], network(shuffled, target[rows]))
    alone = network.blank(1)
    for hit in hits:
        alone = network.remember(hit[4:5], alone)
    torch.testing.assert_close(network(alone, target[4:5])[0], network(together, target)[4])


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-2, 2), min_size=5, max_size=5),
    crossing=st.lists(st.floats(-5, 5), min_size=2, max_size=2),
)
def test_losses_are_those_of_a_gaussian(values, crossing):
    cone, point = torch.tensor([values], dtype=torch.float64), torch.tensor([crossing], dtype=torch.float64)
    a = np.array([[np.exp(values[2]), 0.0], [values[4], np.exp(values[3])]])
    law = multivariate_normal(np.array(values[:2]), a @ a.T)
    expected = -law.logpdf(np.array(crossing)) - np.log(2 * np.pi)
    np.testing.assert_allclose(float(crossing_losses(cone, point)), expected, rtol=1e-6, atol=1e-6)


def test_widths_are_bounded(network):
    cone = network(1e4 * torch.ones(2, 6), 1e4 * torch.ones(2, N_TARGET))
    assert (cone[:, 2:4].abs() <= WIDEST_LOG).all()


def test_weights_come_back(tmp_path, network):
    network.gates[0, 1, 2] = 3.0
    path = saved(tmp_path, network)
    found, filter = load_network(str(path))
    assert filter == FilterOptions(0.02, 0.01, 0.3, 0.03, 0.15, 2, 50.0, 1.5, 9.0)
    for name, values in network.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], values, rtol=0, atol=0)
    assert trained_with(str(path)) == {11}


def test_weights_of_something_else_are_refused(tmp_path, network):
    with pytest.raises(InputError, match=r"'deepcore-v1'.*smartpix train deepcore.*smartpix train path"):
        load_network(str(saved(tmp_path, network, architecture="deepcore-v1")))
    with pytest.raises(InputError, match=r"w\.json.*options"):
        load_network(str(saved(tmp_path, network, options={**DESCRIPTION["options"], "hidden": 0})))
    with pytest.raises(InputError, match=r"head\.0\.weight.*\(5, 21\)"):
        load_network(str(saved(tmp_path, network, options={**DESCRIPTION["options"], "hidden": 7})))
    path = saved(tmp_path, network)
    description = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**description, "data": []}))
    with pytest.raises(InputError, match="changed"):
        trained_with(str(path))


def test_nothing_as_large_as_a_description_says_is_made(tmp_path, network, monkeypatch):
    made = []

    def seen(*sizes):
        of_such_sizes = PathNetwork(*sizes)
        made.extend(values.device.type for values in of_such_sizes.state_dict().values())
        return of_such_sizes

    path = saved(tmp_path, network, options={**DESCRIPTION["options"], "head": 7})
    monkeypatch.setattr("tracking.finders.trkx.path.network.PathNetwork", seen)
    with pytest.raises(InputError, match=r"w\.safetensors.*expected"):
        load_network(str(path))
    assert set(made) == {"meta"}


def test_options_are_checked():
    with pytest.raises(InputError, match="train path: max_pt must be above min_pt"):
        TrainPathOptions(min_pt=3.0, max_pt=2.0)
    with pytest.raises(InputError, match="filter: repeats"):
        FilterOptions(repeats=0)

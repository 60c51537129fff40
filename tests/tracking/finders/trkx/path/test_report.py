"""Coverage and areas of cones whose covariance is known."""

import numpy as np
import torch

from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths
from tracking.finders.trkx.path.dataset import follow_truth
from tracking.finders.trkx.path.network import PathNetwork
from tracking.finders.trkx.path.report import cones_of, coverage_report
from tracking.finders.trkx.path.train import set_gates


def toys_of(seed, n=500):
    hits, paths = toy_paths(n, seed=seed)
    return follow_truth(paths, hits, filter_of())


def test_an_untrained_network_has_the_filters_areas():
    data = toys_of(2, 100)
    network = PathNetwork(4, 4)
    log_area, chi2 = cones_of(network, data)
    assert (log_area == 0).all()
    np.testing.assert_allclose(chi2, np.sum(data.crossing.astype(np.float64) ** 2, axis=2))
    result = coverage_report(network, data)
    for key in ("area_ratio68", "area_ratio95", "area_ratio997"):
        assert abs(result[key] - 1) < 1e-6
    assert result["coverage95"] == result["coverage95_kalman"]


def test_gates_bring_the_coverage_that_is_asked_for():
    """Of a network whose cones are too wide, on other toys than the gates were measured on."""
    network = PathNetwork(4, 4)
    with torch.no_grad():
        network.head[-1].bias[:] = torch.tensor([0.2, -0.1, 0.5, 0.3, 0.1])
    set_gates(network, toys_of(3))
    result = coverage_report(network, toys_of(4))
    for key, share in (("coverage68", 0.68), ("coverage95", 0.95), ("coverage997", 0.997)):
        for end in ("", "_kalman"):
            assert abs(result[key + end] - share) < 4 * np.sqrt(share * (1 - share) / result["n"]) + 0.01
    # Shifted off the crossings, cones of equal coverage are larger.
    assert result["area_ratio95"] > 1
    assert result["n"] == sum(row["n"] for row in result["by_layer"])
    assert [row["pt"] for row in result["by_pt"]] == [[0.3, 0.9], [0.9, 2.0], [2.0, 5.0], [5.0, 10.0]]


def test_areas_are_of_the_gates_too():
    network = PathNetwork(4, 4)
    network.gates[0], network.gates[1] = 4.0, 2.0
    result = coverage_report(network, toys_of(5, 60))
    for key in ("area_ratio68", "area_ratio95", "area_ratio997"):
        assert abs(result[key] - 2) < 1e-9
    assert abs(result["area"] / result["area_kalman"] - 2) < 1e-9
    assert result["coverage68"] > result["coverage68_kalman"]

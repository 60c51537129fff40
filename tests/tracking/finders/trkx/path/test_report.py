"""Coverage and areas of cones whose covariance is known."""

from dataclasses import replace

import numpy as np
import torch

from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths
from tracking.finders.trkx.path.dataset import follow_truth
from tracking.finders.trkx.path.network import PathNetwork
from tracking.finders.trkx.path.report import PT_BINS, RESAMPLES, cones_of, coverage_report, rows_of
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
    assert result["area_ratio95_geometric"] > 1
    assert result["n"] == sum(row["n"] for row in result["by_layer"])
    assert [row["pt"] for row in result["by_pt"]] == [[0.3, 0.9], [0.9, 2.0], [2.0, 5.0], [5.0, 10.0]]


def test_areas_are_of_the_gates_too():
    network = PathNetwork(4, 4)
    network.gates[0], network.gates[1] = 4.0, 2.0
    result = coverage_report(network, toys_of(5, 60))
    for key in ("area_ratio68", "area_ratio95_geometric", "area_ratio997_median"):
        assert abs(result[key] - 2) < 1e-9
        assert result[f"{key}_error"] < 1e-6
    assert abs(result["area"] / result["area_kalman"] - 2) < 1e-9
    assert result["coverage68"] > result["coverage68_kalman"]


def test_numbers_are_those_of_a_straight_loop():
    """Ratios of mean and of median areas, and the geometric mean, of next layers and of overlaps."""
    network, data = PathNetwork(4, 4), toys_of(6, 80)
    torch.manual_seed(1)
    torch.nn.init.normal_(network.head[-1].weight, std=0.2)
    network.gates.copy_(0.5 + torch.rand(network.gates.shape))
    result = coverage_report(network, data)
    log_area, chi2 = cones_of(network, data)
    for row, overlap in ((result, False), (result["overlaps"], True)):
        ours, theirs, inside, of = [], [], [], []
        for p, k in np.argwhere(data.known & (data.pt > PT_BINS[0])[:, None]):
            if k >= 1 and data.overlap[p, k] == overlap:
                cell = (
                    sum(k + 1 >= c for c in (2, 3, 4, 6)), sum(data.path_pt[p, k] >= e for e in (0.45, 0.9, 1.4, 2.0, 3.2, 5.0)),
                    int(data.upright[p, k]), int(overlap),
                )  # fmt: skip
                gates = network.gates[:, 1].numpy()[(slice(None), *cell)].astype(float) * -2 * np.log(0.05)
                ours.append(data.area[p, k] * np.exp(log_area[p, k]) * gates[0])
                theirs.append(data.area[p, k] * gates[1])
                inside.append(chi2[p, k] < gates[0])
                of.append(p)
        ours, theirs = np.array(ours), np.array(theirs)
        assert (row["n"], row["n_particles"]) == (len(of), len(set(of)))
        assert row["n"] > 50
        expected = {
            "coverage95": np.mean(inside), "area_ratio95": ours.sum() / theirs.sum(),
            "area_ratio95_median": np.median(ours) / np.median(theirs),
            "area_ratio95_geometric": np.exp(np.mean(np.log(ours / theirs))),
            "area": np.median(ours), "mean_area_kalman": np.mean(theirs),
        }  # fmt: skip
        for key, value in expected.items():
            np.testing.assert_allclose(row[key], value, rtol=1e-6)


def test_errors_are_of_particles_and_not_of_their_predictions():
    """All predictions of a particle are alike here, so that many of one say no more than one."""
    network, data = PathNetwork(4, 4), toys_of(7, 400)
    inside = np.random.default_rng(2).random(len(data)) < 0.7
    crossing = np.where(inside, 0.0, 9.0)[:, None, None] * np.ones_like(data.crossing)
    alike = replace(data, crossing=crossing.astype(np.float32), overlap=np.zeros_like(data.overlap))
    row = coverage_report(network, alike)
    counts = alike.known[:, 1:].sum(axis=1).astype(float)
    share = np.sum(counts * inside) / counts.sum()
    expected = np.sqrt(np.sum((counts * (inside - share)) ** 2)) / counts.sum()
    assert abs(row["coverage68_error"] / expected - 1) < 4 / np.sqrt(2 * RESAMPLES)
    assert row["n"] > 2 * row["n_particles"]


def test_events_of_collisions_alone_have_rows_of_their_own():
    data = toys_of(8, 100)
    mixed = replace(data, collisions=np.arange(len(data)) % 3 > 0)
    rows = rows_of(coverage_report(PathNetwork(4, 4), mixed))
    alone = rows_of(coverage_report(PathNetwork(4, 4), data.take(np.flatnonzero(mixed.collisions))))
    for name in ("all", "pT 0.9-2 GeV"):
        assert rows[f"collisions {name}"]["coverage95"] == alone[name]["coverage95"]
        assert rows[f"collisions {name}"]["n"] == alone[name]["n"] < rows[name]["n"]

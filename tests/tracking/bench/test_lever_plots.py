import csv

import numpy as np
import pytest

from smartpix.schema import TARGETS
from tracking.bench.lever_plots import plot_pulls


@pytest.mark.parametrize("pulls", [False, True])
def test_residuals_are_the_estimate_less_the_truth_as_in_a_run(pulls, tmp_path):
    """The study's arrays are truth less estimate."""
    rng = np.random.default_rng(1)
    values = {name: rng.normal(0.5, 1.0, (4000, 4)) for name in ("mdn", "shape")}
    arrays = {("barrel", name): (1e-3 * v, v) for name, v in values.items()}
    plot_pulls(tmp_path / "f.png", {"arrays": arrays}, pulls, "toy.root")
    lines = (tmp_path / "f-data.csv").read_text().splitlines()
    assert lines[0] == "# simulation: toy.root, 4,000 clusters of one particle"
    rows = list(csv.DictReader(line for line in lines if line[0] != "#"))
    for panel in range(1, len(TARGETS) + 1):
        bins = [r for r in rows if r["panel"] == str(panel) and r["series"].startswith("network")]
        x, y, low, high = (np.array([float(r[k]) for r in bins]) for k in ("x", "y", "x_low", "x_high"))
        scale = 1.0 if pulls else {1: 1.0, 2: 1.0}.get(panel, 1e-3)
        assert np.sum(x * y * (high - low)) == pytest.approx(-0.5 * scale, abs=0.15 * scale)
        assert 0.9 < np.sum(y * (high - low)) <= 1


def test_one_estimator_alone_is_drawn(tmp_path):
    values = np.random.default_rng(2).normal(0, 1.0, (500, 4))
    plot_pulls(
        tmp_path / "f.png", {"arrays": {("endcap", "shape"): (1e-3 * values, values)}}, True, "toy.root"
    )
    lines = (tmp_path / "f-data.csv").read_text().splitlines()
    assert lines[0] == "# simulation: toy.root, 500 clusters of one particle"
    assert not any("network" in line for line in lines)

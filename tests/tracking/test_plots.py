import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import binomtest

from tracking.options import RunOptions
from tracking.plots import clopper_pearson
from tracking.report import run

FIGURES = {"residuals.png", "pulls.png", "efficiency.png", "cone-study.png", "event-display.png"}


@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_clopper_pearson_is_scipys_exact_interval(level):
    cases = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (1, 1000), (999, 1000), (50, 100)]
    passed, total = np.array(cases, dtype=float).T
    low, high = clopper_pearson(passed, total, level)
    for k, (p, n) in enumerate(cases):
        # At 0 and n SciPy's two-sided interval, too, keeps the whole tail on the open side only.
        exact = binomtest(p, n).proportion_ci(confidence_level=level, method="exact")
        assert low[k] == pytest.approx(exact.low, abs=1e-9)
        assert high[k] == pytest.approx(exact.high, abs=1e-9)


def test_clopper_pearson_of_an_empty_bin_is_everything():
    low, high = clopper_pearson(np.array([0.0]), np.array([0.0]))
    assert (low[0], high[0]) == (0, 1)


def figures_of(folder):
    found = {p.name for p in folder.glob("*.png")}
    for name in found:
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content[-8:-4] == b"IEND"
        pixels = plt.imread(folder / name)
        assert min(pixels.shape[:2]) > 300
        assert np.ptp(pixels[..., :3]) > 0.5  # something is drawn
    return found


@pytest.mark.parametrize(("name", "expected"), [("first", FIGURES), ("bare", {"event-display.png"}), ("mixed", FIGURES)])
def test_every_figure_is_a_picture(files, weights, tmp_path, name, expected):
    run([files[name]], tmp_path, RunOptions(gnn=str(weights)))
    assert figures_of(tmp_path) == expected
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["none", "hollow"])
def test_there_are_no_figures_of_nothing(files, weights, tmp_path, name):
    run([files[name]], tmp_path, RunOptions(gnn=str(weights)))
    assert figures_of(tmp_path) == set()
    assert (tmp_path / "summary.json").exists()


def test_figures_are_drawn_when_nothing_is_found(files, weights, tmp_path):
    options = RunOptions(gnn=str(weights))
    strict = type(options.build)(min_hits=50)
    run([files["first"]], tmp_path, RunOptions(gnn=str(weights), build=strict))
    assert figures_of(tmp_path) == FIGURES


def test_figures_are_left_out_when_not_wanted(files, weights, tmp_path):
    run([files["first"]], tmp_path, RunOptions(gnn=str(weights)), figures=False)
    assert figures_of(tmp_path) == set()

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tracking.options import RunOptions
from tracking.plots import bin_centers
from tracking.runs import run

OF_TRACKS = {"track-pulls.png", "track-resolutions.png"}
FIGURES = OF_TRACKS | {
    "residuals.png", "pulls.png", "efficiency.png", "fakes.png", "vertices.png", "cone-study.png", "event-display.png"
}  # fmt: skip


def test_bins_are_drawn_at_the_middle_of_their_own_kind():
    np.testing.assert_allclose(bin_centers(np.array([0.0, 2.0, 4.0])), [1, 3])
    np.testing.assert_allclose(bin_centers(np.array([1.0, 4.0, 16.0])), [2, 8])


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


@pytest.mark.parametrize(("name", "expected"), [("mixed", FIGURES), ("bare", {"event-display.png"})])
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
    assert figures_of(tmp_path) == FIGURES - OF_TRACKS


def test_figures_are_left_out_when_not_wanted(files, weights, tmp_path):
    run([files["first"]], tmp_path, RunOptions(gnn=str(weights)), figures=False)
    assert figures_of(tmp_path) == set()

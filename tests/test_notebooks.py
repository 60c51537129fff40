"""The notebooks run from top to bottom, and what they compute is right."""

import contextlib
import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.networks.weights import load_weights
from tests.helpers import REPOSITORY
from tracking.finders.gnn.network import ARCHITECTURE

FOLDER = REPOSITORY / "examples"
NOTEBOOKS = ("cone_study", "your_own_detector", "train_on_your_data")


def cells(name, kind):
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Runs a notebook in an empty folder, once, with lines changed: its names, and under "printed" and
    "folder" what it printed and where it ran."""
    done = {}

    def run(name, *changes):
        if (name, changes) not in done:
            folder, printed, found = tmp_path_factory.mktemp(name), io.StringIO(), {}
            plt.switch_backend("Agg")
            with (
                pytest.MonkeyPatch.context() as patch,
                contextlib.chdir(folder),
                contextlib.redirect_stdout(printed),
            ):
                patch.setattr(plt, "show", lambda: None)
                for number, cell in enumerate(cells(name, "code")):
                    source = "".join(cell["source"])
                    for old, new in changes:
                        source = source.replace(old, new)
                    exec(compile(source, f"{name}, code cell {number}", "exec"), found)
            done[name, changes] = {
                **found,
                "printed": printed.getvalue(),
                "folder": folder,
                "figures": plt.get_fignums(),
            }
            plt.close("all")
        return done[name, changes]

    return run


def test_all_notebooks_are_tested_and_on_their_page():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)
    page = (REPOSITORY / "docs" / "notebooks.md").read_text()
    assert all(f"examples/{name}.ipynb" in page for name in NOTEBOOKS)
    assert "notebooks.md" in (REPOSITORY / "mkdocs.yml").read_text()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_stored_without_what_it_printed(name):
    assert len(cells(name, "code")) >= 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(name, "code"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_a_notebook_links_to_exists(name):
    text = "".join(line for cell in cells(name, "markdown") for line in cell["source"])
    targets = re.findall(r"\]\(([^)#]+)", text)
    assert targets
    assert all((FOLDER / target).exists() for target in targets), targets


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_and_draws(executed, name):
    found = executed(name)
    assert found["printed"]
    assert found["figures"]


def test_wider_cones_keep_more_true_edges_and_save_fewer(executed):
    found = executed("cone_study")
    efficiency, reduction = found["efficiency"], found["reduction"]
    assert np.all(np.diff(efficiency) > 0)
    assert np.all(np.diff(reduction) < 0)
    assert efficiency[-1] > 0.999
    # Any cone saves edges, and none can save more than leaving the true ones alone would.
    assert np.all(reduction > 1.5)
    all_of_window, wanted, kept = found["in_window"]
    assert np.all(reduction < all_of_window.sum() / (efficiency * wanted.sum()))
    assert kept.sum() > 0.999 * wanted.sum()
    # The joint test's efficiency follows the quantile: neither far below nor far above.
    asked = np.array(found["QUANTILES"])
    # Pulls have long tails: with unit width, small ellipsoids hold more than they say.
    assert np.all(np.abs(efficiency - asked) < np.where(asked < 0.9, 0.12, 0.06))


def test_cones_save_more_in_the_barrel_and_hold_what_they_say(executed):
    found = executed("cone_study")
    barrel = [saved for name, (saved, _) in found["by_pair"].items() if re.fullmatch(r"B\d-B\d", name)]
    others = [saved for name, (saved, _) in found["by_pair"].items() if "E" in name]
    assert len(barrel) == 3
    assert min(barrel) > np.mean(others)
    assert all(float(quantile) - 0.005 < result["all"] <= 1 for quantile, result in found["covered"].items())


def test_the_table_of_modules_is_the_detector_that_was_meant(executed):
    found = executed("your_own_detector")
    detector, layers = found["detector"], found["layers"]
    assert list(layers.barrel) == [True] * 4
    assert np.all(np.abs(layers.radius - np.array(found["RADII"])) < 1.5)
    np.testing.assert_allclose(np.linalg.det(detector.axes), 1)
    np.testing.assert_array_equal(detector.n_rows, 1344)
    pairs = found["pairs"]
    assert {(0, 1), (1, 2), (2, 3)} == set(zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True))
    # No gap in azimuth or along z: a particle that stays within the length crosses all four cylinders.
    crossings = found["shot"](9, 300).crossings
    particles = crossings.particles
    slope = particles.momentum[:, 2] / np.hypot(*particles.momentum[:, :2].T)
    inside = np.abs(particles.vertex[:, 2] + 156 * slope) < 175
    assert inside.sum() > 280
    crossed = np.unique(
        np.stack([crossings.particle, detector.layer_index[crossings.module]], axis=1), axis=0
    )
    assert np.all(np.bincount(crossed[:, 0], minlength=300)[inside] == 4)


def test_tracks_are_found_in_the_own_detector(executed):
    found = executed("your_own_detector")
    summary = found["summary"]
    assert summary["n_findable"] > 700
    assert summary["track_efficiency"] > 0.98
    assert summary["fake_rate"] < 0.01
    assert found["cone_score"].n_found > 0.99 * found["cone_score"].n_wanted
    assert found["cone_score"].n_edges < 0.6 * found["window_score"].n_edges
    assert len(found["result"].tracks) > 200
    assert (found["folder"] / "results" / "tracks.root").exists()
    assert open_events(found["folder"] / "mine.root").n_events == 3


def test_a_detector_of_three_layers_only_takes_its_radii(executed):
    found = executed("your_own_detector", ("(30.0, 60.0, 100.0, 150.0)", "(30.0, 60.0, 100.0)"))
    assert len(found["layers"]) == 3
    summary = found["summary"]
    assert not any("findable" in line or "hits on different layers" in line for line in summary["warnings"])
    assert summary["n_findable"] > 700
    assert summary["track_efficiency"] > 0.9
    assert "-" not in found["printed"].split("n_findable")[1]


def test_trained_estimates_beat_the_simple_ones_and_not_the_shipped(executed):
    widths = executed("train_on_your_data")["widths"]
    order = [
        np.array(widths[name]) for name in ("shipped network", "network", "cluster shape", "no estimate")
    ]
    assert all(np.all(better < worse) for better, worse in zip(order[:-1], order[1:], strict=True))


def test_trained_graph_network_beats_the_untrained_and_the_test_alone(executed):
    found = executed("train_on_your_data")
    assert found["auc"]["trained"] > 0.98
    assert found["auc"]["trained"] > max(found["auc"]["chi2 alone"], found["auc"]["untrained"]) + 0.02
    description = load_weights(found["folder"] / "gnn.safetensors", ARCHITECTURE)[1]
    assert description["options"]["mdn_barrel"] == "mdn-barrel.safetensors"


def test_the_chain_runs_with_the_new_weights(executed):
    found = executed("train_on_your_data")
    assert found["mine"]["track_efficiency"] > 0.97
    assert found["mine"]["fake_rate"] < 0.02
    assert found["mine"]["n_edges"] != found["shipped"]["n_edges"]


def test_ones_own_network_learns(executed):
    found = executed("train_on_your_data")
    assert found["own_after"] > max(found["own_before"], 0.85)

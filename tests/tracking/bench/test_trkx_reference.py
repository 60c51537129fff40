"""The straight line that is followed, against a loop and where it cannot fail."""

from dataclasses import replace

import numpy as np
import pytest

from tracking.bench.trkx_reference import REFITS, follow_lines, line_accuracy
from tracking.finders.trkx.metrics import ACCURACIES
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.toys import make_toys


def followed(image, n_seed):
    """Pixels of one image (P, W) or (P, W, W), plane by plane, with NumPy's own fit."""
    hits = [np.argwhere(plane > 0) + 0.5 for plane in image]
    chosen = [own[0] for own in hits[:n_seed]]

    def nearest(points, planes, plane):
        lines = [np.polyfit(planes, column, 1) for column in np.transpose(points)]
        crossing = np.array([np.polyval(line, plane) for line in lines])
        return hits[plane][np.argmin(((hits[plane] - crossing) ** 2).sum(axis=1))]

    for plane in range(n_seed, len(image)):
        chosen.append(nearest(chosen, np.arange(plane), plane))
    for _ in range(REFITS):
        points = list(chosen)
        for plane in range(n_seed, len(image)):
            chosen[plane] = nearest(points, np.arange(len(image)), plane)
    pixels = np.array(chosen, dtype=int)
    return pixels @ ([image.shape[2], 1] if image.ndim == 3 else [1])


@pytest.mark.parametrize("kind", ["2d-noise", "2d-tracks", "3d"])
def test_lines_are_those_of_a_loop(kind):
    toy = toy_options(kind)
    toys = make_toys(toy, 12, seed=600_101)
    found = follow_lines(toys, toy)
    expected = [followed(image, toy.seed_planes) for image in toys.images]
    # Hits at the same distance may be taken either way.
    assert np.mean(found == np.array(expected)) > 0.998


@pytest.mark.parametrize("kind", ["2d-tracks", "3d"])
def test_alone_every_track_is_found(kind):
    toy = replace(toy_options(kind), noise=0.0, background=0.0)
    assert line_accuracy(toy, 50, 600_102) == dict.fromkeys(ACCURACIES, 1.0)


def test_accuracies_are_shares_of_planes():
    toy = replace(toy_options("2d-tracks"), background=20.0)
    toys = make_toys(toy, 40, seed=600_103)
    right = follow_lines(toys, toy) == toys.wanted
    found = line_accuracy(toy, 40, 600_103)
    assert found["pixel_accuracy"] == pytest.approx(right[:, 5:].mean())
    assert found["hit_accuracy"] == pytest.approx(right.mean())
    assert found["pixel_accuracy"] < found["hit_accuracy"] < 1


def test_batches_change_nothing(monkeypatch):
    toy = toy_options("2d-noise")
    whole = line_accuracy(toy, 50, 600_104)
    monkeypatch.setattr("tracking.bench.trkx_reference.BATCH", 7)
    assert line_accuracy(toy, 50, 600_104) == pytest.approx(whole)

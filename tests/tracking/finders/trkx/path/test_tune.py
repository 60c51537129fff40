"""The filter's options by likelihood: a loss against SciPy's density, and options that toys were made with."""

from dataclasses import replace

import numpy as np
from scipy.stats import multivariate_normal

from smartpix.beam import CENTRED
from tests.seeding import toys
from tests.tracking.finders.trkx.path.truths import CLEAN, toy_paths
from tracking.finders.trkx.path.dataset import PathEvent
from tracking.finders.trkx.path.train import path_weights
from tracking.finders.trkx.path.tune import TUNED, filter_loss, followed, tuned_filter


def events_of(seeds, n=60):
    return [PathEvent(*toy_paths(n, seed=seed), toys.FIELD, CENTRED, True) for seed in seeds]


def test_the_loss_is_of_gaussian_densities():
    data = followed(events_of([1]), CLEAN)
    # Far off, chi2 counts less than in a Gaussian.
    data.crossing[~(np.sum(data.crossing**2, axis=2) < 30)] = 0.0
    weight, total, norm = path_weights(data.pt, 0.5), 0.0, 0.0
    for p, k in np.argwhere(data.known):
        density = multivariate_normal(np.zeros(2), np.eye(2)).logpdf(data.crossing[p, k].astype(float))
        total += weight[p] * (np.log(data.area[p, k]) - density - np.log(2 * np.pi))
        norm += weight[p]
    assert abs(filter_loss(data, 0.5) - total / norm) < 1e-5
    assert abs(filter_loss(data, 0.0) - filter_loss(data, 0.5)) > 1e-4


def test_hits_that_are_far_off_do_not_decide():
    data = followed(events_of([2]), CLEAN)
    row = np.argwhere(data.known)[5]
    values = []
    for far in (0.0, 1e2, 1e4):
        data.crossing[tuple(row)] = far
        values.append(filter_loss(data, 0.0) * data.known.sum())
    assert values[1] - values[0] < 0.05 * 0.5 * 2e4
    assert values[2] - values[1] < 20 * np.log(1.1e4)


def test_toys_have_no_material_and_their_own_errors_of_slopes():
    """From layers of material that toys do not have, and slopes that are ten times too exact, the search finds back."""
    events = events_of([3, 4])
    start = replace(CLEAN, thickness=0.02, thickness_disk=0.02, slope_scale=0.1)
    lines = []
    best, loss = tuned_filter(
        events, start, 0.5, lines.append, ("thickness", "thickness_disk", "slope_scale")
    )
    assert best.thickness < 0.004
    assert best.slope_scale > 0.5
    assert loss < filter_loss(followed(events, start), 0.5) - 0.1
    assert loss == filter_loss(followed(events, best), 0.5)
    assert len(lines) >= 10
    # What is not named stays.
    assert replace(best, thickness=0.0, thickness_disk=0.0, slope_scale=1.0) == CLEAN


def test_all_tuned_options_are_the_filters():
    for name in TUNED:
        assert getattr(replace(CLEAN, **{name: 1.5}), name) == 1.5
